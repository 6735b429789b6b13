"""Write the change of each scale in every contrast, within groups and between groups."""

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc import atomic
    from crossfc.clinic.contrast import change_tables
    from crossfc.clinic.course import course
    from crossfc.clinic.first_period import first_period_table
    from crossfc.clinic.occasion import occasion_table
    from crossfc.clinic.response import paired_response_table, response_table
    from crossfc.clinic.sequence import sequence_table

    made, wanted = snakemake.output, snakemake.params
    found = change_tables(wanted.scores, wanted.designs, wanted.scales)
    atomic.write_table(made.change, found.change)
    atomic.write_table(made.scores, found.scores)
    atomic.write_table(made.between, found.between)
    atomic.write_table(made.course, course(wanted.visits, **wanted.course))
    notes, files = found.notes, made.keys()
    if "sequences" in files:
        table = sequence_table(wanted.scores, wanted.designs, wanted.scales)
        atomic.write_table(made.sequences, table)
    if "first_period" in files:
        table = first_period_table(wanted.first_scores, wanted.designs, wanted.scales)
        atomic.write_table(made.first_period, table)
    if "response" in files:
        counted = wanted.statuses, wanted.criteria, wanted.groups, wanted.course["cells"]
        atomic.write_table(made.response, response_table(*counted))
    if "response_pairs" in files:
        compared = wanted.response_pairs, wanted.response_comparisons, wanted.criteria
        atomic.write_table(made.response_pairs, paired_response_table(*compared, wanted.groups))
    if "occasions" in files:
        table, of_occasions = occasion_table(
            wanted.occasion_scores, wanted.occasion_designs, wanted.groups, wanted.scales
        )
        atomic.write_table(made.occasions, table)
        notes = [*notes, *of_occasions]
    print(found.change.to_string(index=False))
    note(snakemake, "\n".join([found.change.to_string(index=False), *notes]))
