"""Connectivity: one job per session reads its scan once and serves every pipeline.

Requires   preprocessed BOLD, brain mask and confounds of each session (fMRIPrep's names)
Makes      <results>/<study>/sub-*/ses-*/func: Fisher-z maps, series, seed-by-target edges, quality
Steps      choose the run of lowest motion -> project out confounds and stop band -> correlate
"""


def session_results():
    if plan.entry == "maps":
        return []
    records = [
        f
        for p in plan.pipelines
        for k in ("qc", "relmat")
        for f in plan.session_files(p, k)
    ]
    return records + plan.carpets()


def preprocessed_inputs(kind):
    return lambda w: refused(plan.preprocessed_inputs, w.participant, w.session, kind)


def own_scans(wildcards):
    return refused(plan.session, wildcards.participant, wildcards.session).scans


if plan.entry != "maps" and plan.trial:
    outputs = plan.connectivity_pattern()

    rule connectivity_session:
        input:
            bold=preprocessed_inputs("bold"),
            mask=preprocessed_inputs("mask"),
            confounds=preprocessed_inputs("confounds"),
            sidecars=preprocessed_inputs("bold_sidecar"),
            confounds_sidecars=preprocessed_inputs("confounds_sidecar"),
            regions=lambda w: refused(plan.region_files, plan.pipelines),
        output:
            maps=[path for p in plan.pipelines for path in outputs[p]["maps"]],
            timeseries=[outputs[p]["timeseries"] for p in plan.pipelines],
            relmat=[outputs[p]["relmat"] for p in plan.pipelines],
            qc=[outputs[p]["qc"] for p in plan.pipelines],
            carpet=plan.carpet_pattern(),
        log:
            plan.file(
                "logs", "connectivity_session", "sub-{participant}_ses-{session}.log"
            ),
        conda:
            "../../envs/connectivity.yaml"
        threads: 1
        resources:
            mem_mb=3000,
            runtime=15,
        params:
            scans=own_scans,
            pipelines=plan.pipeline_choices(),
            targets=plan.target_rows(),
            limits=plan.config["connectivity"],
            code=code("connectivity_session"),
        script:
            "../../scripts/connectivity_session.py"
