"""Write the change of each scale, within groups and between groups."""

from crossfc.jobs.job import job, note

with job(snakemake):
    import pandas

    from crossfc import atomic
    from crossfc.clinic.change import change_between_groups, clinical_change
    from crossfc.clinic.score import paired_scores

    made, design = snakemake.output, snakemake.params.design
    groups, scales = [g for g in design["groups"].values() if g], design["scales"]
    scores = pandas.DataFrame(snakemake.params.scores)
    table, notes = clinical_change(scores, design["treatments"], groups, scales)
    atomic.write_table(made.change, table)
    atomic.write_table(made.scores, paired_scores(scores, groups, scales))
    atomic.write_table(
        made.between, change_between_groups(scores, design["treatments"], groups, scales)
    )
    print(table.to_string(index=False))
    note(snakemake, "\n".join([table.to_string(index=False), *notes]))
