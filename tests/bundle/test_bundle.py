"""The bundle holds what can be shared, by number and by word, and nothing about single people."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc import atomic
from crossfc.bundle.distribution import distributions, session_counts
from crossfc.bundle.estimate import shared_estimates
from crossfc.bundle.folder import write_bundle
from crossfc.bundle.identifier import require_no_identifier
from crossfc.bundle.neurovault import GRID
from crossfc.bundle.withheld import groups_of, too_few
from crossfc.fault import Fault
from crossfc.table import read_table
from tests.group.result_record import result
from tests.image import write_image

N = {"TRD": 9, "HV": 4}
SHAPE, AFFINE = (4, 5, 3), np.diag([4.0, 4, 4, 1])
OPTIONS = {"title": "A trial", "primary": "primary", "groups": ["TRD", "HV"],
           "license": "CC0-1.0", "smallest_group": 5, "codes": {}}  # fmt: skip


def people() -> list[tuple[str, str]]:
    return [(f"sub-{label}{i:02}", label) for label, n in N.items() for i in range(n)]


def sessions() -> pd.DataFrame:
    """Return a table of quality with values of many digits for everybody."""
    rng = np.random.default_rng(5)
    rows = [
        {
            "participant_id": person,
            "group": label,
            "session_id": f"ses-{treatment}",
            "treatment": treatment,
            "mean_fd": rng.gamma(2, 0.1),
            "tsnr_sgACC": 50 + 10 * rng.standard_normal(),
            "heart_rate": np.nan,
            "excluded": person == "sub-TRD03",
            "exclusion_reasons": "moved" if person == "sub-TRD03" else None,
        }
        for person, label in people()
        for treatment in ("ketamine", "placebo")
    ]
    return pd.DataFrame(rows)


def evidence() -> pd.DataFrame:
    test = {"contrast": "drug", "estimate": -0.2, "se": 0.1, "df": 7, "low": -0.4, "high": 0.0,
            "p": 0.08, "adjusted": True, "because": "sub-TRD03 has no order"}  # fmt: skip
    edge = {"kind": "edge", "scale": None, "seed": "sgACC", "target": "insulaR"}
    score = {"kind": "score", "scale": "MADRS", "seed": None, "target": None}
    counts = {"TRD": 9, "HV": 4, "TRD-HV": 13}
    return pd.DataFrame(
        [test | own | {"group": label, "n": n} for own in (score, edge)
         for label, n in counts.items()]
    )  # fmt: skip


def values(seed: str, stat: str) -> np.ndarray:
    rng = np.random.default_rng([len(seed), len(stat), 3])
    found = np.abs(rng.standard_normal(SHAPE)).astype(np.float32)
    found[:, :, 0] = np.nan
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of a study: maps of two analyses, tables, methods and provenance."""
    folder = tmp_path_factory.mktemp("results")
    left = [{"participant_id": "sub-TRD03", "group": "TRD", "reason": "moved"}]
    for name, n in (("drug_TRD", {"TRD": 9}), ("drug_HV", {"HV": 4})):
        record = result(analysis=name, n=n, left=left, notes=["sub-TRD03 left"])
        for seed in record["seeds"]:
            for stat in ("t", "effect", "stderr", "hedgesg", "tfce", "pfwevoxel"):
                path = folder / name / f"seed-{seed}_stat-{stat}_statmap.nii.gz"
                path.parent.mkdir(exist_ok=True)
                write_image(path, values(seed, stat), AFFINE)
        atomic.write_json(folder / name / "result.json", record)
    none = result(analysis="carryover", estimable=False, n={"TRD": 9}, notes=["sub-TRD03"])
    (folder / "carryover").mkdir()
    atomic.write_json(folder / "carryover/result.json", none)
    atomic.write_table(folder / "sessions.tsv", sessions())
    atomic.write_table(folder / "evidence.tsv", evidence())
    (folder / "methods.md").write_text("## Design\n\nA crossover.\n")
    known = dict.fromkeys(
        ("deployment", "commit", "code", "lock", "packages", "atlas", "derivatives",
         "seeds", "preregistration", "sheets", "jobs"), None)  # fmt: skip
    record = known | {"crossfc": "0.1.0", "config": {"study": "a"}, "jobs": {"x": "sub-TRD03"}}
    atomic.write_json(folder / "provenance.json", record)
    return folder


@pytest.fixture(scope="module")
def bundle(results, tmp_path_factory):
    """Its bundle."""
    out = tmp_path_factory.mktemp("out") / "bundle"
    write(results, out)
    return out


def write(results, out, **options):
    folders = [results / name for name in ("drug_TRD", "drug_HV", "carryover")]
    names = ("evidence", "sessions", "methods", "provenance")
    endings = (".tsv", ".tsv", ".md", ".json")
    sources = {k: str(results / f"{k}{e}") for k, e in zip(names, endings, strict=True)}
    persons = [person for person, _ in people()]
    write_bundle(out, folders, sources, OPTIONS | options, persons, "0.1.0")


def content(path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_nobody_is_named_and_nobodys_value_is_told(bundle):
    files = [path for path in bundle.rglob("*") if path.is_file()]
    assert len(files) > 30
    own = sessions()[["mean_fd", "tsnr_sgACC"]].to_numpy().ravel()
    told = {f"{value:.6g}" for value in own}
    for path in files:
        held = content(path)
        for person, _ in people():
            assert person.encode() not in held and person not in str(path), path
        if path.suffix == ".tsv":
            table = read_table(path).select_dtypes("number").to_numpy().ravel()
            assert not told & {f"{value:.6g}" for value in table}, path
        assert not [value for value in told if value.encode() in held], path


def test_maps_are_those_of_the_analysis(bundle):
    maps = bundle / "maps/drug_TRD"
    name = "drug_TRD_seed-sgACC_stat-{}_statmap"
    stats_there = {path.name.split("stat-")[1].split("_")[0] for path in maps.glob("*seed-sgACC*")}
    assert stats_there == {"t", "effect", "variance", "pfwevoxel"}
    held = {s: nib_values(maps / f"{name.format(s)}.nii.gz") for s in ("t", "effect", "variance")}
    np.testing.assert_array_equal(held["t"], values("sgACC", "t"))
    np.testing.assert_array_equal(held["effect"], values("sgACC", "effect"))
    np.testing.assert_allclose(held["variance"], values("sgACC", "stderr") ** 2, rtol=1e-6)
    mask = nib_values(maps / "drug_TRD_desc-searchvolume_mask.nii.gz")
    assert mask.sum() == 40 and not mask[:, :, 0].any()
    said = json.loads((maps / f"{name.format('variance')}.json").read_text())
    assert said["NumberOfPeopleByGroup"] == {"TRD": 9} and said["Units"] == "(Fisher z)²"
    said = json.loads((maps / "drug_TRD_desc-searchvolume_mask.json").read_text())
    assert said["NeuroVault"]["map_type"] == "R" and "Seed" not in said


def nib_values(path) -> np.ndarray:
    import nibabel

    return np.asarray(nibabel.load(path).dataobj)


def test_few_people_are_withheld_and_named_as_withheld(bundle):
    assert not (bundle / "maps/drug_HV").exists() and not (bundle / "maps/carryover").exists()
    withheld = read_table(bundle / "withheld.tsv")
    told = dict(zip(withheld["what"], withheld["because"], strict=True))
    assert told["maps of drug_HV"] == "fewer than 5 people: HV (4)"
    assert told["maps of carryover"] == "could not be estimated"
    assert told["edge drug sgACC insulaR TRD-HV"] == "fewer than 5 people: HV (4)"
    assert told["score drug MADRS HV"] == "fewer than 5 people: HV (4)"
    assert told["mean FD, HV ketamine"] == "fewer than 5 people: HV (4)"
    readme = (bundle / "README.md").read_text()
    assert f"fewer than 5 people of a group is withheld: {len(withheld)} items" in readme
    assert "CC0-1.0" in readme and "sub-" not in readme


def test_all_is_shared_where_groups_may_be_as_small(results, tmp_path):
    write(results, tmp_path / "bundle", smallest_group=4, license=None)
    assert (tmp_path / "bundle/maps/drug_HV").is_dir()
    table = read_table(tmp_path / "bundle/estimates.tsv")
    between = table[table["group"] == "TRD-HV"]
    assert set(between["n_by_group"]) == {"TRD 9, HV 4"}
    assert "None is stated" in (tmp_path / "bundle/README.md").read_text()


def test_estimates_are_those_of_the_evidence():
    table, withheld = shared_estimates(evidence(), ["TRD", "HV"], 5)
    assert table["group"].tolist() == ["TRD", "TRD"] and table["se"].tolist() == [0.1, 0.1]
    assert len(withheld) == 4 and "because" not in table
    empty, nothing = shared_estimates(evidence().iloc[:0], ["TRD"], 5)
    assert empty.empty and not nothing


def test_quantiles_are_weighted_means_of_everybody():
    table, _ = distributions(sessions(), 5)
    own = table[(table["treatment"] == "ketamine") & (table["measure"] == "mean_fd")].iloc[0]
    known = sessions().query("group == 'TRD' and treatment == 'ketamine'")["mean_fd"].to_numpy()
    # Harrell and Davis 1982, with the weights written out.
    n, edges = len(known), np.arange(len(known) + 1) / len(known)
    for name, p in (("quartile_1", 0.25), ("median", 0.5), ("quartile_3", 0.75)):
        weights = np.diff(stats.beta.cdf(edges, (n + 1) * p, (n + 1) * (1 - p)))
        assert own[name] == pytest.approx(weights @ np.sort(known), rel=1e-9)
    assert own["mean"] == pytest.approx(known.mean())
    assert own["sd"] == pytest.approx(known.std(ddof=1))
    assert set(table["group"]) == {"TRD"} and set(table["measure"]) == {"mean_fd", "tsnr_sgACC"}


def test_sessions_are_counted():
    table = session_counts(sessions()).set_index(["group", "treatment"])
    assert table.loc[("TRD", "placebo"), ["n_people", "n_sessions", "n_excluded"]].tolist() == [
        9,
        9,
        1,
    ]
    assert table.loc[("HV", "ketamine"), "n_sessions"] == 4


def test_repositories_get_their_fields(bundle):
    table = read_table(bundle / "neurovault.tsv")
    assert list(table.columns) == GRID
    files = {path.name for path in bundle.rglob("*.nii.gz")}
    assert set(table["Filename"]) == files and table["Filename"].is_unique
    row = table.set_index("Filename").loc["drug_TRD_seed-sgACC_stat-t_statmap.nii.gz"]
    assert row["map_type"] == "T map" and row["analysis_level"] == "group"
    assert row["number_of_subjects"] == 9 and row["statistic_parameters"] == 12
    fields = json.loads((bundle / "collection.json").read_text())
    assert fields["smoothing_fwhm"] == 6 and fields["group_description"] == "TRD"


def test_the_index_lists_every_file_but_sidecars(bundle):
    index = read_table(bundle / "index.tsv")
    there = {p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file()}
    maps_said = {name for name in there if name.startswith("maps/") and name.endswith(".json")}
    assert set(index["file"]) == there - maps_said - {"index.tsv"}
    assert set(index["n"].dropna()) == {9}


def test_provenance_holds_no_jobs(bundle):
    record = json.loads((bundle / "provenance.json").read_text())
    assert record["crossfc"] == "0.1.0" and not {"jobs", "sheets"} & set(record)


def test_codes_of_treatments_are_told(results, tmp_path):
    write(results, tmp_path / "bundle", codes={"A": "ketamine"})
    assert "- A: ketamine" in (tmp_path / "bundle/README.md").read_text()


def test_an_identifier_is_refused_wherever_it_stands(tmp_path):
    (tmp_path / "a.tsv").write_text("x\nsub-011\n")
    require_no_identifier(tmp_path, ["sub-01", "sub-02"])
    with pytest.raises(Fault, match="would name a person, in a.tsv") as fault:
        require_no_identifier(tmp_path, ["sub-011"])
    assert "sub-011" not in str(fault.value)
    (tmp_path / "sub-02_map.txt").write_text("")
    with pytest.raises(Fault, match="would name a person"):
        require_no_identifier(tmp_path, ["sub-02"])


def test_a_bundle_that_would_name_somebody_is_not_written(results, tmp_path):
    with pytest.raises(Fault, match="in README.md|in bundle.json"):
        write(results, tmp_path / "bundle", title="The case of sub-TRD03")
    assert not (tmp_path / "bundle").exists()


def test_labels_of_groups_may_have_hyphens():
    assert groups_of("A-B-C", ["A-B", "C"]) == ["A-B", "C"]
    assert groups_of("A-B", ["A-B", "C"]) == ["A-B"]
    assert too_few({"A": 5, "B": 2}, 5) == "fewer than 5 people: B (2)"
    assert too_few({"A": 5}, 5) is None
