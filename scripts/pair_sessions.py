"""Write the contrast maps of all people as arrays, and list sessions excluded for poor quality."""

from pathlib import Path

from crossfc.jobs.job import job, note

with job(snakemake):
    import pandas

    from crossfc import atomic
    from crossfc.group.design.kind import Judge
    from crossfc.group.design.pairs import DESIGN, READING, no_pairs, pair_sessions
    from crossfc.group.design.side import weight_tables, with_contrast_maps, with_maps
    from crossfc.group.edges import edge_rows
    from crossfc.quality.exclusion import nobody_stays, quality_table, split
    from crossfc.session.connectivity.folder import finished_session
    from crossfc.trial.left import LEFT_COLUMNS

    given, wanted, out = snakemake.input, snakemake.params, Path(snakemake.output[0])
    choices, people, left, told = wanted.choices, wanted.people, [], wanted.choices["because"]
    seeds = list(dict.fromkeys(row["seed"] for row in wanted.seeds))
    place = wanted.task, out.parents[2], wanted.space, choices["pipeline"], seeds
    design = {name: choices[name] for name in DESIGN} | {"space": wanted.space}
    if given.sessions:
        labels = [(s["participant_id"], s["session_id"]) for s in wanted.sessions]
        own = {label: finished_session(*label, *place) for label in labels}
        records = (files["qc"] for files in own.values())
        quality = quality_table(wanted.sessions, records, choices["limits"], wanted.ratings)
        people, left = split(people, quality, choices["left"])
        if gone := nobody_stays(people, left, choices["pipeline"]):
            told = gone
            print(f"crossfc: {told}")
            note(snakemake, told)
        rows = zip(wanted.sessions, own.values(), quality["excluded"], strict=True)
        kept = [(session, files["relmat"]) for session, files, bad in rows if not bad]
        atomic.write_table(out / "edges.tsv", edge_rows([s for s, _ in kept], [r for _, r in kept]))
    for name, table in weight_tables(people, baseline=bool(choices["baseline"])).items():
        atomic.write_table(out / name, table)
    maps = iter(given.maps)
    if choices["level"] == "contrast":
        people = with_contrast_maps(people, given.maps, len(seeds))
    elif given.sessions:
        people = with_maps(people, lambda person, session: own[person, session]["maps"])
    else:
        people = with_maps(people, lambda person, session: [next(maps) for _ in seeds])
    words = seeds, choices["treatments"], choices["groups"], choices["pipeline"], out
    if not people:
        no_pairs(wanted.people, *words, choices["fwhm_mm"], because=told, **design)
    else:
        pair_sessions(
            people,
            *words,
            **design,
            seed_definitions=wanted.seeds if choices["mask_seeds"] else (),
            mask_file=given.mask[0] if given.mask else None,
            judge=Judge(choices["maps_kind"]) if choices["ready_maps"] else None,
            **{name: choices[name] for name in READING},
        )
    atomic.write_table(out / "left.tsv", pandas.DataFrame(left, columns=LEFT_COLUMNS))
