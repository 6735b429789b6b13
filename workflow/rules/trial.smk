"""The trial: config and sheets are checked together, before any job runs.

Requires   config/*.yaml and the sheets it names
Makes      <results>/<study>/trial/
Steps      check config -> check sheets -> trial; or `sheets`: data set -> sheets
"""


rule sheets:
    """Write participants.tsv and sessions.tsv from the BIDS data set, whenever it is asked for."""
    log:
        plan.file("logs", "sheets.log"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        config=plan.for_sheets(),
    script:
        "../../scripts/sheets.py"


rule trial:
    """Write who is in the trial, and who is left out of the paired analyses, with reasons."""
    output:
        left=plan.file("trial", "left.tsv"),
        counts=plan.file("trial", "counts.tsv"),
        participants=plan.file("participants.tsv"),
        description=plan.file("dataset_description.json"),
        ignore=plan.file(".bidsignore"),
        readme=plan.file("README"),
    log:
        plan.file("logs", "trial.log"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        left=on_sheets(lambda: plan.trial.left()),
        counts=on_sheets(lambda: plan.trial.counts()),
        people=on_sheets(lambda: plan.people.participants()),
        study=plan.config["study"],
        code=code("trial"),
    script:
        "../../scripts/trial.py"
