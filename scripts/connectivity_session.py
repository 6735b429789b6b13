"""Write the connectivity of one session for every pipeline."""

from pathlib import Path, PurePosixPath

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.session import layout, sidecar
    from crossfc.session.connectivity import match, origin
    from crossfc.session.connectivity.derivative import connectivity_session
    from crossfc.session.connectivity.pipeline import Pipeline
    from crossfc.session.physiology.recording import files_of

    given, wanted = snakemake.input, snakemake.params
    names = ("scan", "bold", "sidecars", "coregistration")
    cleaned = wanted.derivatives.get("cleaned", False)
    # The root of the derivatives: so many folders up as there are in the run's path in the sheet.
    root = Path(given.bold[0]).parents[len(PurePosixPath(wanted.scans[0]).parent.parts)]
    # Some sidecars may be missing; then the repetition time is read from the header alone.
    sidecars = [
        [p for p in sidecar.sidecar_paths(root, run) if str(p) in given.sidecars]
        for run in (Path(bold).relative_to(root) for bold in given.bold)
    ]
    made_by = origin.told(origin.programs(root)) if wanted.derivatives["given"] else None
    known = {Path(path).name: path for path in given.coregistrations}
    transforms = [known.get(match.coregistration(Path(b).name, known)) for b in given.bold]
    kinds = zip(wanted.scans, given.bold, sidecars, transforms, strict=True)
    runs = [dict(zip(names, kind, strict=True)) for kind in kinds]
    further = {
        "mask": given.mask,
        "confounds": given.confounds,
        "motion": given.confounds,
        "outliers": given.outliers,
        **dict.fromkeys(("aroma", "mixing", "metrics"), given.components),
    }
    for run in runs:
        run["cleaned"] = cleaned
        run |= {kind: match.belonging(run["bold"], kind, own) for kind, own in further.items()}
        run["recordings"] = files_of(run["scan"], given.recordings)
        run["recordings_absent"] = wanted.recordings_absent.get(run["scan"], [])
    own = f"sub-{snakemake.wildcards.participant}", f"ses-{snakemake.wildcards.session}"

    def files(folder: Path, name: str, pipeline: Pipeline) -> dict:
        named = dict.fromkeys(row["seed"] for row in pipeline.seeds)
        made = layout.connectivity(*own, wanted.task, "", wanted.space, name, list(named))
        return {
            kind: [folder / p.name for p in path] if isinstance(path, list) else folder / path.name
            for kind, path in made.items()
        }

    pipelines = {k: Pipeline.from_params(params) for k, params in wanted.pipelines.items()}
    with atomic.writing_folder(snakemake.output[0]) as folder:
        connectivity_session(
            participant_id=own[0],
            session_id=own[1],
            runs=runs,
            pipelines=pipelines,
            targets=wanted.targets,
            outputs={k: files(folder, k, v) for k, v in pipelines.items()},
            inspection=layout.inspection(*own, wanted.task, wanted.space, wanted.pipelines, folder),
            accept_unoriented=wanted.derivatives["accept_unoriented"],
            cardiac=wanted.cardiac,
            preprocessed_by=made_by,
            passed_over=wanted.passed_over,
            grey_matter=next(iter(given.grey_matter), None),
            grey_matter_absent=wanted.grey_matter_absent,
            **wanted.limits,
        )
