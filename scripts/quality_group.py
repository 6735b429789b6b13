"""Write the quality of the group: sessions, motion of change, exclusions, motion and change."""

from pathlib import Path

from crossfc.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.group.edges import read_edges
    from crossfc.group.exclusion import quality_table
    from crossfc.group.motion import excluded_sessions, motion, quality_connectivity
    from crossfc.group.pairs import read_people
    from crossfc.session.folder import finished_session

    given, made, wanted = snakemake.input, snakemake.output, snakemake.params
    place = wanted.task, Path(made.sessions).parent.parent, wanted.space
    treatments = wanted.labels["treatments"]
    groups = [g for g in wanted.labels["groups"].values() if g]
    records = [
        finished_session(s["participant_id"], s["session_id"], *place, wanted.pipeline, [])["qc"]
        for s in wanted.sessions
    ]
    sessions = quality_table(wanted.sessions, records, wanted.limits)
    atomic.write_table(made.sessions, sessions)
    atomic.write_table(made.motion, motion(sessions, treatments, groups))
    atomic.write_table(made.excluded, excluded_sessions(sessions))
    targets = read_edges(f"{given.pairs}/targets.tsv")
    people = read_people(f"{given.pairs}/people.tsv")
    atomic.write_table(made.qcfc, quality_connectivity(targets, people, treatments, groups))
