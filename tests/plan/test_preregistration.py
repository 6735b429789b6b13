"""The analysis plan: its digest, its sentences, and what a run does otherwise."""

import hashlib
import json

import pytest
import yaml

from crossfc.fault import Fault
from crossfc.jobs.command import main
from crossfc.plan import Plan
from tests.plan.test_plan import PEOPLE, sessions

STATED = {"analysis": "drug_TRD", "seed": "dACC", "region": "SMG", "direction": "positive"}
SCORE = {"analysis": "drug_TRD", "scale": "MADRS"}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return a sound configuration in the working directory, with its two sheets."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "participants.tsv").write_text(PEOPLE)
    (tmp_path / "sessions.tsv").write_text(sessions())
    return {
        "study": "small",
        "entry": "fmriprep",
        "derivatives_dir": "scans_of_the_study",
        "sheets": {"participants": "participants.tsv", "sessions": "sessions.tsv"},
        "groups": {"patients": "TRD", "controls": "HV"},
        "treatments": {"active": "ketamine", "control": "placebo"},
        "hypotheses": [STATED, SCORE],
        "group": {"permutations": 5000},
    }


@pytest.fixture
def registered(study, tmp_path, capsys):
    """Write the plan by the command; return the configuration that names it."""
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    assert main(["preregister", "--configfile", "study.yaml", "--into", "plan"]) == 0
    assert "preregistration: plan/analysis_plan.json" in capsys.readouterr().out
    return study | {"preregistration": "plan/analysis_plan.json"}


def written(tmp_path):
    return json.loads((tmp_path / "plan/analysis_plan.json").read_text())


def test_the_digest_is_that_of_the_file_by_anybodys_sha256(registered, tmp_path):
    plan = written(tmp_path)
    text = json.dumps(
        plan["choices"], sort_keys=True, ensure_ascii=False, separators=(",", ":")
    ).encode()
    assert plan["digest"] == hashlib.sha256(text).hexdigest()


def test_the_plan_names_nobody_and_no_place(registered, tmp_path):
    for name in ("analysis_plan.json", "analysis_plan.md"):
        text = (tmp_path / "plan" / name).read_text()
        for private in ("sub-0", "sessions.tsv", "scans_of_the_study", str(tmp_path)):
            assert private not in text
    sentences = (tmp_path / "plan/analysis_plan.md").read_text()
    assert written(tmp_path)["digest"] in sentences
    assert "- drug_TRD of dACC in SMG (above zero). In TRD, does connectivity" in sentences
    assert "Inference is by 5000 permutations" in sentences
    assert "- The sheets list 1 people in TRD (1 ketamine-placebo)." in sentences
    assert "- drug: 1 × ketamine − 1 × placebo, adjusted for periods." in sentences


def test_what_is_no_choice_is_no_deviation(registered, root, tmp_path):
    """Places, cores, memory, words, and one number written in another way."""
    (tmp_path / "moved.tsv").write_text((tmp_path / "sessions.tsv").read_text())
    again = registered | {
        "study": "renamed",
        "title": "A title",
        "derivatives_dir": "elsewhere",
        "sheets": registered["sheets"] | {"sessions": "moved.tsv"},
        "hypotheses": [SCORE | {"name": "Mood"}, STATED | {"citation": "Q 1"}],
        "group": {"permutations": 5000, "threads": 4, "memory_gb": 8, "cluster_forming_p": 1e-3},
        "pipelines": {"primary": {"fwhm_mm": 6.0}},
        "report": {"participant_ids": False},
    }
    record = Plan(again, root).preregistration.record()
    assert record["as_planned"] and record["deviations"] == [] == record["notes"]
    assert record["digest"] == record["run_digest"] == written(tmp_path)["digest"]
    assert Plan(again | {"preregistration": None}, root).preregistration.record() is None


def test_every_deviation_is_one_sentence(registered, root, tmp_path):
    changed = registered | {
        "group": {"permutations": 999},
        "exclusion": {"maximum_mean_fd_mm": 0.3},
        "pipelines": {"primary": {"strategy": "p36"}, "gsr": {"strategy": "acompcor_gsr"}},
        "hypotheses": [STATED | {"direction": "negative"}, SCORE | {"analysis": "drug_HV"}],
    }
    plan = Plan(changed, root)
    record = plan.preregistration.record()
    told = record["deviations"]
    assert not record["as_planned"] and record["run_digest"] != record["digest"]
    assert "config key group.permutations: 5000 → 999." in told
    assert "config key exclusion.maximum_mean_fd_mm: 0.5 → 0.3." in told
    assert "config key pipelines.primary.strategy: acompcor → p36." in told
    assert "config key pipelines.gsr.strategy: not in the plan → acompcor_gsr." in told
    assert "config key pipelines.gsr.fwhm_mm: not in the plan → 6." in told
    assert "Hypothesis drug_TRD of dACC in SMG: direction positive → negative." in told
    assert "Hypothesis added after the plan: drug_HV of MADRS." in told
    assert "Hypothesis of the plan that was removed: drug_TRD of MADRS." in told
    assert any(line.startswith("confound strategy p36.columns: not in the plan") for line in told)
    assert len(told) == len(set(told))


def test_a_moved_seed_and_another_mask_are_deviations(registered, root, tmp_path):
    sheet = (root / "config/seeds.tsv").read_text()
    moved = sheet.replace(
        "aal3_spheres\tdACC\tsphere\t2\t26\t22", "aal3_spheres\tdACC\tsphere\t2\t26\t24"
    )
    assert moved != sheet
    (tmp_path / "seeds.tsv").write_text(moved)
    changed = registered | {"sheets": registered["sheets"] | {"seeds": "seeds.tsv"}}
    told = Plan(changed, root).preregistration.record()["deviations"]
    assert told == ["seed set aal3_spheres.dACC.z: 22 → 24."]


def test_more_people_are_told_and_are_no_deviation(registered, root, tmp_path):
    (tmp_path / "participants.tsv").write_text(PEOPLE + "sub-03\tTRD\tplacebo-ketamine\tn/a\n")
    orders = {"01": ("ketamine", "placebo"), "02": ("placebo", "ketamine")}
    (tmp_path / "sessions.tsv").write_text(sessions(orders | {"03": ("placebo", "ketamine")}))
    record = Plan(registered, root).preregistration.record()
    assert record["as_planned"]
    assert record["notes"] == ["People in TRD: 1 when the plan was written, 2 now."]


def test_a_key_that_an_earlier_version_did_not_know(registered, root, tmp_path):
    """At its default it is told; changed it is a deviation."""
    path = tmp_path / "plan/analysis_plan.json"
    plan = json.loads(path.read_text())
    del plan["choices"]["config"]["group"]["tfce"]
    del plan["choices"]["config"]["pipelines"]["primary"]["censor_minimum_run"]
    text = json.dumps(plan["choices"], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    plan["digest"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(plan))
    record = Plan(registered, root).preregistration.record()
    assert record["as_planned"] and record["run_digest"] != record["digest"]
    (note,) = record["notes"]
    assert "pipelines.primary.censor_minimum_run: 1; group.tfce: true" in note
    changed = registered | {"group": {"permutations": 5000, "tfce": False}}
    record = Plan(changed, root).preregistration.record()
    assert record["deviations"] == ["config key group.tfce: not in the plan → false."]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: path.unlink(), "does not exist; correct the path, or write the plan with"),
        (lambda path: path.write_text("{}"), "is no analysis plan of crossfc"),
        (lambda path: path.write_text("[1]"), "is no analysis plan of crossfc"),
        (
            lambda path: path.write_text(path.read_text().replace("5000", "999")),
            "was edited: it says that its digest is",
        ),
    ],
)
def test_a_plan_that_cannot_be_one_is_refused(registered, root, tmp_path, spoil, sentence):
    spoil(tmp_path / "plan/analysis_plan.json")
    with pytest.raises(Fault) as caught:
        Plan(registered, root)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("config key preregistration: ") and sentence in line


def test_a_plan_is_not_written_over(registered, study, tmp_path, capsys):
    again = ["preregister", "--configfile", "study.yaml", "--into", "plan"]
    assert main(again) == 0 and "holds this plan already" in capsys.readouterr().out
    before = (tmp_path / "plan/analysis_plan.json").read_text()
    (tmp_path / "more.yaml").write_text("group: {permutations: 999}\n")
    assert main([*again[:3], "more.yaml", "--into", "plan"]) == 2
    assert "is not written over; name another folder with --into" in capsys.readouterr().err
    assert (tmp_path / "plan/analysis_plan.json").read_text() == before
    assert main([*again[:3], "more.yaml", "--into", "other"]) == 0
    assert "by 999 permutations" in (tmp_path / "other/analysis_plan.md").read_text()


def test_a_plan_of_the_clinic_alone(study, tmp_path):
    """Where nobody has scans no map is planned, and the plan says so."""
    (tmp_path / "sessions.tsv").write_text(
        "\n".join(
            "\t".join("n/a" if n and k == 4 else cell for k, cell in enumerate(row.split("\t")))
            for n, row in enumerate(sessions().splitlines())
        )
    )
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study | {"hypotheses": [SCORE]}))
    assert main(["preregister", "--configfile", "study.yaml", "--into", "plan"]) == 0
    sentences = (tmp_path / "plan/analysis_plan.md").read_text()
    assert "no maps are planned" in sentences and "- drug_TRD of MADRS" in sentences
