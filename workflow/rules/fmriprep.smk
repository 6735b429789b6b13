"""fMRIPrep in its container: raw BIDS to template space (entry raw, preprocessing.tool: fmriprep-run).

Requires   T1w and BOLD below bids_dir, as the sheets name them; apptainer; a FreeSurfer licence
Makes      <results>/<study>/fmriprep, and links to its files in <derivatives>/sub-*/ses-*/func
Steps      fmriprep_image (once) -> fmriprep_subject (all sessions of a person, one anatomical
           reference) -> fmriprep_scan (per run)
"""

from pathlib import Path

from crossfc.session import fmriprep
from crossfc.session.fieldmap import field_map_files


def scans_of(participant):
    """List the runs of a person that the sheets use."""
    return [
        scan for scan in plan.scans.runs() if scan.startswith(f"sub-{participant}/")
    ]


def files_of(participant):
    """List what fMRIPrep reads of a person: a change of any of these runs it again."""
    bids_dir = plan.config["bids_dir"]
    found = []
    for session in plan.sessions():
        if session.participant_id == f"sub-{participant}":
            label = session.session_id.removeprefix("ses-")
            for scan in plan.scans.used_scans(participant, label):
                own = Path(scan).name.rsplit("_", 1)[0].removeprefix("sub-")
                found.append(plan.scans.scan_path(participant, label, own))
                found += plan.scans.sidecars(participant, label, own)
    maps = [
        str(path) for path in field_map_files(bids_dir, f"sub-{participant}/func/x")
    ]
    return list(dict.fromkeys([plan.scans.raw_t1w(participant), *found, *maps]))


def t1w_of(participant):
    return plan.checked_trial().participants[f"sub-{participant}"].t1w


def asked_of_fmriprep(key, each):
    return int(each * plan.config["preprocessing"]["fmriprep"][key])


if plan.preprocessing_tool == "fmriprep-run":
    choices = plan.config["preprocessing"]["fmriprep"]

    # The image itself: fetched once where it is an address, and its digest taken down.
    rule fmriprep_image:
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

    # One person with all sessions. How many cores, and where things lie, is no parameter: what is
    # derived from the output is not compared when Snakemake asks whether a job must run again.
    rule fmriprep_subject:
        input:
            files=lambda w: refused_alone(files_of, w.participant),
            image=ancient(plan.file("fmriprep", "image.json")),
        output:
            plan.file("fmriprep", "sub-{participant}.html"),
        log:
            plan.file("logs", "fmriprep_subject", "sub-{participant}.log"),
        conda:
            "../../envs/connectivity.yaml"
        threads: choices["threads"]
        resources:
            mem_mb=lambda w, attempt: attempt * asked_of_fmriprep("memory_gb", 1000),
            runtime=lambda w, attempt: attempt * asked_of_fmriprep("hours", 60),
        params:
            fmriprep=fmriprep.description(plan.config),
            images=lambda w: fmriprep.bids_filter(
                plan.config["task"], scans_of(w.participant), t1w_of(w.participant)
            ),
            scans=lambda w: scans_of(w.participant),
            command=lambda w, output: fmriprep.command(
                f"sub-{w.participant}", plan.config, Path(output[0]).parent
            ),
            code=code("fmriprep_subject"),
        script:
            "../../scripts/fmriprep_subject.py"

    # A run where the next stage looks for it: fMRIPrep names its files itself, so a rule cannot
    # promise those of all runs of a person.
    rule fmriprep_scan:
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
