"""The digital twin: simulated scans with known effects, in place of real ones (config key twin).

Requires   the sheets, seeds and targets
Makes      truth.json, planted_changes.tsv, and scans: as fMRIPrep's (entry fmriprep) or raw BIDS (entry raw)
Steps      plan the truth of every session -> simulate each session on its own
"""

if plan.config["twin"] and plan.trial:
    truth = plan.twin.truth()

    rule truth:
        """Write the planted truth beside the results, and what it makes of each contrast."""
        output:
            truth=plan.file("truth.json"),
            changes=plan.file("planted_changes.tsv"),
        log:
            plan.file("logs", "truth.log"),
        localrule: True
        conda:
            "../../envs/analysis.yaml"
        params:
            truth=truth,
            changes=plan.twin.planted_changes(),
            code=code("truth"),
        script:
            "../../scripts/truth.py"

    rule twin:
        """All simulated scans, and their truth."""
        input:
            plan.file("truth.json"),
            plan.twin.scans(),


if plan.config["twin"] and plan.trial and plan.entry == "fmriprep":

    rule twin_session:
        """Simulate one session as if preprocessed by fMRIPrep."""
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
            twin=plan.twin.scan_choices(),
            code=code("twin_session"),
        script:
            "../../scripts/twin_session.py"


if plan.config["twin"] and plan.trial and plan.entry == "raw":

    rule twin_dataset:
        """Write the files at the root of the raw data set: its description and common sidecar."""
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
            twin=plan.twin.scan_choices(),
            code=code("twin_dataset"),
        script:
            "../../scripts/twin_dataset.py"

    rule twin_anatomy:
        """Simulate a person's T1w in scanner space: head, bias field, noise, known deformation."""
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
            twin=plan.twin.scan_choices(),
            code=code("twin_anatomy"),
        script:
            "../../scripts/twin_anatomy.py"

    rule twin_scan:
        """Simulate a raw run in scanner space, with known motion of every volume."""
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
            twin=plan.twin.scan_choices(),
            code=code("twin_scan"),
        script:
            "../../scripts/twin_scan.py"
