"""Native preprocessing: raw BIDS to template space, in fMRIPrep's layout (entry raw).

fmriprep.smk is the other way (preprocessing.tool: fmriprep-run).

Requires   T1w and BOLD below bids_dir, as the sheets name them
Makes      <derivatives>/sub-*/anat, <derivatives>/sub-*/ses-*/func
Steps      normalise_subject (T1w to template, once per person) -> preprocess_session (per run)
"""


def of_sound_scans(function, *labels):
    """Ask for raw files; first refuse scans at fault, of all people, before any job is run."""

    def of_wildcards(wildcards):
        # Headers are looked at once, not again in every job of a cluster.
        if workflow.is_main_process:
            refused(plan.preprocess.require_sound)
        return refused_alone(function, *(wildcards[label] for label in labels))

    return of_wildcards


def preprocessed_scans():
    if plan.entry != "raw":
        return []
    kinds = ("bold", "mask", "confounds")
    scans = [plan.scans.preprocessed(scan) for scan in plan.scans.runs()]
    head = [str(plan.derivatives_dir / "dataset_description.json")]
    return head + [files[kind] for files in scans for kind in kinds]


if plan.entry == "raw":

    # The derivatives are a data set of their own.
    rule derivative_dataset:
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

    # One anatomical reference per person: bias field, brain, tissues, SyN to the template.
    rule normalise_subject:
        input:
            t1w=of_sound_scans(plan.scans.raw_t1w, "participant"),
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

    # Slice timing, motion, coregistration and normalisation in one resampling; confounds.
    rule preprocess_session:
        input:
            bold=of_sound_scans(plan.scans.scan_path, "participant", "session", "scan"),
            sidecars=of_sound_scans(
                plan.scans.sidecars, "participant", "session", "scan"
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
