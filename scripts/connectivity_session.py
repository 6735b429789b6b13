"""Write the connectivity of one session for every pipeline."""

from pathlib import Path

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.session import layout
    from crossfc.session.connectivity import origin, run_files
    from crossfc.session.connectivity.derivative import connectivity_session
    from crossfc.session.connectivity.pipeline import Pipeline

    given, wanted = snakemake.input, snakemake.params
    further = {"mask": given.mask, "confounds": given.confounds, "motion": given.confounds}
    further |= {"outliers": given.outliers}
    further |= dict.fromkeys(("aroma", "mixing", "metrics"), given.components)
    runs = run_files.runs_of(
        wanted.scans,
        given.bold,
        given.sidecars,
        given.coregistrations,
        further,
        given.recordings,
        wanted.recordings_absent,
        cleaned=wanted.derivatives.get("cleaned", False),
    )
    root = run_files.root_of(given.bold[0], wanted.scans[0])
    made_by = origin.told(origin.programs(root)) if wanted.derivatives["given"] else None
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
