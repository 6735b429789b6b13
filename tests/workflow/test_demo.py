"""The whole way on the digital twin: what was planted is found, what was not is not."""

import json

import pandas
import pytest
import yaml

from tests.workflow.conftest import copy_product
from tests.workflow.told import assert_told

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory, root):
    study = copy_product(tmp_path_factory.mktemp("demo") / "clone", root)
    done = study.snakemake(config=study.folder / "config/config.yaml")
    assert done.returncode == 0, done.stderr[-5000:]
    assert_told(study.folder / "results/demo")
    return study.folder / "results/demo"


def table(demo, name) -> pandas.DataFrame:
    return pandas.read_csv(demo / name, sep="\t")


def clusters(demo, analysis: str) -> pandas.DataFrame:
    found = table(demo, f"group/primary/{analysis}/clusters.tsv")
    return found[found["p_fwe_cluster"] < 0.05]


def near(found: pandas.DataFrame, place: tuple[float, float, float], reach: float = 16) -> bool:
    distance = sum((found[axis] - at) ** 2 for axis, at in zip("xyz", place, strict=True)) ** 0.5
    return bool((distance <= reach).any())


def test_group_by_drug_where_planted(demo):
    found = clusters(demo, "group_by_drug")
    assert near(found[(found["seed"] == "pgACC") & (found["sign"] == "-")], (38, 12, -4))
    dacc = found[(found["seed"] == "dACC") & (found["sign"] == "+")]
    assert near(dacc, (-58, -36, 32)) and near(dacc, (58, -36, 32))
    assert near(clusters(demo, "group_by_drug_pooled"), (0, 52, -12))
    assert near(clusters(demo, "group_by_drug_by_subregion"), (38, 12, -4))


def test_change_on_change_where_planted(demo):
    found = table(demo, "clinic/correlation.tsv").set_index(["seed", "target", "scale"])
    insula = found.loc[("pgACC", "insulaR", "MADRS")]
    assert insula["r"] > 0 and insula["p_permutation"] < 0.01
    striatum = found.loc["sgACC", "ventralStriatum"]
    assert striatum.loc["SHAPS", "r"] < 0 and striatum.loc["SHAPS", "q_fdr"] < 0.05
    assert striatum.loc["TEPS_A", "r"] > 0 and striatum.loc["TEPS_A", "p_permutation"] < 0.01


def test_null_edge_and_period_effect(demo):
    mixed = table(demo, "group/primary/mixed.tsv").set_index(["seed", "target", "term"])
    for term in ("drug", "group_by_drug", "period"):
        assert mixed.loc[("sgACC", "hippocampus", term), "p"] > 0.05
    assert mixed.loc[("pgACC", "PCC", "period"), "p"] < 1e-4
    assert mixed.loc[("pgACC", "PCC", "group_by_drug"), "p"] > 0.05
    for side in (-26, 26):
        found = clusters(demo, "group_by_drug")
        assert not near(found[found["seed"] == "sgACC"], (side, -20, -16), reach=12)


def test_motion_differs_by_drug_and_one_session_people_leave_by_name(demo):
    motion = table(demo, "quality/motion.tsv").set_index(["measure", "group"])
    assert motion.loc[("mean_fd", "TRD"), "mean_difference"] > 0
    left = table(demo, "trial/left.tsv")
    assert sorted(left["participant_id"]) == ["sub-H13", "sub-T17"]
    assert table(demo, "group/primary/mixed.tsv")["n_people"].max() == 30


def test_repeat_run_of_lower_motion_is_used(demo):
    (path,) = demo.glob("sub-T01/ses-placebo/func/*desc-primary_qc.json")
    record = json.loads(path.read_text())
    motion = {run["scan"]: run["mean_fd"] for run in record["runs_considered"]}
    assert len(motion) == 2
    assert record["scan"] == min(motion, key=motion.get)


def test_report_is_there(demo):
    text = (demo / "report.html").read_text()
    assert text.count("<svg") > 20 and "sub-T17" in text


def test_demo_sheets_are_the_twins_design(root, tmp_path):
    from crossfc.twin import design as twin

    twin.write_sheets(tmp_path, *twin.parametric_design(random_seed=2024))
    for sheet in ("participants", "sessions"):
        assert (tmp_path / f"{sheet}.tsv").read_text() == (root / f"config/{sheet}.tsv").read_text()
    config = yaml.safe_load((root / "config/config.yaml").read_text())
    assert config["twin"]
