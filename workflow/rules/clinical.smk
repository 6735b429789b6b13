"""The clinic: how scores changed, and whether connectivity changed with them.

Requires   scores in the sheet of sessions; for correlations the a-priori edges of all sessions
Makes      <results>/<study>/clinical/
Steps      clinical_change (no image needed) -> clinical_correlation
"""


def clinical_results():
    if not plan.checked_trial().scales:
        return []
    found = list(rules.clinical_change.output)
    return found + (list(rules.clinical_correlation.output) if plan.has_edges else [])


# Each scale's change: paired, period-adjusted, period and carry-over terms.
rule clinical_change:
    output:
        change=plan.file("clinical", "change.tsv"),
        scores=plan.file("clinical", "scores.tsv"),
        between=plan.file("clinical", "between_groups.tsv"),
    log:
        plan.file("logs", "clinical_change.log"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        scores=on_sheets(lambda: plan.clinic.scores()),
        design=on_sheets(lambda: plan.design()),
        code=code("clinical_change"),
    script:
        "../../scripts/clinical_change.py"


# Change on change at a-priori edges, given the order: permutation p, interval, false discovery rate.
rule clinical_correlation:
    input:
        pairs=on_sheets(lambda: plan.group.pairs_with_edges(plan.primary)),
    output:
        correlation=plan.file("clinical", "correlation.tsv"),
        points=plan.file("clinical", "points.tsv"),
        left=plan.file("clinical", "left.tsv"),
    log:
        plan.file("logs", "clinical_correlation.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("table"),
    params:
        design=on_sheets(lambda: plan.design()),
        clinical=on_sheets(lambda: plan.clinic.correlation_choices()),
        scores=on_sheets(lambda: plan.people.scored(plan.clinic.correlated_groups())),
        code=code("clinical_correlation"),
    script:
        "../../scripts/clinical_correlation.py"
