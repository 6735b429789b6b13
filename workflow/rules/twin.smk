"""The digital twin: scans with planted truth, made in place of real ones (config key twin).

Requires   the sheets, seeds and targets
Makes      truth.json, and fMRIPrep-shaped derivatives (entry fmriprep) or raw BIDS (entry raw)
Steps      plan the truth of every session -> simulate each session on its own
"""

if plan.config["twin"] and plan.trial:
    truth = plan.truth()

    # What is planted where, beside the results, so that a finding can be held against it.
    rule truth:
        output:
            plan.file("truth.json"),
        params:
            truth=truth,
            code=code("truth"),
        log:
            plan.file("logs", "truth.log"),
        conda:
            "../../envs/analysis.yaml"
        localrule: True
        script:
            "../../scripts/truth.py"

    rule twin:
        input:
            plan.file("truth.json"),
            plan.twin_scans(),


if plan.config["twin"] and plan.trial and plan.entry == "fmriprep":

    # One session as fMRIPrep would have left it.
    rule twin_session:
        output:
            **plan.preprocessed_pattern(),
        params:
            truth=lambda w: plan.session_truth(truth, w.participant, w.session),
            scan=lambda w: plan.raw_scan(w.participant, w.session, w.scan),
            seeds=plan.seed_rows(plan.primary),
            targets=plan.target_rows(),
            twin=plan.config["twin"],
            code=code("twin_session"),
        log:
            plan.file("logs", "twin_session", "sub-{participant}_ses-{session}_{scan}.log"),
        threads: 1
        resources:
            mem_mb=2000,
            runtime=10,
        conda:
            "../../envs/connectivity.yaml"
        script:
            "../../scripts/twin_session.py"


if plan.config["twin"] and plan.trial and plan.entry == "raw":

    # A person's T1w in scanner space: head, bias field, noise, a known warp.
    rule twin_anatomy:
        output:
            plan.config["bids_dir"] + "/{t1w}_T1w.nii.gz",
        params:
            twin=plan.config["twin"],
            code=code("twin_anatomy"),
        log:
            plan.file("logs", "twin_anatomy", "{t1w}.log"),
        conda:
            "../../envs/connectivity.yaml"
        script:
            "../../scripts/twin_anatomy.py"

    # A raw run in scanner space, with known motion per volume.
    rule twin_scan:
        output:
            bold=plan.config["bids_dir"] + "/sub-{participant}/ses-{session}/func/sub-{scan}_bold.nii.gz",
            sidecar=plan.config["bids_dir"] + "/sub-{participant}/ses-{session}/func/sub-{scan}_bold.json",
        params:
            truth=lambda w: plan.session_truth(truth, w.participant, w.session),
            seeds=plan.seed_rows(plan.primary),
            targets=plan.target_rows(),
            twin=plan.config["twin"],
            code=code("twin_scan"),
        log:
            plan.file("logs", "twin_scan", "sub-{participant}_ses-{session}_{scan}.log"),
        conda:
            "../../envs/connectivity.yaml"
        script:
            "../../scripts/twin_scan.py"
