"""The report: one page that answers the study's questions.

Requires   whatever the study has: clinical tables alone, or everything
Makes      <results>/<study>/report.html
"""

from crossfc.jobs.code import content_digest


def report_inputs():
    twin = [plan.file("truth.json")] if plan.config["twin"] else []
    trial = list(rules.trial.output)
    native = preprocessed_scans()[:1]
    results = clinical_results() + group_results() + quality_results()
    pairs = expand(GROUP + "/pairs", pipeline=plan.pipelines if plan.has_images else [])
    return trial + native + pairs + results + twin


rule report:
    input:
        on_sheets(report_inputs),
    output:
        plan.file("report.html"),
    log:
        plan.file("logs", "report.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("report"),
    params:
        study=on_sheets(lambda: plan.report()),
        code=code("report"),
        templates=content_digest(plan.templates()),
    script:
        "../../scripts/report.py"
