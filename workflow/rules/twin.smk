"""The digital twin: scans with planted truth, made in place of real ones (config key twin).

Requires   the sheets, seeds and targets
Makes      truth.json, and fMRIPrep-shaped derivatives (entry fmriprep) or raw BIDS (entry raw)
Steps      plan the truth of every session -> simulate each session on its own
"""

if plan.config["twin"] and plan.trial:
    truth = plan.twin.truth()

    rule truth:
        """What is planted where, beside the results, so that a finding can be held against it."""
        output:
            plan.file("truth.json"),
        log:
            plan.file("logs", "truth.log"),
        localrule: True
        conda:
            "../../envs/analysis.yaml"
        params:
            truth=truth,
            code=code("truth"),
        script:
            "../../scripts/truth.py"

    rule twin:
        """Every simulated scan, and what is planted in it."""
        input:
            plan.file("truth.json"),
            plan.twin.scans(),


if plan.config["twin"] and plan.trial and plan.entry == "fmriprep":

    rule twin_session:
        """One session as fMRIPrep would have left it."""
        output:
            **plan.preprocess.derivative_pattern(),
        log:
            plan.file(
                "logs", "twin_session", "sub-{participant}_ses-{session}_{scan}.log"
            ),
        conda:
            "../../envs/connectivity.yaml"
        threads: 1
        resources:
            **needs("twin_session", lambda wildcards, input: plan.twin.sizes()),
        params:
            truth=lambda w: plan.twin.of_session(truth, w.participant, w.session),
            scan=lambda w: plan.scans.raw_scan(w.participant, w.session, w.scan),
            seeds=plan.regions.seed_rows(plan.primary),
            targets=plan.regions.target_rows(),
            twin=plan.config["twin"],
            code=code("twin_session"),
        script:
            "../../scripts/twin_session.py"


if plan.config["twin"] and plan.trial and plan.entry == "raw":

    rule twin_dataset:
        """The head of the raw data set: its description and what all runs inherit."""
        output:
            [plan.scans.raw_path(name) for name in plan.twin.raw_head()],
        log:
            plan.file("logs", "twin_dataset.log"),
        localrule: True
        conda:
            "../../envs/connectivity.yaml"
        params:
            people=plan.people.participants(),
            task=plan.config["task"],
            twin=plan.config["twin"],
            code=code("twin_dataset"),
        script:
            "../../scripts/twin_dataset.py"

    rule twin_anatomy:
        """A person's T1w in scanner space: head, bias field, noise, a known warp."""
        output:
            t1w=plan.scans.raw_path("{folder}/sub-{participant}{rest}_T1w.nii.gz"),
        log:
            plan.file("logs", "twin_anatomy", "{folder}", "sub-{participant}{rest}.log"),
        wildcard_constraints:
            rest="[A-Za-z0-9_-]*",
        conda:
            "../../envs/connectivity.yaml"
        resources:
            **needs("twin_anatomy"),
        params:
            twin=plan.config["twin"],
            code=code("twin_anatomy"),
        script:
            "../../scripts/twin_anatomy.py"

    rule twin_scan:
        """A raw run in scanner space, with known motion per volume."""
        input:
            plan.scans.raw_path(f"task-{plan.config['task']}_bold.json"),
        output:
            **plan.twin.raw_pattern(),
        log:
            plan.file("logs", "twin_scan", "sub-{participant}_ses-{session}_{scan}.log"),
        conda:
            "../../envs/connectivity.yaml"
        resources:
            # A raw scan has about as many voxels as one of 4 mm in template space.
            **needs(
                "twin_scan",
                lambda wildcards, input: {
                    "scan": need.volumes_mb(plan.config["twin"]["volumes"], 4)
                },
            ),
        params:
            truth=lambda w: plan.twin.of_session(truth, w.participant, w.session),
            scan=lambda w: plan.scans.raw_scan(w.participant, w.session, w.scan),
            seeds=plan.regions.seed_rows(plan.primary),
            targets=plan.regions.target_rows(),
            twin=plan.config["twin"],
            code=code("twin_scan"),
        script:
            "../../scripts/twin_scan.py"
