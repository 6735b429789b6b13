"""Provenance: what the results were made of, and with what.

Requires   everything that the report needs, and the report
Makes      <results>/<study>/provenance.json, and the sheets as they were in trial/sheets/
Steps      gather the records that the jobs left beside their logs
"""

from pathlib import Path

from crossfc.provenance import sheet_paths


rule provenance:
    """Made again whenever the report is."""
    input:
        rules.report.output,
    output:
        record=plan.file("provenance.json"),
        sheets=[
            plan.file("trial", "sheets", name + Path(path).suffix)
            for name, path in sheet_paths(plan.config).items()
        ],
    log:
        plan.file("logs", "provenance.log"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        # What decides about results. Where things lie and how many threads there are is recorded
        # too, from the configuration, but makes no new record of results that stay as they are.
        choices=plan.report.choices(),
        # The script of every rule that has one, but for this one, which looks at the others.
        rules=lambda w: {
            rule.name: Path(rule.script).stem
            for rule in workflow.rules
            if rule.script and rule.name != "provenance"
        },
        planned=on_sheets(lambda: plan.report.job_labels()),
        deployment=lambda w: sorted(
            method.name.lower()
            for method in workflow.deployment_settings.deployment_method
        ),
        code=code("provenance"),
    script:
        "../../scripts/provenance.py"
