"""Connectivity: one job per session reads its scan once and serves every pipeline.

Requires   preprocessed BOLD, brain mask and confounds of each session (fMRIPrep's names)
Makes      <results>/<study>/sub-*/ses-*/func: Fisher-z maps, series, seed-by-target edges, quality,
           a carpet plot; the folder is the output, whole or not at all: Snakemake keeps a record,
           and reads the scan again for its checksum, for every single output
Steps      choose the whole run of lowest motion -> project out confounds and stop band -> correlate
"""


def preprocessed_inputs(kind):
    """Ask for derivatives; first refuse those at fault, of all people, before any job is run."""

    def of_wildcards(wildcards):
        # Headers are looked at once, not again in every job of a cluster.
        if workflow.is_main_process:
            refused(plan.connectivity.require_sound)
        own = wildcards.participant, wildcards.session
        return refused_alone(plan.connectivity.inputs, *own, kind)

    return of_wildcards


def own_scans(wildcards):
    return refused(plan.scans.used_scans, wildcards.participant, wildcards.session)


def passed_over(wildcards):
    return refused(plan.scans.passed_over, wildcards.participant, wildcards.session)


if plan.entry != "maps" and plan.trial:

    rule connectivity_session:
        input:
            bold=preprocessed_inputs("bold"),
            mask=preprocessed_inputs("mask"),
            confounds=preprocessed_inputs("confounds"),
            sidecars=preprocessed_inputs("bold_sidecar"),
            confounds_sidecars=preprocessed_inputs("confounds_sidecar"),
            regions=lambda w: refused(plan.regions.files, plan.pipelines),
        output:
            directory(plan.connectivity.folder_pattern()),
        log:
            plan.file(
                "logs", "connectivity_session", "sub-{participant}_ses-{session}.log"
            ),
        conda:
            "../../envs/connectivity.yaml"
        threads: 1
        resources:
            **needs(
                "connectivity_session",
                lambda wildcards, input: {"scan": need.image_mb(input.bold)},
            ),
        params:
            scans=own_scans,
            passed_over=passed_over,
            derivatives=plan.connectivity.derivative_choices(),
            task=plan.config["task"],
            space=plan.config["space"],
            pipelines=plan.connectivity.pipeline_choices(),
            targets=plan.regions.target_rows(),
            limits=plan.config["connectivity"],
            code=code("connectivity_session"),
        script:
            "../../scripts/connectivity_session.py"
