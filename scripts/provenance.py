"""Write from what and with which software the results were made, and copies of the sheets."""

from pathlib import Path

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import __version__, atomic
    from crossfc.provenance import provenance, sheet_contents
    from crossfc.trial.design import load

    made, wanted, config = snakemake.output, snakemake.params, snakemake.config
    sessions = load(config).scanned_sessions()
    for kept, content in zip(made.sheets, sheet_contents(config).values(), strict=True):
        with atomic.writing(kept) as temporary:
            temporary.write_bytes(content or b"")
    record = provenance(
        config,
        wanted.rules,
        Path(snakemake.log[0]).parent,
        [(session.participant_id, session.session_id) for session in sessions],
        Path(__file__).resolve().parent.parent,
        {"crossfc": __version__, "deployment": wanted.deployment},
        wanted.planned,
        wanted.preregistration,
    )
    atomic.write_json(made.record, record)
