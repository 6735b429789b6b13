"""Seeds and targets: sheets that people extend without touching code."""

import pytest

from crossfc.fault import Fault
from crossfc.trial import regions

HEAD = "set\tseed\tkind\tx\ty\tz\tradius_mm\tfile\tlabel\tcitation\n"
SPHERE = "own\tsgACC\tsphere\t1\t31\t-5\t5\tn/a\tn/a\tMe 2020\n"


def write(folder, text):
    path = folder / "seeds.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_set_is_rows_of_a_sheet(tmp_path):
    text = HEAD + SPHERE + SPHERE.replace("\t1\t", "\t-1\t") + SPHERE.replace("own", "other")
    text += "own\tatlas\tlabel\t\t\t\t\tatlas.nii.gz\t17\t\n"
    text += "own\tmask\tmask\tn/a\tn/a\tn/a\tn/a\tm.nii.gz\tn/a\tn/a\n"
    sets = regions.read_seeds(write(tmp_path, text))
    assert list(sets) == ["own", "other"]
    assert regions.names(sets["own"]) == ["sgACC", "atlas", "mask"]
    assert [r.x for r in sets["own"]] == [1, -1, None, None]
    assert (sets["own"][2].file, sets["own"][2].label) == ("atlas.nii.gz", 17)
    assert sets["own"][0].as_row("seed") == {
        "seed": "sgACC",
        "kind": "sphere",
        "x": 1.0,
        "y": 31.0,
        "z": -5.0,
        "radius_mm": 5.0,
        "file": None,
        "label": None,
        "space": None,
        "citation": "Me 2020",
        "provenance": None,
    }


@pytest.mark.parametrize(
    ("old", "new", "column", "said"),
    [
        ("sphere", "ball", "kind", "'ball' is none of sphere, mask, label"),
        ("sgACC", "sg_ACC", "seed", "use letters and digits only"),
        ("sgACC", "sgÄCC", "seed", "use letters and digits only"),
        ("sgACC", "", "seed", "use letters and digits only"),
        ("sgACC", "seed", "seed", "another name"),
        ("own", "", "set", "name one"),
        ("\t31\t", "\tn/a\t", "y", "needs a number"),
        ("\t31\t", "\tnan\t", "y", "needs a number"),
        ("\t31\t", "\t3l\t", "y", "needs a number"),
        ("\t31\t", "\t310\t", "y", "outside the brain"),
        ("-5\t5", "-5\t0", "radius_mm", "no sensible radius"),
        ("-5\t5", "-5\t50", "radius_mm", "no sensible radius"),
        ("sphere", "mask", "file", "needs an image file"),
        (
            "sphere\t1\t31\t-5\t5\tn/a\tn/a",
            "label\t\t\t\t\ta.nii\tn/a",
            "label",
            "number of the label",
        ),
        (
            "sphere\t1\t31\t-5\t5\tn/a\tn/a",
            "label\t\t\t\t\ta.nii\t²",
            "label",
            "number of the label",
        ),
        ("sphere\t1\t31\t-5\t5\tn/a\tn/a", "label\t\t\t\t\ta.nii\t0", "label", "1 or more"),
    ],
)
def test_every_refusal_names_row_and_column(tmp_path, old, new, column, said):
    text = HEAD + SPHERE.replace("sgACC", "first") + SPHERE.replace(old, new, 1)
    with pytest.raises(Fault) as caught:
        regions.read_seeds(write(tmp_path, text))
    assert f'seeds.tsv, row 3, column "{column}"' in str(caught.value)
    assert said in str(caught.value)


def test_repeated_rows_and_unknown_columns(tmp_path):
    with pytest.raises(Fault, match="row 3 repeats an earlier row"):
        regions.read_seeds(write(tmp_path, HEAD + SPHERE + SPHERE))
    with pytest.raises(Fault, match='column "radius" is unknown.*did you mean radius_mm'):
        regions.read_seeds(write(tmp_path, HEAD.replace("radius_mm", "radius") + SPHERE))


@pytest.mark.parametrize("name", ["NA", "nan", "x" * 51])
def test_names_that_read_as_missing_or_are_too_long(tmp_path, name):
    with pytest.raises(Fault, match='row 2, column "seed".*becomes part of file names'):
        regions.read_seeds(write(tmp_path, HEAD + SPHERE.replace("sgACC", name)))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a{b}.nii", "has { in it"),
        ("$HOME/a.nii", "a variable"),
        ("https://x.org/a.nii", "address"),
    ],
)
def test_files_of_regions_are_paths_as_they_stand(tmp_path, path, said):
    row = f"own\tfirst\tmask\t\t\t\t\t{path}" + "\tn/a" * (HEAD.count("\t") - 7) + "\n"
    with pytest.raises(Fault) as caught:
        regions.read_seeds(write(tmp_path, HEAD + row))
    assert 'seeds.tsv, row 2, column "file"' in str(caught.value) and said in str(caught.value)


@pytest.mark.parametrize("space", ["Talairach", "T1w", "MNI305", "mni"])
def test_places_in_another_space_are_refused(tmp_path, space):
    sheet = HEAD.rstrip("\n") + "\tspace\n" + SPHERE.rstrip("\n")
    with pytest.raises(Fault, match='row 2, column "space".*MNI152 coordinates; give the place'):
        regions.read_seeds(write(tmp_path, f"{sheet}\t{space}\n"))
    for known in ("MNI152", "MNI152NLin6Asym", "n/a"):
        regions.read_seeds(write(tmp_path, f"{sheet}\t{known}\n"))


def chosen(further=(), **pipelines):
    own = {name: {"seed_set": seed_set} for name, seed_set in pipelines.items()}
    return {
        "primary": next(iter(own)),
        "pipelines": own,
        "robustness": {"seed_sets": list(further)},
    }


def test_seed_sets_are_named_as_in_the_sheet(tmp_path):
    sets = regions.read_seeds(write(tmp_path, HEAD + SPHERE))
    regions.check_sets(sets, chosen(primary="own"), "seeds.tsv")
    for key, config in (
        ("pipelines.gsr.seed_set", chosen(primary="own", gsr="oen")),
        ("robustness.seed_sets", chosen(["oen"], primary="own", primaryOen="oen")),
    ):
        with pytest.raises(Fault, match=f"key {key}: seeds.tsv has no set oen; did you mean"):
            regions.check_sets(sets, config, "seeds.tsv")


def test_a_further_seed_set_needs_a_seed_of_the_same_name(root):
    sets = regions.read_seeds(root / "config" / "seeds.tsv")
    regions.check_sets(sets, chosen(["depression_5mm"], primary="aal3_spheres"), "seeds.tsv")
    with pytest.raises(Fault, match="seed_sets: kelly2009 has no seed of the name sgACC or pgACC"):
        regions.check_sets(
            sets, chosen(["depression_5mm", "kelly2009"], primary="aal3_spheres"), "seeds.tsv"
        )


def test_the_shipped_sets(root):
    sets = regions.read_seeds(root / "config" / "seeds.tsv")
    assert set(sets) == {"aal3_spheres", "depression_5mm", "kelly2009"}
    default = [(r.name, r.x, r.y, r.z, r.radius_mm) for r in sets["aal3_spheres"]]
    assert default == [
        ("sgACC", 1, 31, -5, 5),
        ("pgACC", 2, 43, 9, 5),
        ("dACC", 2, 26, 22, 5),
    ]
    assert {r.radius_mm for r in sets["kelly2009"]} == {4}
    assert [(r.x, r.y, r.z) for r in sets["kelly2009"]] == [
        (5, 25, -10),
        (5, 47, 11),
        (5, 34, 28),
        (5, 14, 42),
        (5, -10, 47),
    ]
    sides = [(r.name, r.x) for r in sets["depression_5mm"]]
    assert sides == [("sgACC", 0), ("pgACC", -8), ("pgACC", 8), ("dACC", -6), ("dACC", 6)]
    targets = regions.read_targets(root / "config" / "targets.tsv")
    assert all(r.citation for rows in sets.values() for r in rows)
    assert all(t.citation for t in targets)
    wanted = {"insulaR", "vmPFC", "ventralStriatum", "hippocampus", "PCC", "SMG", "pgACC", "dACC"}
    assert set(regions.names(targets)) == wanted
