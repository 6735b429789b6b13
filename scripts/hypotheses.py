"""Test the hypotheses stated beforehand, as one family, in every pipeline."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.hypotheses.family import Source, hypothesis_tables

    wanted, choices, made = snakemake.params, snakemake.params.choices, snakemake.output
    source = Source.read(
        snakemake.input.pairs,
        wanted.pipelines,
        snakemake.input.tables,
        snakemake.input.motion,
        designs=wanted.designs,
        scores=wanted.scores,
        n_permutations=choices["permutations"],
        random_seed=choices["seed"],
    )
    found = hypothesis_tables(wanted.hypotheses, source, choices["fd_limits"])
    atomic.write_table(made.hypotheses, found.hypotheses)
    atomic.write_table(made.specifications, found.specifications)
