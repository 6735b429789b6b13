"""The bundle: group results that a repository such as NeuroVault accepts, and that another site can
pool; nothing in it is about single people.

Requires   everything that the report needs, the report and the record of provenance
Makes      <results>/<study>/bundle/, whenever it is asked for
Steps      bundle
"""


rule bundle:
    """Write effect, variance, statistic and p maps, estimates by group and distributions of quality,
    for sharing."""
    input:
        analyses=on_sheets(lambda: plan.bundle.analyses()),
        evidence=on_sheets(lambda: plan.bundle.evidence()),
        sessions=on_sheets(lambda: plan.bundle.sessions()),
        methods=rules.report.output.manuscript[0],
        provenance=rules.provenance.output.record,
    output:
        directory(plan.file("bundle")),
    log:
        plan.file("logs", "bundle.log"),
    # It copies maps, which takes seconds; in a batch it would wait for the local rule provenance.
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        options=on_sheets(lambda: plan.bundle.options()),
        people=on_sheets(lambda: plan.bundle.people()),
        templates=content_digest(plan.bundle.templates()),
        code=code("bundle"),
    script:
        "../../scripts/bundle.py"
