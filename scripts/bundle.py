"""Write the bundle: group maps, estimates and distributions for sharing, without single people."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import __version__
    from crossfc.bundle.folder import write_bundle

    given, wanted = snakemake.input, snakemake.params
    write_bundle(
        snakemake.output[0],
        list(given.analyses),
        {
            "evidence": next(iter(given.evidence), None),
            "sessions": next(iter(given.sessions), None),
            "methods": given.methods,
            "provenance": given.provenance,
        },
        wanted.options,
        wanted.people,
        __version__,
    )
