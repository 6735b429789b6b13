"""Write the quality tables: sessions, exclusions, motion, and its relation to connectivity."""

from pathlib import Path

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc import atomic
    from crossfc.quality.blinding import blinding_table, effects_by_guess
    from crossfc.quality.exclusion import defective_volumes, quality_table
    from crossfc.quality.likeness import likeness
    from crossfc.quality.motion import excluded_sessions, motion_tables
    from crossfc.quality.rating import rating_table
    from crossfc.quality.rival import rival_table
    from crossfc.session.connectivity.folder import finished_session

    given, made, wanted = snakemake.input, snakemake.output, snakemake.params
    place = wanted.task, Path(made.sessions).parent.parent, wanted.space

    def records(pipeline: str):
        found = [
            finished_session(s["participant_id"], s["session_id"], *place, pipeline, [])
            for s in wanted.sessions
        ]
        return [files["qc"] for files in found]

    own = {pipeline: records(pipeline) for pipeline in wanted.pipelines}
    rules = wanted.limits, wanted.ratings
    tables = {p: quality_table(wanted.sessions, own[p], *rules) for p in own}
    sessions = tables[wanted.pipelines[0]]
    atomic.write_table(made.sessions, sessions)
    atomic.write_table(made.excluded, excluded_sessions(tables))
    atomic.write_table(made.ratings, rating_table(wanted.ratings))
    defects = defective_volumes(wanted.sessions, own[wanted.pipelines[0]])
    atomic.write_table(made.defects, defects)
    rows = sessions[["participant_id", "session_id", "boundary_cost"]].to_dict("records")
    images = dict(zip(wanted.boldrefs, given.boldrefs, strict=True))
    alike = likeness(rows, [images.get(scan) for scan in sessions["scan"]])
    atomic.write_table(made.likeness, alike)
    for sentence in filter(None, alike["note"]):
        note(snakemake, sentence)
    moved = motion_tables(sessions, wanted.designs, given.pairs)
    atomic.write_table(made.motion, moved.motion)
    atomic.write_table(made.qcfc, moved.qcfc)
    pairs = [(seed, target) for seed, target in wanted.edges]
    atomic.write_table(made.rivals, rival_table(sessions, wanted.designs, given.pairs, pairs))
    by_guess = wanted.by_guess
    guesses = by_guess["guesses"]
    index = blinding_table(guesses, by_guess["treatments"], by_guess["groups"])
    atomic.write_table(made.blinding, index)
    outcomes = pairs, by_guess["scores"], by_guess["scales"]
    told = effects_by_guess(guesses, wanted.designs, given.pairs, *outcomes)
    atomic.write_table(made.effects_by_guess, told)
