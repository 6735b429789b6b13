"""Quality: exclusions, motion, likeness, and whether other pipelines give the same answer.

Requires   quality records of all sessions, pairs and analyses of every pipeline
Makes      <results>/<study>/quality/, robustness.tsv, quality.html, people/
Steps      quality_group -> quality_pages; robustness
"""


rule robustness:
    """Compare the maps of each pipeline with the primary one's, and look for every cluster of it in
    the others and in the people who moved less: does the answer depend on it?"""
    input:
        tests=expand(
            plan.file("group", "{pipeline}", "{analysis}"),
            pipeline=plan.pipelines,
            analysis=refused(plan.group.analyses_made) if plan.trial else [],
        ),
        pairs=on_sheets(lambda: plan.group.pairs_of_pipelines()),
        motion=on_sheets(lambda: plan.quality.motion()),
    output:
        **reported(plan.quality.robustness_files(), "Quality and robustness"),
    log:
        plan.file("logs", "robustness.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("table"),
    params:
        pipelines=plan.pipelines,
        analyses=on_sheets(lambda: plan.group.analyses_made()),
        pairs=on_sheets(lambda: plan.group.folders()),
        choices=on_sheets(lambda: plan.group.choices_made()),
        designs=on_sheets(lambda: plan.designs()),
        connectivity=plan.config["group"]["connectivity"],
        fd_limits=on_sheets(lambda: plan.quality.fd_limits()),
        code=code("robustness"),
    script:
        "../../scripts/robustness.py"


rule quality_group:
    """Tabulate quality and exclusions; test whether motion, breath or pose explain the effects."""
    input:
        folders=on_sheets(lambda: plan.connectivity.folders()),
        pairs=on_sheets(lambda: plan.group.all_pairs_with_edges(plan.primary)),
        boldrefs=on_sheets(lambda: list(plan.scans.boldrefs().values())),
    output:
        **reported(plan.quality.files(), "Quality and robustness"),
    log:
        plan.file("logs", "quality_group.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("table"),
    params:
        sessions=on_sheets(lambda: plan.people.sessions_of_people()),
        pipelines=plan.pipelines,
        task=plan.config["task"],
        space=plan.config["space"],
        designs=on_sheets(lambda: plan.designs()),
        limits=plan.exclusion.limits(),
        ratings=on_sheets(lambda: plan.exclusion.ratings()),
        edges=on_sheets(lambda: plan.quality.edges()),
        by_guess=on_sheets(lambda: plan.quality.guess_choices()),
        # The scans to which the input boldrefs belong. Not their paths, because jobs would run
        # again if the data set were moved.
        boldrefs=on_sheets(lambda: list(plan.scans.boldrefs())),
        code=code("quality_group"),
    script:
        "../../scripts/quality_group.py"


rule quality_pages:
    """Write the quality page, and a page per person that shows all sessions side by side."""
    input:
        on_sheets(lambda: plan.quality_page.inputs()),
    output:
        reported(plan.quality_page.file, "Page"),
        directory(plan.quality_page.people()),
    log:
        plan.file("logs", "quality_pages.log"),
    # Last of all where there is a choice, so that it can tell which other jobs failed.
    priority: -2
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("quality_pages"),
    params:
        study=on_sheets(lambda: plan.quality_page.contents()),
        planned=on_sheets(lambda: plan.report.job_labels()),
        code=code("quality_pages"),
        templates=content_digest(plan.quality_page.templates()),
    script:
        "../../scripts/quality_pages.py"


rule quality:
    """Quality of sessions and people: motion, exclusions, likeness, with their pages."""
    input:
        on_sheets(plan.require_scans),
        on_sheets(lambda: plan.group.pairs_with_edges(plan.primary)),
        on_sheets(lambda: plan.quality.results()),
        on_sheets(lambda: plan.quality_page.results()),
    localrule: True
