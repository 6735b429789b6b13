"""Write the quality page, and a page per person that shows all sessions side by side."""

from pathlib import Path

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc.jobs.failure import read_logs
    from crossfc.report.quality_page import write_quality_pages

    page, *people = map(Path, snakemake.output)
    wanted = snakemake.params
    sessions = [Path(path).parts[:2] for path in wanted.study["volumes"]]
    write_quality_pages(
        page,
        people[0] if people else None,
        logs=read_logs(page.parent / "logs", sessions, wanted.planned),
        **wanted.study,
    )
