"""Write the change of each scale in every contrast, within groups and between groups."""

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc import atomic
    from crossfc.clinic.contrast import change_tables
    from crossfc.clinic.course import course
    from crossfc.clinic.occasion import occasion_table

    made, wanted = snakemake.output, snakemake.params
    found = change_tables(wanted.scores, wanted.designs, wanted.scales)
    atomic.write_table(made.change, found.change)
    atomic.write_table(made.scores, found.scores)
    atomic.write_table(made.between, found.between)
    atomic.write_table(made.course, course(wanted.visits, **wanted.course))
    notes = found.notes
    if "occasions" in made.keys():  # noqa: SIM118, a list whose values have names
        table, of_occasions = occasion_table(
            wanted.occasion_scores, wanted.occasion_designs, wanted.groups, wanted.scales
        )
        atomic.write_table(made.occasions, table)
        notes = [*notes, *of_occasions]
    print(found.change.to_string(index=False))
    note(snakemake, "\n".join([found.change.to_string(index=False), *notes]))
