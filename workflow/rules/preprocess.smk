"""Native preprocessing: raw BIDS to template space, in fMRIPrep's layout (entry raw).

The alternative is fmriprep.smk (preprocessing.tool: fmriprep-run).

Requires   T1w and BOLD below bids_dir, as the sheets name them
Makes      <derivatives>/sub-*/anat, <derivatives>/sub-*/ses-*/func
Steps      normalise_subject (T1w to template, once per person) -> preprocess_session (per run)
"""

if plan.entry == "raw":

    rule derivative_dataset:
        """Write dataset_description.json, as the derivatives are a data set of their own."""
        output:
            str(plan.derivatives_dir / "dataset_description.json"),
        log:
            plan.file("logs", "derivative_dataset.log"),
        localrule: True
        conda:
            "../../envs/connectivity.yaml"
        params:
            study=plan.config["study"],
            tools=plan.preprocess.versions(),
            code=code("derivative_dataset"),
        script:
            "../../scripts/derivative_dataset.py"


if plan.preprocessing_tool == "native":

    rule normalise_subject:
        """Make one anatomical reference per person: bias correction, brain, tissues, SyN."""
        input:
            t1w=sound(plan.preprocess.require_sound, plan.scans.raw_t1w, "participant"),
        output:
            **plan.preprocess.anatomy(),
        log:
            plan.file("logs", "normalise_subject", "sub-{participant}.log"),
        conda:
            "../../envs/preprocess.yaml"
        threads: 1
        resources:
            **needs(
                "normalise_subject",
                lambda wildcards, input: {"scan": need.image_mb(input.t1w)},
            ),
        params:
            choices=plan.preprocessing_choices("seed", "accept_unoriented"),
            code=code("normalise_subject"),
        script:
            "../../scripts/normalise_subject.py"

    rule preprocess_session:
        """Correct slice timing; apply motion, distortion, coregistration and normalisation in one
        spatial interpolation; compute confounds."""
        input:
            bold=sound(
                plan.preprocess.require_sound,
                plan.scans.scan_path,
                "participant",
                "session",
                "scan",
            ),
            sidecars=sound(
                plan.preprocess.require_sound,
                plan.scans.sidecars,
                "participant",
                "session",
                "scan",
            ),
            field_map=sound(
                plan.preprocess.require_sound,
                plan.preprocess.field_map_files,
                "participant",
                "session",
                "scan",
            ),
            anatomy=list(plan.preprocess.anatomy().values()),
        output:
            **plan.preprocess.native_pattern(),
        log:
            plan.file(
                "logs",
                "preprocess_session",
                "sub-{participant}_ses-{session}_{scan}.log",
            ),
        conda:
            "../../envs/preprocess.yaml"
        threads: 1
        resources:
            **needs(
                "preprocess_session",
                lambda wildcards, input: {
                    "scan": need.resampled_mb(
                        input.bold, plan.config["preprocessing"]["resolution_mm"]
                    )
                },
            ),
        params:
            choices=plan.preprocessing_choices(
                "resolution_mm",
                "slice_timing",
                "accept_unoriented",
                "poor_boundary_cost",
                "left_right",
                "seed",
            ),
            code=code("preprocess_session"),
        script:
            "../../scripts/preprocess_session.py"
