"""Plant effects of known size into residual maps, and count how often they are found."""

from pathlib import Path

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc import atomic
    from crossfc.group.sensitivity import sensitivity_table

    wanted = snakemake.params
    output = Path(snakemake.output[0])
    table, notes = sensitivity_table(
        wanted.choices["analyses"],
        {name: output.parent / folder for name, folder in wanted.pairs.items()},
        wanted.choices["choices"],
        threads=snakemake.threads,
        memory_gb=snakemake.resources.data_mb / 1000,
        scratch_dir=output.parent,
        progress=lambda name: note(snakemake, name),
    )
    atomic.write_table(output, table)
    note(snakemake, "\n".join(notes))
