"""Write who is in the trial, who is left out and why, and the files at the root of the results."""

from crossfc.jobs.job import job

with job(snakemake):
    import pandas

    from crossfc import __version__, atomic
    from crossfc.bids import BIDSIGNORE, RESULTS_README, dataset_description
    from crossfc.trial.left import LEFT_COLUMNS

    made, wanted = snakemake.output, snakemake.params
    atomic.write_table(made.left, pandas.DataFrame(wanted.left, columns=LEFT_COLUMNS))
    atomic.write_table(made.counts, pandas.DataFrame(wanted.counts))
    atomic.write_table(made.participants, pandas.DataFrame(wanted.people))
    atomic.write_text(made.ignore, BIDSIGNORE)
    atomic.write_text(made.readme, RESULTS_README)
    atomic.write_json(made.description, dataset_description(wanted.study, __version__))
