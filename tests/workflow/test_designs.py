"""Designs beyond two treatments in two periods, from sheets and ready maps to the page."""

import itertools
import json

import nibabel
import numpy as np
import pandas
import pytest
import yaml

from crossfc.report import number
from tests.report.report_page import Page
from tests.workflow.conftest import copy_product
from tests.workflow.told import assert_told

SHAPE, PLACE = (8, 9, 8), (slice(3, 6),) * 3
AFFINE = np.diag([10.0, 10, 10, 1])
AFFINE[:3, 3] = (-35, -45, -35)
SEEDS = "set\tseed\tkind\tx\ty\tz\tradius_mm\nall\tsgACC\tsphere\t0\t20\t-10\t8\n"
SCALES = "scale\tinstrument\tlowest\thighest\tbetter\nMADRS\tMontgomery-Asberg\t0\t60\tlower\n"


def write_study(study, people, sessions, effect, **keys):
    """Write the sheets of a study and a map for every session.

    ``sessions`` are dicts of cells; ``effect`` gives what a session's map holds at `PLACE`.
    """
    random = np.random.default_rng(1)
    design, maps = study.folder / "design", study.folder / "maps"
    design.mkdir()
    maps.mkdir()
    shared = random.normal(0.3, 0.1, SHAPE)
    own = {person: random.normal(0, 0.1, SHAPE) for person, _, _ in people}
    rows = []
    for session in sessions:
        person, name = session["participant_id"], session["session_id"]
        values = shared + own[person] + random.normal(0, 0.02, SHAPE)
        values[PLACE] += effect(session)
        image = nibabel.Nifti1Image(values.astype(np.float32), AFFINE)
        nibabel.save(image, maps / f"{person}_{name}_seed-sgACC.nii")
        score = 30 - 20 * effect(session) + random.integers(-2, 3)
        rows.append(session | {"scan": "n/a", "MADRS": round(score)})
    pandas.DataFrame(rows).to_csv(design / "sessions.tsv", sep="\t", index=False)
    columns = ["participant_id", "group", "sequence"]
    pandas.DataFrame(people, columns=columns).to_csv(
        design / "participants.tsv", sep="\t", index=False
    )
    (design / "seeds.tsv").write_text(SEEDS)
    (design / "scales.tsv").write_text(SCALES)
    config = {
        "study": "trial",
        "entry": "maps",
        "derivatives_dir": "maps",
        "sheets": {
            name: f"design/{name}.tsv" for name in ("participants", "sessions", "seeds", "scales")
        },
        "pipelines": {"primary": {"seed_set": "all"}},
        "maps": {"pattern": "{participant_id}_{session_id}_seed-{seed}.nii", "mask_seeds": False},
        "group": {"permutations": 199, "cluster_forming_p": 0.01, "tfce": False},
    }
    study.config_path.write_text(yaml.safe_dump(config | keys, sort_keys=False))
    return study.folder / "results/trial"


def effect_at_place(folder):
    image = nibabel.load(folder / "seed-sgACC_stat-effect_statmap.nii.gz")
    return float(np.nanmean(image.get_fdata()[PLACE]))


def session(person, label, treatment, period, **cells):
    return {"participant_id": person, "session_id": label, "treatment": treatment,
            "period": period} | cells  # fmt: skip


@pytest.fixture(scope="module")
def three(tmp_path_factory, root):
    """Three treatments in all orders, with large effects of periods; one session is missing."""
    study = copy_product(tmp_path_factory.mktemp("three") / "study", root)
    planted = {"placebo": 0.0, "low": 0.1, "high": 0.3}
    people, sessions = [], []
    for i, order in enumerate(
        itertools.islice(itertools.cycle(itertools.permutations(planted)), 12)
    ):
        person = f"sub-{i + 1:02d}"
        people.append((person, "HV", "-".join(order)))
        sessions += [
            session(person, f"ses-{k}", label, k)
            for k, label in enumerate(order, 1)
            if (i, label) != (3, "high")
        ]
    results = write_study(
        study, people, sessions, lambda s: planted[s["treatment"]] + 0.2 * s["period"],
        groups=["HV"], treatments=list(planted), sets={"dose": ["low", "high"]},
    )  # fmt: skip
    done = study.snakemake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert_told(results)
    return study, results


def test_three_treatments_in_three_periods(three):
    _, results = three
    assert effect_at_place(results / "group/maps/low_HV") == pytest.approx(0.1, abs=0.02)
    assert effect_at_place(results / "group/maps/high_HV") == pytest.approx(0.3, abs=0.02)
    record = json.loads((results / "group/maps/high_HV/result.json").read_text())
    assert record["model"] == "D ~ 1 + period_2 + period_3" and record["n"] == {"HV": 11}
    assert record["arrangement"] == "sign flips"
    left = pandas.read_csv(results / "trial/left.tsv", sep="\t")
    assert left[["participant_id", "analysis", "reason"]].values.tolist() == [
        ["sub-04", "high", "no map under high"]
    ]
    change = pandas.read_csv(results / "clinic/change.tsv", sep="\t").set_index("contrast")
    assert change.loc["high", "adjusted_estimate"] == pytest.approx(-6, abs=1.5)
    assert change["carryover_estimate"].isna().all() and change["period_estimate"].isna().all()
    carried = pandas.read_csv(results / "clinic/carryover.tsv", sep="\t").set_index("contrast")
    assert carried.loc["high", "without_estimate"] == pytest.approx(
        change.loc["high", "adjusted_estimate"]
    )
    # Nothing was planted to carry over.
    low, high = (carried.loc["high", f"with_{limit}"] for limit in ("low", "high"))
    assert low < -6 < high and not (results / "clinic/edge_carryover.tsv").exists()
    assert not (results / "clinic/occasions.tsv").exists()
    page = Page(results / "report.html")
    told = page.text.split("Each change of a score without and with first-order carry-over")[-1]
    found = " p smallest found with 80 % power"
    assert f"carry-over of low − of placebo{found} carry-over of high − of placebo{found}" in told
    assert f"high − placebo MADRS HV 11 {number.signed(change.adjusted_estimate['high'])} [" in told
    assert "three-treatment, three-period crossover of low, high and placebo, in a Williams" in (
        page.text
    )
    assert "was higher under high than under placebo" in page.text
    assert "in the cluster adjusted for periods" in page.text
    assert "12 HV with all sessions of one of 2 comparisons or more" in page.text
    assert "patients" not in page.text
    people = page.text.split("12 known to the study")
    assert len(people) == 2 and people[1].split("2 high then low")[0].strip() == (
        "12 with a map 12 with all sessions of one of 2 comparisons or more"
    )
    assert "high high − placebo 11 1 sub-04 (no map under high)" in people[1]
    assert "Who left which analysis" not in page.text


def test_a_set_of_contrasts_is_tested_together(three):
    _, results = three
    record = json.loads((results / "group/maps/dose_HV/result.json").read_text())
    assert record["n"] == {"HV": 11} and record["statistic_name"] == "Hotelling's T² as F"
    assert record["together"] == ["low − placebo", "high − placebo"]
    assert record["model"].startswith("D ~ 1 + low_period_2 + low_period_3 + high_period_2")
    page = Page(results / "report.html")
    assert "Any of low − placebo and high − placebo in HV" in page.text
    assert record["per_seed"]["sgACC"]["p_fwe_voxel_min"] < 0.05
    assert "an effect of sgACC survived correction though no cluster did" in page.text
    assert "Sets of contrasts were tested together" in page.text


def test_a_changed_contrast_reruns_that_contrast_only(three):
    study, _ = three
    weights = {"low": {"low": 1, "placebo": -1}, "high": {"high": 1, "placebo": -1}}
    study.set_config(contrasts=weights)
    jobs = study.would_run()
    assert not {job for job in jobs if job.startswith(("pair_sessions", "group_test"))}
    study.set_config(contrasts=weights | {"high": {"high": 1, "low": -1}})
    jobs = study.would_run()
    made = {job for job in jobs if job.startswith(("pair_sessions", "group_test"))}
    assert made and not {job for job in made if "low" in job}
    assert any("high_HV" in job for job in made)


def test_parallel_arms_before_and_after(tmp_path, root):
    study = copy_product(tmp_path / "study", root)
    people = [(f"sub-{i:02d}", "MDD", "n/a") for i in range(16)]
    sessions = [
        session(person, f"ses-{when}", ("placebo", "drug")[i % 2], "n/a", occasion=when)
        for i, (person, _, _) in enumerate(people)
        for when in ("before", "after")
    ]
    results = write_study(
        study, people, sessions,
        lambda s: (0.1 + 0.2 * (s["treatment"] == "drug")) * (s["occasion"] == "after"),
        groups=["MDD"], treatments=["placebo", "drug"], occasions=["before", "after"],
    )  # fmt: skip
    done = study.snakemake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert_told(results)
    assert effect_at_place(results / "group/maps/group_by_time") == pytest.approx(0.2, abs=0.02)
    assert effect_at_place(results / "group/maps/time_placebo") == pytest.approx(0.1, abs=0.02)
    record = json.loads((results / "group/maps/group_by_time/result.json").read_text())
    assert record["arrangement"] == "shuffles" and record["n"] == {"drug": 8, "placebo": 8}
    page = Page(results / "report.html")
    assert "a comparison of the parallel arms drug and placebo" in page.text
    assert "was higher at after than at before" in page.text
    assert "order of treatments" not in page.text.split("Inference was by permutation")[0]


def test_three_treatments_in_incomplete_blocks_have_a_mixed_model(study):
    """The scans of the small study, of which some under ketamine are said to be of a low dose."""
    sheets = {name: study.folder / f"design/{name}.tsv" for name in ("participants", "sessions")}
    tables = {name: pandas.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
              for name, path in sheets.items()}  # fmt: skip
    low = tables["participants"]["participant_id"][::2]
    for table, column in ((tables["participants"], "sequence"), (tables["sessions"], "treatment")):
        some = table["participant_id"].isin(low)
        table.loc[some, column] = table.loc[some, column].str.replace("ketamine", "low")
    for name, path in sheets.items():
        tables[name].to_csv(path, sep="\t", index=False)
    weights = {"low": {"low": 1, "placebo": -1}, "high": {"ketamine": 1, "placebo": -1}}
    study.set_config(
        hypotheses=[],
        treatments=["placebo", "low", "ketamine"],
        contrasts=weights,
        group__analyses=["low_TRD"],
    )
    target = "results/small/group/primary/mixed.tsv"
    done = study.snakemake(target)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    mixed = pandas.read_csv(study.folder / target, sep="\t")
    assert mixed["converged"].all() and mixed["n_sessions"].max() == 19
    of_edge = mixed.groupby(["seed", "target"], sort=False)["term"].agg(list)
    terms = ["low_TRD", "low_HV", "group_by_low", "high_TRD", "high_HV", "group_by_high"]
    assert len(of_edge) == 21 and all(found == terms for found in of_edge)
    # It holds all contrasts, so one that changes reruns it, and the data of no other.
    study.set_config(contrasts=weights | {"high": {"ketamine": 1, "low": -1}})
    assert {job.split()[0] for job in study.would_run(target)} == {"mixed_model"}
    study.set_config(contrasts=weights, group__permutations=199)
    assert not study.would_run(target)


@pytest.fixture(scope="module")
def baselines(tmp_path_factory, root):
    """Two treatments with a scan before and after each; days differ, and one baseline is lost."""
    study = copy_product(tmp_path_factory.mktemp("baselines") / "study", root)
    random = np.random.default_rng(4)
    day = {(i, label): random.normal(0, 0.15) for i in range(14) for label in ("drug", "placebo")}
    people, sessions, of_day = [], [], {}
    for i in range(14):
        person, order = f"sub-{i + 1:02d}", ("drug", "placebo") if i % 2 else ("placebo", "drug")
        people.append((person, "HV", "-".join(order)))
        for period, label in enumerate(order, 1):
            of_day[person, label] = day[i, label]
            sessions += [
                session(person, f"ses-{label}{when}", label, period, occasion=when)
                for when in ("pre", "post")
                if (i, label, when) != (2, "placebo", "pre")
            ]

    def value(s):
        after = s["occasion"] == "post"
        return of_day[s["participant_id"], s["treatment"]] + after * 0.2 * (
            s["treatment"] == "drug"
        )

    results = write_study(
        study, people, sessions, value, groups=["HV"], treatments=["placebo", "drug"],
        occasions=["pre", "post"], baseline_occasion="pre",
    )  # fmt: skip
    done = study.snakemake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert_told(results)
    return study, results


def test_the_baseline_of_every_period_is_a_covariate(baselines):
    """Days differ by more than the effect; given the day's own baseline the effect stands out."""
    _, results = baselines
    record = json.loads((results / "group/maps/drug_HV/result.json").read_text())
    assert record["model"] == "D ~ 1 + sequence + baseline(pre)" and record["n"] == {"HV": 13}
    assert record["degrees_of_freedom"] == 10
    assert effect_at_place(results / "group/maps/drug_HV") == pytest.approx(0.2, abs=0.02)
    image = nibabel.load(results / "group/maps/drug_HV/seed-sgACC_stat-stderr_statmap.nii.gz")
    assert np.nanmean(image.get_fdata()[PLACE]) < 0.02  # of days alone it would be 0.06
    left = pandas.read_csv(results / "trial/left.tsv", sep="\t")
    assert left[["participant_id", "reason"]].values.tolist() == [
        ["sub-03", "no map under placebo pre"]
    ]
    page = Page(results / "report.html")
    assert "the baseline (pre) of each voxel" in page.text
    assert "adjusted for the order of treatments and the baseline (pre)" in page.text


def test_scores_are_adjusted_for_the_same_baseline(baselines):
    _, results = baselines
    scores = pandas.read_csv(results / "clinic/scores.tsv", sep="\t").set_index("participant_id")
    assert scores.loc["sub-03", "reason"] == "no baseline score"
    used = scores[scores["used"]]
    columns = [np.ones(len(used)), used["sequence_code"], used["baseline"]]
    found, rest, *_ = np.linalg.lstsq(np.column_stack(columns), used["delta"], rcond=None)
    change = pandas.read_csv(results / "clinic/change.tsv", sep="\t").iloc[0]
    assert change["adjusted_estimate"] == pytest.approx(found[0])
    assert change["adjusted_df"] == len(used) - 3 and np.isnan(change["adjusted_wilcoxon_p"])
    inverse = np.linalg.inv(np.column_stack(columns).T @ np.column_stack(columns))
    error = np.sqrt(rest[0] / (len(used) - 3) * inverse[0, 0])
    assert change["adjusted_t"] == pytest.approx(found[0] / error)
    assert found[0] == pytest.approx(-4, abs=1.5)
    assert "difference adjusted for period and baseline" in Page(results / "report.html").text
    occasions = pandas.read_csv(results / "clinic/occasions.tsv", sep="\t")
    occasions = occasions[occasions["sequence"] == "all"].set_index("occasion")
    assert occasions.loc["post", "estimate"] == change["adjusted_estimate"]
    assert occasions.loc["post", "left"] == "sub-03 (no baseline score)"
    before = scores["delta"].drop("sub-03").index  # of baselines themselves nothing is taken off
    assert occasions.loc["pre", "n"] == len(before) and occasions.loc["pre", "df"] == 11


def test_another_use_of_the_baseline_reruns_the_contrast(baselines):
    study, _ = baselines
    study.set_config(baseline="difference")
    jobs = study.would_run()
    assert {job for job in jobs if job.startswith("pair_sessions")}
    study.set_config(baseline=None)
    assert not study.would_run()


def test_what_cannot_be_estimated_is_said_before_any_job(tmp_path, root):
    study = copy_product(tmp_path / "study", root)
    people = [(f"sub-{i}", "HV", "n/a") for i in range(4)]
    sessions = [
        session(person, f"ses-{when}", "drug", "n/a", occasion=when)
        for person, _, _ in people
        for when in ("before", "after")
    ]
    later = {
        "since": {"any": {"after": 1, "before": -1}},
        "late": {"any": {"late": 1, "after": -1}},
    }
    write_study(
        study, people, sessions, lambda s: 0.1, groups=["HV"], treatments=["drug"],
        occasions=["before", "after", "late"], contrasts=later,
    )  # fmt: skip
    results = study.folder / "results/trial"
    said = study.snakemake("-n").stderr
    assert "crossfc: contrast late cannot be estimated: nobody has a map at late\n" in said
    assert (
        "crossfc: contrast since in HV: it is a change over time, with nothing to compare it with, "
        "so the effects of treatment and time cannot be told apart\n"
    ) in said
    done = study.snakemake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert_told(results)
    late = json.loads((results / "group/maps/late_HV/result.json").read_text())
    assert not late["estimable"] and "nobody has a map at late" in late["notes"][0]
    since = json.loads((results / "group/maps/since_HV/result.json").read_text())
    assert since["estimable"] and any("treatment and time" in note for note in since["notes"])
    assert "Change from after to late in HV could not be estimated: nobody has a map at late." in (
        Page(results / "report.html").text
    )
