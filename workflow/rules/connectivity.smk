"""Connectivity: one job per session reads its scan once, for all pipelines.

Requires   preprocessed BOLD, brain mask and confounds of each session (fMRIPrep's names), or what
           another program cleaned; recordings of pulse and breathing, components and a map of grey
           matter, where there are any
Makes      <results>/<study>/sub-*/ses-*/func: Fisher-z maps, series, seed-by-target edges, quality,
           and what the pages of people show. The output is the folder, not the single files, because
           Snakemake would keep a record, and read the scan again for its checksum, for every one
Steps      choose the complete run with least motion -> project out confounds and stop band ->
           correlate
"""

if plan.entry != "maps" and plan.trial:

    rule connectivity_session:
        """Read the scan of a session once; compute maps, series, edges and quality per pipeline."""
        input:
            bold=derivatives("bold"),
            mask=derivatives("mask"),
            confounds=derivatives("confounds"),
            sidecars=derivatives("bold_sidecar"),
            confounds_sidecars=derivatives("confounds_sidecar"),
            coregistrations=derivatives("coregistration"),
            outliers=derivatives("outliers"),
            components=derivatives("components"),
            regions=lambda wildcards: refused(plan.regions.files, plan.pipelines),
            recordings=lambda w: plan.recordings.inputs(w.participant, w.session),
            grey_matter=lambda w: plan.connectivity.grey_matter_inputs(
                w.participant, w.session
            ),
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
            scans=lambda w: refused(plan.scans.used_scans, w.participant, w.session),
            passed_over=lambda w: refused(
                plan.scans.passed_over, w.participant, w.session
            ),
            recordings_absent=lambda w: refused(
                plan.recordings.absent, w.participant, w.session
            ),
            grey_matter_absent=lambda w: plan.connectivity.grey_matter_absent(
                w.participant, w.session
            ),
            cardiac=plan.connectivity.cardiac(),
            derivatives=plan.connectivity.derivative_choices(),
            task=plan.config["task"],
            space=plan.config["space"],
            pipelines=plan.connectivity.pipeline_choices(),
            targets=plan.regions.target_rows(),
            limits=plan.config["connectivity"],
            code=code("connectivity_session"),
        script:
            "../../scripts/connectivity_session.py"
