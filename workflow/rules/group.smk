"""The group: pairs of sessions, inference by permutation, quality, comparison of pipelines.

Requires   maps, edges and quality records of all sessions (or ready maps, entry maps)
Makes      <results>/<study>/group/<pipeline>/, quality/, robustness.tsv
Steps      pair_sessions -> group_test per analysis -> group_family, robustness;
           mixed_model, quality_group
"""

GROUP = plan.file("group", "{pipeline}")


def analyses():
    return plan.group.analyses() if plan.has_images else []


def group_results():
    if not plan.has_images:
        return []
    tests = expand(GROUP + "/{analysis}", pipeline=plan.pipelines, analysis=analyses())
    if plan.group.families():
        tests += expand(GROUP + "/family.tsv", pipeline=plan.pipelines)
    if not plan.has_edges:
        return tests
    mixed = expand(GROUP + "/mixed.tsv", pipeline=plan.primary)
    return tests + mixed + [plan.file("robustness.tsv")]


def quality_results():
    return list(rules.quality_group.output) if plan.has_edges else []


def sound_maps(wildcards):
    """Ask for ready maps; first refuse those at fault, of all people, before any job is run."""
    if workflow.is_main_process:
        refused(plan.group.require_sound_maps, wildcards.pipeline)
    return refused_alone(plan.group.ready_maps, wildcards.pipeline)


def pairing_sizes(wildcards, input):
    each = need.image_mb(need.first_map(input))
    number = len(plan.sessions()) * len(plan.regions.seeds(wildcards.pipeline))
    return {"map": each, "maps": each * number}


def test_sizes(wildcards, input):
    people, seeds, voxels = need.array_shape(f"{input.pairs}/delta.npy")
    maps = 4e-6 * seeds * voxels
    return {
        "data": min(people * maps, plan.group.data_mb()),
        "maps": maps,
        "sweeps": maps * plan.config["group"]["permutations"],
    }


# Everybody's maps under both treatments in one array; sessions of poor quality leave by name.
rule pair_sessions:
    input:
        sessions=on_sheets(lambda: plan.connectivity.folders()),
        maps=sound_maps,
        regions=lambda w: refused(plan.regions.files, [w.pipeline]),
    output:
        directory(GROUP + "/pairs"),
    log:
        plan.file("logs", "pair_sessions", "{pipeline}.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("pair_sessions", pairing_sizes),
    params:
        people=on_sheets(lambda: plan.people.rows()),
        sessions=on_sheets(lambda: plan.people.sessions_of_people()),
        task=plan.config["task"],
        space=plan.config["space"],
        seeds=lambda w: plan.regions.seed_rows(w.pipeline),
        choices=lambda w: plan.group.pair_choices(w.pipeline),
        code=code("pair_sessions"),
    script:
        "../../scripts/pair_sessions.py"


# One analysis: statistic, effect and corrected p maps, clusters, peaks, cells, null.
rule group_test:
    input:
        pairs=GROUP + "/pairs",
        atlas=plan.config["group"]["atlas"],
        atlas_names=plan.config["group"]["atlas_names"],
    output:
        directory(GROUP + "/{analysis,(?!pairs$)[A-Za-z0-9_]+}"),
    log:
        plan.file("logs", "group_test", "{pipeline}_{analysis}.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: plan.config["group"]["threads"]
    # Not params: how much memory and how many threads there are changes no result.
    resources:
        **needs("group_test", test_sizes),
        data_mb=plan.group.data_mb(),
    params:
        # One parameter, not ten: Snakemake compares values without their names, so two that change
        # places would rerun nothing.
        choices=lambda w: refused(plan.group.test_choices, w.analysis),
        code=code("group_test"),
    script:
        "../../scripts/group_test.py"


# Analyses that are corrected together: their clusters, with p within and over the family.
rule group_family:
    input:
        lambda w: expand(
            GROUP + "/{analysis}",
            pipeline=w.pipeline,
            analysis=dict.fromkeys(sum(refused(plan.group.families), [])),
        ),
    output:
        GROUP + "/family.tsv",
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


# Everybody with at least one session: group x drug + period on the a-priori edges.
rule mixed_model:
    input:
        pairs=lambda w: refused(plan.group.pairs_with_edges, w.pipeline),
    output:
        GROUP + "/mixed.tsv",
    log:
        plan.file("logs", "mixed_model", "{pipeline}.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("table"),
    params:
        labels=plan.labels(),
        code=code("mixed_model"),
    script:
        "../../scripts/mixed_model.py"


# Does the answer depend on the pipeline? Each one's maps beside the primary's.
rule robustness:
    input:
        tests=expand(
            GROUP + "/{analysis}",
            pipeline=plan.pipelines,
            analysis=refused(analyses) if plan.trial else [],
        ),
    output:
        plan.file("robustness.tsv"),
    log:
        plan.file("logs", "robustness.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs("table"),
    params:
        pipelines=plan.pipelines,
        analyses=on_sheets(analyses),
        group_dir=plan.file("group"),
        code=code("robustness"),
    script:
        "../../scripts/robustness.py"


# Motion of change, exclusions, and whether motion explains changes in connectivity.
rule quality_group:
    input:
        folders=on_sheets(lambda: plan.connectivity.folders()),
        pairs=on_sheets(lambda: plan.group.pairs_with_edges(plan.primary)),
        boldrefs=on_sheets(lambda: list(plan.scans.boldrefs().values())),
    output:
        sessions=plan.file("quality", "sessions.tsv"),
        motion=plan.file("quality", "motion.tsv"),
        excluded=plan.file("quality", "excluded.tsv"),
        qcfc=plan.file("quality", "qcfc.tsv"),
        defects=plan.file("quality", "defects.tsv"),
        likeness=plan.file("quality", "likeness.tsv"),
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
        labels=plan.labels(),
        limits=plan.config["exclusion"],
        # Their scans, in the order of the input: paths would make a moved data set another one.
        boldrefs=on_sheets(lambda: list(plan.scans.boldrefs())),
        code=code("quality_group"),
    script:
        "../../scripts/quality_group.py"


rule quality:
    input:
        on_sheets(plan.require_scans),
        on_sheets(lambda: plan.group.pairs_with_edges(plan.primary)),
        on_sheets(quality_results),
    localrule: True
