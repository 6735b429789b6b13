"""The report: one page that answers the study's questions.

Requires   whatever the study has: clinical tables alone, or everything
Makes      <results>/<study>/report.html, methods.md, references.bib and checklists/*.tsv
"""


rule report:
    """Write the page that answers the study's questions."""
    input:
        made=on_sheets(lambda: plan.report.inputs()),
        atlas=on_sheets(lambda: plan.report.atlas()),
    output:
        page=reported(plan.file("report.html"), "Page"),
        checklists=reported(plan.report.checklists(), "Checklists"),
        manuscript=reported(plan.report.manuscript(), "Page"),
    log:
        plan.file("logs", "report.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("report"),
    params:
        study=on_sheets(lambda: plan.report.contents()),
        blinding=on_sheets(lambda: plan.blinding.record()),
        preregistration=on_sheets(lambda: plan.preregistration.record()),
        code=code("report"),
        templates=content_digest(plan.report.templates()),
    script:
        "../../scripts/report.py"
