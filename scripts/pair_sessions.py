"""Pair everybody's sessions into arrays; sessions of poor quality leave by name."""

from pathlib import Path

from crossfc.job import job

with job(snakemake):
    import pandas

    from crossfc import atomic
    from crossfc.group.edges import edge_rows
    from crossfc.group.exclusion import quality_table, split
    from crossfc.group.pairs import pair_sessions
    from crossfc.trial.design import LEFT_COLUMNS

    given, wanted, out = snakemake.input, snakemake.params, Path(snakemake.output[0])
    choices, left = dict(wanted.choices), list(wanted.left)
    seeds = list(dict.fromkeys(row["seed"] for row in wanted.seeds))
    people = [dict(row) for row in wanted.people]
    contrast = choices["level"] == "contrast"
    maps = iter(given.maps)
    for person in people:
        for kind in ["contrast"] if contrast else ["active", "control"]:
            person[kind] = [next(maps) for _ in seeds]
    if given.get("qc"):
        quality = quality_table(wanted.sessions, given.qc, choices["limits"])
        people, poor = split(people, quality)
        left += poor
        kept = [not bad for bad in quality["excluded"]]
        edges = edge_rows(
            [s for s, k in zip(wanted.sessions, kept, strict=True) if k],
            [t for t, k in zip(given.relmat, kept, strict=True) if k],
        )
        atomic.write_table(out / "targets.tsv", edges)
    for person in people:
        del person["sessions"]
    pair_sessions(
        people,
        seeds,
        choices["treatments"],
        choices["groups"],
        choices["pipeline"],
        out,
        seed_definitions=wanted.seeds if choices["mask_seeds"] else (),
        fwhm_mm=choices["fwhm_mm"],
        level=choices["level"],
        accept_unoriented=choices["accept_unoriented"],
        zero_is_missing=choices["zero_is_missing"],
    )
    atomic.write_table(out / "left.tsv", pandas.DataFrame(left, columns=LEFT_COLUMNS))
