"""fMRIPrep in its container: raw BIDS to template space.

Used with entry raw and preprocessing.tool: fmriprep-run.

Requires   T1w and BOLD below bids_dir, as the sheets name them; apptainer; a FreeSurfer licence
Makes      <results>/<study>/fmriprep, and links to its files in <derivatives>/sub-*/ses-*/func
Steps      fmriprep_image (once) -> fmriprep_subject (all sessions of a person, one anatomical
           reference) -> fmriprep_scan (per run)
"""

from pathlib import Path

from crossfc.session.preprocess import fmriprep

if plan.preprocessing_tool == "fmriprep-run":
    choices = plan.config["preprocessing"]["fmriprep"]

    rule fmriprep_image:
        """Fetch the container image once if it is given as an address, and record its digest."""
        output:
            plan.file("fmriprep", "image.json"),
        log:
            plan.file("logs", "fmriprep_image.log"),
        localrule: True
        conda:
            "../../envs/connectivity.yaml"
        params:
            image=choices["image"],
            place=str(fmriprep.image_file(plan.config)),
            runner=choices["runner"],
            code=code("fmriprep_image"),
        script:
            "../../scripts/fmriprep_image.py"

    rule fmriprep_subject:
        """Run fMRIPrep on one person with all sessions. Cores and paths are only in `command`,
        which is derived from the output: if they change, Snakemake does not run the job again.
        """
        input:
            files=lambda w: refused_alone(plan.fmriprep.files, w.participant),
            image=ancient(plan.file("fmriprep", "image.json")),
        output:
            plan.file("fmriprep", "sub-{participant}.html"),
        log:
            plan.file("logs", "fmriprep_subject", "sub-{participant}.log"),
        conda:
            "../../envs/connectivity.yaml"
        threads: choices["threads"]
        resources:
            mem_mb=lambda w, attempt: attempt * int(1000 * choices["memory_gb"]),
            runtime=lambda w, attempt: attempt * int(60 * choices["hours"]),
        params:
            fmriprep=fmriprep.description(plan.config),
            images=lambda w: fmriprep.bids_filter(
                plan.config["task"],
                plan.fmriprep.scans(w.participant),
                plan.fmriprep.t1w(w.participant),
            ),
            scans=lambda w: plan.fmriprep.scans(w.participant),
            command=lambda w, output: fmriprep.command(
                f"sub-{w.participant}", plan.config, Path(output[0]).parent
            ),
            code=code("fmriprep_subject"),
        script:
            "../../scripts/fmriprep_subject.py"

    rule fmriprep_scan:
        """Link the files of one run to where the next stage expects them. fMRIPrep names its files
        itself, so fmriprep_subject cannot list those of all runs of a person as its outputs.
        """
        input:
            plan.file("fmriprep", "sub-{participant}.html"),
        output:
            **plan.preprocess.derivative_pattern(),
        log:
            plan.file(
                "logs", "fmriprep_scan", "sub-{participant}_ses-{session}_{scan}.log"
            ),
        localrule: True
        conda:
            "../../envs/connectivity.yaml"
        params:
            scan=lambda w: plan.scans.raw_scan(w.participant, w.session, w.scan),
            space=plan.config["space"],
            res=plan.config["res"],
            code=code("fmriprep_scan"),
        script:
            "../../scripts/fmriprep_scan.py"
