"""Hypotheses stated beforehand: one family, corrected together, and how far each holds.

Requires   pairs of every pipeline, tables of scores, quality of sessions
Makes      <results>/<study>/hypotheses/
Steps      hypotheses
"""


rule hypotheses:
    """Test the hypotheses stated beforehand, corrected as one family; again in every pipeline and
    in the people who moved less."""
    input:
        pairs=on_sheets(lambda: plan.hypotheses.pairs()),
        tables=on_sheets(lambda: plan.hypotheses.tables()),
        motion=on_sheets(lambda: plan.hypotheses.motion()),
        regions=on_sheets(lambda: plan.hypotheses.images()),
    output:
        **reported(plan.hypotheses.files(), "Hypotheses"),
    log:
        plan.file("logs", "hypotheses.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("table"),
    params:
        hypotheses=on_sheets(lambda: plan.hypotheses.rows()),
        designs=on_sheets(lambda: plan.designs()),
        scores=on_sheets(lambda: plan.hypotheses.scores()),
        choices=on_sheets(lambda: plan.hypotheses.choices()),
        # Which pipelines and contrasts, and not where their data are.
        pipelines=on_sheets(
            lambda: {
                name: list(own) for name, own in plan.hypotheses.folders().items()
            }
        ),
        code=code("hypotheses"),
    script:
        "../../scripts/hypotheses.py"
