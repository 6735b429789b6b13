"""Group analyses: pairs of sessions, inference by permutation.

Requires   maps, edges and quality records of all sessions (or ready maps, entry maps)
Makes      <results>/<study>/group/<pipeline>/
Steps      pair_sessions -> group_test per analysis -> group_family, pairs_of_groups; mixed_model;
           sensitivity
"""


rule pair_sessions:
    """Write the maps of all people under both treatments to one array, without sessions of poor
    quality, which are listed."""
    input:
        sessions=on_sheets(lambda: plan.connectivity.folders()),
        maps=sound(
            plan.group.require_sound_maps, plan.group.ready_maps, "pipeline", "pairs"
        ),
        regions=lambda w: refused(plan.regions.files, [w.pipeline]),
        mask=plan.group.mask(),
    output:
        directory(plan.file("group", "{pipeline}", "{pairs,pairs(_[A-Za-z0-9]+)?}")),
    log:
        plan.file("logs", "pair_sessions", "{pipeline}_{pairs}.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(
            "pair_sessions", lambda w, input: plan.group.pair_sizes(w.pipeline, input)
        ),
    params:
        people=lambda w: refused(plan.group.rows, w.pairs),
        sessions=on_sheets(lambda: plan.people.sessions_of_people()),
        task=plan.config["task"],
        space=plan.config["space"],
        seeds=lambda w: plan.regions.seed_rows(w.pipeline),
        choices=lambda w: refused(plan.group.pair_choices, w.pipeline, w.pairs),
        ratings=on_sheets(lambda: plan.exclusion.excluding()),
        code=code("pair_sessions"),
    script:
        "../../scripts/pair_sessions.py"


rule group_test:
    """Run one analysis: maps of statistic, effect and corrected p, clusters, peaks, cells, null."""
    input:
        pairs=lambda w: refused(plan.group.pairs_of, w.pipeline, w.analysis),
        atlas=plan.config["group"]["atlas"],
        atlas_names=plan.config["group"]["atlas_names"],
    output:
        reported_folder(
            plan.file("group", "{pipeline}", "{analysis,(?!pairs(_|$))[A-Za-z0-9_]+}"),
            "clusters.tsv",
            "Group",
            pipeline="{pipeline}",
            analysis="{analysis}",
        ),
    log:
        plan.file("logs", "group_test", "{pipeline}_{analysis}.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: plan.config["group"]["threads"]
    # Resources and not params, because the amount of memory and threads changes no result.
    resources:
        **needs("group_test", lambda w, input: plan.group.test_sizes(input.pairs)),
        data_mb=plan.group.data_mb(),
    params:
        # One parameter instead of ten: Snakemake compares values without their names, so it would
        # not notice if two of them exchanged their values.
        choices=lambda w: refused(plan.group.test_choices, w.analysis),
        code=code("group_test"),
    script:
        "../../scripts/group_test.py"


rule group_family:
    """Correct analyses together: their clusters, with p within and across the family."""
    input:
        lambda w: expand(
            plan.file("group", "{pipeline}", "{analysis}"),
            pipeline=w.pipeline,
            analysis=dict.fromkeys(sum(refused(plan.group.families), [])),
        ),
    output:
        reported(
            plan.file("group", "{pipeline}", "family.tsv"),
            "Group",
            pipeline="{pipeline}",
        ),
    log:
        plan.file("logs", "group_family", "{pipeline}.log"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        families=on_sheets(lambda: plan.group.families()),
        code=code("group_family"),
    script:
        "../../scripts/group_family.py"


rule pairs_of_groups:
    """Correct comparisons of two of three and more groups over all pairs: their clusters."""
    input:
        lambda w: expand(
            plan.file("group", "{pipeline}", "{analysis}"),
            pipeline=w.pipeline,
            analysis=sum(refused(plan.group.pairs_of_groups).values(), []),
        ),
    output:
        reported(
            plan.file("group", "{pipeline}", "pairs_of_groups.tsv"),
            "Group",
            pipeline="{pipeline}",
        ),
    log:
        plan.file("logs", "pairs_of_groups", "{pipeline}.log"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        pairs=on_sheets(lambda: plan.group.pairs_of_groups()),
        code=code("pairs_of_groups"),
    script:
        "../../scripts/pairs_of_groups.py"


rule sensitivity:
    """Plant effects of known size into the residuals of the maps: which would have been found?"""
    input:
        pairs=lambda w: list(
            dict.fromkeys(refused(plan.group.sensitivity_pairs, w.pipeline).values())
        ),
    output:
        reported(
            plan.file("group", "{pipeline}", "sensitivity.tsv"),
            "Group",
            pipeline="{pipeline}",
        ),
    log:
        plan.file("logs", "sensitivity", "{pipeline}.log"),
    # After the analyses where there is a choice: nothing but the report waits for it.
    priority: -1
    conda:
        "../../envs/analysis.yaml"
    threads: plan.config["group"]["threads"]
    resources:
        **needs(
            "sensitivity",
            lambda w, input: plan.group.sensitivity_sizes(input.pairs),
        ),
        data_mb=plan.group.data_mb(),
    params:
        choices=on_sheets(lambda: plan.group.sensitivity_choices()),
        # By name and not by path, because jobs would run again if the study were moved.
        pairs=lambda w: {
            name: Path(folder).name
            for name, folder in refused(
                plan.group.sensitivity_pairs, w.pipeline
            ).items()
        },
        code=code("sensitivity"),
    script:
        "../../scripts/sensitivity.py"


rule mixed_model:
    """Fit a mixed model to the a-priori edges, for all people with at least one session."""
    input:
        pairs=lambda w: refused(plan.group.pairs_with_edges, w.pipeline),
    output:
        reported(
            plan.file("group", "{pipeline}", "mixed.tsv"),
            "Group",
            pipeline="{pipeline}",
        ),
    log:
        plan.file("logs", "mixed_model", "{pipeline}.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("table"),
    params:
        design=on_sheets(lambda: plan.group.mixed_design()),
        code=code("mixed_model"),
    script:
        "../../scripts/mixed_model.py"
