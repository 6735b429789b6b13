"""Provenance: from which inputs and with which software the results were made.

Requires   everything that the report needs, and the report
Makes      <results>/<study>/provenance.json, and the sheets as they were in trial/sheets/
Steps      collect the records that jobs wrote beside their logs
"""

from pathlib import Path

from crossfc.jobs import own
from crossfc.provenance import sheet_paths


rule provenance:
    """Write the record; it is made again whenever the report is."""
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
        # Only choices that can change results. Paths and numbers of threads are recorded too, from
        # the configuration, but a change in them does not make a new record of the same results.
        choices=plan.report.choices(),
        # The scripts of all rules except this one.
        rules=lambda w: {
            rule.name: Path(rule.script).stem
            for rule in workflow.rules
            if rule.script
            and own.is_own(rule)
            and Path(rule.script).stem != "provenance"
        },
        preregistration=on_sheets(lambda: plan.preregistration.record()),
        planned=on_sheets(lambda: plan.report.job_labels()),
        deployment=lambda w: sorted(
            method.name.lower()
            for method in workflow.deployment_settings.deployment_method
        ),
        code=code("provenance"),
    script:
        "../../scripts/provenance.py"
