"""Write the connectivity of one session for every pipeline."""

from crossfc.job import job

with job(snakemake):
    from crossfc.session.derivative import connectivity_session

    given, made, wanted = snakemake.input, snakemake.output, snakemake.params
    names = ("scan", "bold", "mask", "confounds", "sidecar")
    # A lab may have lost a sidecar; then the header alone tells the repetition time.
    beside = (bold.removesuffix(".nii.gz") + ".json" for bold in given.bold)
    sidecars = [path if path in given.sidecars else None for path in beside]
    kinds = zip(wanted.scans, given.bold, given.mask, given.confounds, sidecars, strict=True)
    maps = iter(made.maps)
    connectivity_session(
        participant_id=f"sub-{snakemake.wildcards.participant}",
        session_id=f"ses-{snakemake.wildcards.session}",
        runs=[dict(zip(names, kind, strict=True)) for kind in kinds],
        pipelines=wanted.pipelines,
        targets=wanted.targets,
        outputs={
            name: {
                "maps": [next(maps) for _ in dict.fromkeys(r["seed"] for r in choices["seeds"])],
                "timeseries": made.timeseries[i],
                "relmat": made.relmat[i],
                "qc": made.qc[i],
            }
            for i, (name, choices) in enumerate(wanted.pipelines.items())
        },
        carpet_path=made.carpet,
        **wanted.limits,
    )
