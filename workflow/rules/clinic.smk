"""Clinical analyses: how scores changed, and whether connectivity changed with them.

Requires   scores in the sheet of sessions; for correlations the a-priori edges of all sessions
Makes      <results>/<study>/clinic/
Steps      clinical_change (no image needed) -> clinical_correlation -> clinical_evidence; in three
           periods and more, clinical_carryover (no image needed) and edge_carryover
"""


rule clinical_change:
    """Test the change of each scale: paired, adjusted for period, period and carry-over effects;
    describe its course over treatments and occasions, and test it at every occasion; tell changes
    by sequence, the first period alone, and who responded."""
    output:
        **reported(plan.clinic.change_files(), "Scores"),
    log:
        plan.file("logs", "clinical_change.log"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        scores=on_sheets(lambda: plan.clinic.scores()),
        visits=on_sheets(lambda: plan.clinic.visits()),
        course=on_sheets(lambda: plan.clinic.course_design()),
        occasion_scores=on_sheets(lambda: plan.clinic.occasion_scores()),
        occasion_designs=on_sheets(lambda: plan.clinic.occasion_designs()),
        groups=on_sheets(lambda: plan.checked_trial().groups),
        scales=on_sheets(lambda: list(plan.checked_trial().scales)),
        designs=on_sheets(lambda: plan.designs()),
        first_scores=on_sheets(lambda: plan.clinic.first_scores()),
        criteria=on_sheets(lambda: plan.clinic.criteria()),
        statuses=on_sheets(lambda: plan.clinic.statuses()),
        response_pairs=on_sheets(lambda: plan.clinic.response_pairs()),
        response_comparisons=on_sheets(lambda: plan.clinic.response_comparisons()),
        code=code("clinical_change"),
    script:
        "../../scripts/clinical_change.py"


rule clinical_correlation:
    """Correlate changes in connectivity with changes in scores at a-priori edges, adjusted for the
    order of treatments: permutation p, confidence interval, false discovery rate."""
    input:
        pairs=on_sheets(lambda: plan.group.all_pairs_with_edges(plan.primary)),
    output:
        **reported(plan.clinic.correlation_files(), "Scores"),
    log:
        plan.file("logs", "clinical_correlation.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("table"),
    params:
        designs=on_sheets(lambda: plan.designs()),
        scales=on_sheets(lambda: list(plan.checked_trial().scales)),
        clinical=on_sheets(lambda: plan.clinic.correlation_choices()),
        scores=on_sheets(lambda: plan.clinic.correlated_scores()),
        code=code("clinical_correlation"),
    script:
        "../../scripts/clinical_correlation.py"


rule clinical_evidence:
    """Judge each change of a score and of an a-priori edge and each correlation: equivalence to
    nothing, Bayes factor, smallest detectable effect, errors of type M and S."""
    input:
        pairs=on_sheets(
            lambda: (
                plan.group.all_pairs_with_edges(plan.primary) if plan.has_edges else []
            )
        ),
        correlation=on_sheets(lambda: plan.clinic.evidence_correlation()),
    output:
        reported(plan.clinic.evidence_file(), "Scores"),
    log:
        plan.file("logs", "clinical_evidence.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("table"),
    params:
        scores=on_sheets(lambda: plan.clinic.scores()),
        scales=on_sheets(lambda: list(plan.checked_trial().scales)),
        designs=on_sheets(lambda: plan.designs()),
        smallest=on_sheets(lambda: plan.clinic.smallest_effects()),
        code=code("clinical_evidence"),
    script:
        "../../scripts/clinical_evidence.py"


rule clinical_carryover:
    """Estimate the change of each scale again with columns for the treatment of the period before:
    a sensitivity analysis of designs of three and more periods."""
    output:
        reported(plan.clinic.carryover_files()["carryover"], "Scores"),
    log:
        plan.file("logs", "clinical_carryover.log"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        scores=on_sheets(lambda: plan.clinic.carryover_scores()),
        treatments=on_sheets(lambda: plan.clinic.carryover_treatments()),
        scales=on_sheets(lambda: list(plan.checked_trial().scales)),
        designs=on_sheets(lambda: plan.designs()),
        code=code("clinical_carryover"),
    script:
        "../../scripts/clinical_carryover.py"


rule edge_carryover:
    """Estimate the change of each a-priori edge again with columns for the treatment of the period
    before: a sensitivity analysis of designs of three and more periods."""
    input:
        pairs=on_sheets(lambda: plan.group.all_pairs_with_edges(plan.primary)),
    output:
        reported(plan.clinic.carryover_files()["edge_carryover"], "Scores"),
    log:
        plan.file("logs", "edge_carryover.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("table"),
    params:
        people=on_sheets(lambda: plan.clinic.carryover_people()),
        treatments=on_sheets(lambda: plan.clinic.carryover_treatments()),
        designs=on_sheets(lambda: plan.designs()),
        code=code("edge_carryover"),
    script:
        "../../scripts/edge_carryover.py"
