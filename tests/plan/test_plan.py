"""The plan refuses what its jobs could not do, in a sentence whose remedy works."""

import pytest

from crossfc.fault import Fault
from crossfc.group.design.options import AnalysisOptions
from crossfc.plan import Plan
from crossfc.trial.covariate import determined

PEOPLE = """\
participant_id	group	sequence	t1w
sub-01	TRD	ketamine-placebo	sub-01/anat/sub-01_T1w.nii.gz
sub-02	HV	placebo-ketamine	n/a
"""
HEAD = "participant_id\tsession_id\ttreatment\tperiod\tscan\tMADRS\n"


ORDERS = {"01": ("ketamine", "placebo"), "02": ("placebo", "ketamine")}


def sessions(orders=ORDERS):
    rows = []
    for person, order in orders.items():
        for period, treatment in enumerate(order, 1):
            stem = f"sub-{person}_ses-{period}_task-rest_bold.nii.gz"
            scan = f"sub-{person}/ses-{period}/func/{stem}"
            rows.append(f"sub-{person}\tses-{period}\t{treatment}\t{period}\t{scan}\t12\n")
    return HEAD + "".join(rows)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return a sound configuration in the working directory, with its two sheets."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "participants.tsv").write_text(PEOPLE)
    (tmp_path / "sessions.tsv").write_text(sessions())
    return {
        "study": "small",
        "entry": "fmriprep",
        "derivatives_dir": "derivatives",
        "sheets": {"participants": "participants.tsv", "sessions": "sessions.tsv"},
        "groups": {"patients": "TRD", "controls": "HV"},
        "treatments": {"active": "ketamine", "control": "placebo"},
    }


def refusal(config, root, **options):
    with pytest.raises(Fault) as caught:
        Plan(config, root, **options)
    return str(caught.value)


def test_the_small_study_is_sound(study, root):
    found = Plan(study, root).group.analyses()
    assert found[:3] == ["drug_TRD", "drug_HV", "drug_TRD_pooled"] and "group_by_drug" in found


@pytest.mark.parametrize("role", ["patients", "controls"])
def test_a_study_of_healthy_people_alone_needs_no_patients(study, root, tmp_path, role):
    (tmp_path / "participants.tsv").write_text(PEOPLE.replace("TRD", "HV"))
    plan = Plan(study | {"groups": {role: "HV"}}, root)
    within = ["drug_HV", "drug_HV_pooled", "drug_HV_by_subregion"]
    assert plan.group.analyses() == [*within, "carryover"]
    assert "patients" not in str(plan.group.analyses()) and plan.checked_trial().groups == ["HV"]


def test_a_study_of_healthy_people_alone_has_a_twin(study, root, tmp_path):
    (tmp_path / "participants.tsv").write_text(PEOPLE.replace("TRD", "HV"))
    truth = Plan(study | {"groups": {"controls": "HV"}, "twin": {}}, root).twin.truth()
    assert "None" not in str(list(truth["edges"][0])) and "drug_None" not in str(truth)


def test_a_covariate_that_follows_from_the_others_is_told_before_any_job():
    def rows(**columns):
        return [dict(zip(columns, own, strict=True)) for own in zip(*columns.values(), strict=True)]

    group = ["TRD", "TRD", "TRD", "HV", "HV", "HV"]
    one_each = rows(group=group, site=["1", "2", "1", "3", "3", "4"])
    assert determined(one_each, {"site": "categorical"}) == "site"
    shared = rows(group=group, site=["1", "2", "1", "1", "2", "4"])
    assert determined(shared, {"site": "categorical"}) is None
    years = [1950.0, 1960.0, 1971.0, 1984.0, 1990.0, 2001.0]
    ages = rows(group=group, born=years, age=[2020.0 - year for year in years])
    assert determined(ages, {"born": "continuous", "age": "continuous"}) == "age"
    # Whoever lacks a value is not in the model; what is the same for everybody falls out of it.
    ages[0]["age"] = 3.5
    assert determined(ages, {"born": "continuous", "age": "continuous"}) is None
    ages[0]["born"] = None
    assert determined(ages, {"born": "continuous", "age": "continuous"}) == "age"
    assert determined(rows(group=group, site=["1"] * 6), {"site": "categorical"}) is None


def test_types_of_covariates_go_to_the_analyses(study, root, tmp_path):
    (tmp_path / "participants.tsv").write_text(
        PEOPLE.replace("t1w", "t1w\tsite")
        .replace("T1w.nii.gz", "T1w.nii.gz\t1")
        .replace("n/a\n", "n/a\t2\n")
    )
    given = {"covariates": [{"name": "site", "type": "categorical"}]}
    plan = Plan(study | given, root)
    choices = plan.group.test_choices("group_by_drug")
    assert choices["options"]["covariates"] == {"site": "categorical"}
    assert choices["people"] == [
        {"participant_id": "sub-01", "site": "1"},
        {"participant_id": "sub-02", "site": "2"},
    ]


def test_a_command_carries_the_users_config(study, root, tmp_path):
    (tmp_path / "sessions.tsv").unlink()
    plan = Plan(study, root, configfiles=[tmp_path / "my study.yaml"])
    with pytest.raises(Fault) as caught:
        plan.checked_trial()
    assert (
        "sessions.tsv does not exist; run `snakemake --cores 1 sheets --configfile 'my study.yaml'`"
        in str(caught.value)
    )


def test_a_workflow_in_a_folder_with_braces_says_so(study):
    said = refusal(study, "/home/anna/{version} 2")
    assert said.startswith("the workflow lies in /home/anna/{version} 2") and "move it" in said


@pytest.mark.parametrize("key", ["atlas", "atlas_names"])
def test_an_atlas_that_is_not_there_is_told_before_any_job(study, root, tmp_path, key):
    said = refusal(study | {"group": {key: "nowhere.nii"}}, root)
    assert said.startswith(f"config key group.{key}: nowhere.nii is no file; correct the path")
    (tmp_path / "folder").mkdir()
    assert "folder is no file" in refusal(study | {"group": {key: "folder"}}, root)


def test_the_names_of_an_atlas_need_their_columns(study, root, tmp_path):
    (tmp_path / "names.tsv").write_text("number\tname\n1\ta\n")
    said = refusal(study | {"group": {"atlas_names": "names.tsv"}}, root)
    assert "names.tsv, row 1 lacks the column index" in said


def test_a_raw_twin_needs_the_names_of_its_heads(study, root):
    raw = study | {"entry": "raw", "bids_dir": "data", "twin": {}}
    raw.pop("derivatives_dir")
    said = refusal(raw, root)
    assert said.startswith("participants.tsv: sub-02 has no T1w image, which entry raw needs")


def test_labels_that_make_too_long_a_name_are_told(study, root, tmp_path):
    person = "sub-" + "x" * 150
    for name in ("participants.tsv", "sessions.tsv"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("sub-01", person))
    said = refusal(study, root)
    assert "would have" in said and "shorten the labels it is made of" in said
    assert len(said) < 400


@pytest.mark.parametrize("name", ["participants", "sessions", "scales", "seeds", "targets"])
def test_a_sheet_in_another_encoding_is_one_sentence(study, root, tmp_path, name):
    source = tmp_path / f"{name}.tsv"
    text = (source if source.exists() else root / "config" / f"{name}.tsv").read_text()
    source.write_bytes(text.replace("\n", "\té\n", 1).encode("latin-1", "replace"))
    study["sheets"] = study["sheets"] | {name: f"{name}.tsv"}
    said = refusal(study, root)
    assert said.startswith(f"{name}.tsv is no UTF-8 text") and "\n" not in said


def test_a_file_of_the_user_comes_before_that_of_the_same_name_that_crossfc_brings(
    study, root, tmp_path
):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "seeds.tsv").symlink_to("gone.tsv")
    # A dangling link is no reason to take other seeds in silence.
    said = "config key sheets.seeds: config/seeds.tsv is a link to gone.tsv, where nothing is"
    assert said in refusal(study, root)


def test_faults_of_several_sheets_and_stages_are_told_at_once(study, root, tmp_path):
    said = refusal(
        study
        | {
            "hypotheses": [{"analysis": "drug_TRD", "seed": "dACC", "region": "moon"}],
            "group": {"analyses": ["drug_TRD", "drug_BP"], "atlas": "none.nii.gz"},
        },
        root,
    )
    keys = [line.partition(":")[0] for line in said.splitlines()]
    assert keys == ["config key group.atlas", "config key hypotheses, number 1"]
    (tmp_path / "sessions.tsv").write_text(sessions().replace("\tplacebo\t", "\tplacbo\t"))
    said = refusal(
        study
        | {
            "pipelines": {"primary": {"strategy": "p7", "seed_set": "none"}},
        },
        root,
    )
    keys = [line.partition(":")[0] for line in said.splitlines()]
    assert keys == [
        "config key pipelines.primary.seed_set",
        "config key treatments.control",
        "config key pipelines.primary.strategy",
    ]


def test_a_raw_data_set_that_is_not_there_is_one_sentence(study, root):
    raw = Plan(study | {"entry": "raw", "bids_dir": "nowhere"}, root)
    with pytest.raises(Fault, match="^config key bids_dir: nowhere does not exist or is no folder"):
        raw.preprocess.require_sound()
    # Of derivatives bids_dir is only asked for recordings.
    Plan(study | {"bids_dir": "nowhere"}, root).preprocess.require_sound()


def test_a_sheet_that_is_no_file_is_told_by_its_key(study, root):
    study["sheets"] = study["sheets"] | {"scales": "n/a", "targets": "/"}
    study["strategies"] = "mine"
    said = refusal(study, root).splitlines()
    assert [line.split(";")[0] for line in said] == [
        "config key sheets.scales: n/a is no file",
        "config key sheets.targets: / is no file",
        "config key strategies: mine is no file",
    ]


def test_a_mask_that_cannot_be_read_is_told_before_any_job(study, root, tmp_path):
    study["group"] = {"mask": "region.nii.gz"}
    said = "config key group.mask: region.nii.gz does not exist"
    assert refusal(study, root).startswith(said)
    (tmp_path / "region.nii.gz").write_text("no image")
    assert "config key group.mask: region.nii.gz cannot be read as an image" in refusal(study, root)


def test_an_analysis_is_given_what_it_uses_and_no_more(study, root, tmp_path):
    """What a job is given decides whether it runs again."""
    people = PEOPLE.replace("t1w", "t1w\tage\tfamily").replace("T1w.nii.gz", "T1w.nii.gz\t41\t1")
    (tmp_path / "participants.tsv").write_text(people.replace("n/a\n", "n/a\t33.5\t2\n"))
    plan = Plan(study | {"covariates": ["age"], "group": {"blocks": "family"}}, root)
    one, other = ({"participant_id": "sub-01", "family": "1"},
                  {"participant_id": "sub-02", "family": "2"})  # fmt: skip
    scored = {"score_MADRS_active": 12.0, "score_MADRS_control": 12.0}

    def given(analysis):
        return plan.group.test_choices(analysis)["people"]

    assert given("drug_TRD") == [one]
    assert given("drug_HV") == [other]
    assert given("carryover") == [one, other]
    assert given("change_MADRS") == [one | scored]
    assert given("group_by_drug") == [one | {"age": 41.0}, other | {"age": 33.5}]

    def options(analysis):
        return plan.group.test_choices(analysis)["options"]

    assert "drug_arrangement" in options("drug_TRD")
    assert "drug_arrangement" not in options("group_by_drug")
    assert options("group_by_drug")["covariates"] == {"age": "continuous"}
    assert options("carryover")["covariates"] == options("drug_TRD")["covariates"] == {}
    for analysis in plan.group.analyses():
        AnalysisOptions.from_params(options(analysis))
    assert plan.people.scored(["TRD"], plan.contrasts()[0]) == [
        {"participant_id": "sub-01"} | scored
    ]
    columns = {"participant_id", "group", "sequence", "sequence_code", "sessions", "weights"}
    assert all(set(row) == columns for row in plan.group.rows("pairs"))


def test_configurations_that_say_the_same_are_the_same(study, root):
    """Defaults that are written out, keys and pipelines that change places, 6.0 for 6."""
    pipelines = {"primary": {"strategy": "p9", "low_pass_hz": None}, "gsr": {"strategy": "p9"}}
    swapped = {
        "gsr": {"fwhm_mm": 6.0, "strategy": "p9"},
        "primary": {"low_pass_hz": None, "fwhm_mm": 6, "strategy": "p9"},
    }
    one = Plan(study | {"pipelines": pipelines}, root)
    written = {
        "exclusion": {"maximum_censored_share": 0.4, "maximum_mean_fd_mm": 0.5},
        "connectivity": {"minimum_seed_tsnr": 10.0},
        "clinical": {"seed": 0, "groups": ["TRD"]},
        "group": {"analyses": one.group.analyses()[::-1], "tfce": True, "permutations": 5000.0},
    }
    other = Plan(study | {"pipelines": swapped} | written, root)
    for asked in (
        lambda plan: plan.connectivity.pipeline_choices(),
        lambda plan: plan.group.pair_choices("gsr", "pairs"),
        lambda plan: plan.config["exclusion"],
        lambda plan: plan.config["connectivity"],
        lambda plan: plan.clinic.correlation_choices(),
        lambda plan: plan.group.test_choices("drug_TRD"),
        lambda plan: plan.group.analyses(),
        lambda plan: plan.pipelines,
    ):
        # Snakemake compares texts.
        assert repr(asked(one)) == repr(asked(other))


def test_a_smallest_effect_changes_only_what_is_tested_with_it(study, root):
    """Without one the params are those of a version that did not know of it."""
    plain = Plan(study, root)
    stated = {"smallest_fisher_z": 1, "smallest_correlation": 0.5}
    plan = Plan(study | {"clinical": stated}, root)
    for name in plain.group.analyses():
        before, after = (own.group.test_choices(name)["options"] for own in (plain, plan))
        assert "smallest_fisher_z" not in before
        pooled_or_not = name.removesuffix("_pooled") in ("drug_TRD", "drug_HV", "group_by_drug")
        assert after == before | ({"smallest_fisher_z": 1} if pooled_or_not else {})
        assert AnalysisOptions.from_params(after).smallest_fisher_z == (
            1 if pooled_or_not else None
        )
    assert plan.clinic.correlation_choices()["smallest_correlation"] == 0.5
    assert plan.clinic.smallest_effects()["smallest_fisher_z"] == 1
    assert plan.clinic.evidence_file() in plan.clinic.results()
    for wrong in (0, -0.1, 1):
        said = refusal(study | {"clinical": {"smallest_correlation": wrong}}, root)
        assert "clinical.smallest_correlation" in said


def test_sorted_sheets_are_the_same_sheets(study, root, tmp_path):
    study["twin"] = {}
    before = Plan(study, root)
    for sheet in ("participants.tsv", "sessions.tsv"):
        head, *rows = (tmp_path / sheet).read_text().splitlines()
        (tmp_path / sheet).write_text("\n".join([head, *rows[::-1]]) + "\n")
    after = Plan(study, root)
    asked = {
        "people": ("sessions_of_people", "participants"),
        "clinic": ("scores",),
        "connectivity": ("folders",),
        "scans": ("runs",),
        "twin": ("truth",),
        "report": ("contents",),
    }
    for stage, names in asked.items():
        for name in names:
            one, other = (getattr(getattr(plan, stage), name)() for plan in (before, after))
            assert repr(one) == repr(other), (stage, name)
    assert repr(before.group.rows("pairs")) == repr(after.group.rows("pairs"))


def trial_of(tmp_path, n, **columns):
    """Write sheets of so many people of both groups; columns give their further cells."""
    people, rows = [["participant_id", "group", "sequence", "t1w", *columns]], []
    for i in range(n):
        order = ("ketamine", "placebo") if i % 4 < 2 else ("placebo", "ketamine")
        own = [f"sub-{i:02}", ("TRD", "HV")[i % 2], "-".join(order), "n/a"]
        people.append(own + [columns[name](i) for name in columns])
        for period, treatment in enumerate(order, 1):
            scan = f"sub-{i:02}/ses-{period}/func/sub-{i:02}_ses-{period}_task-rest_bold.nii.gz"
            rows.append(
                [f"sub-{i:02}", f"ses-{period}", treatment, str(period), scan, str(i), "21"]
            )
    head = ["participant_id", "session_id", "treatment", "period", "scan", "MADRS", "SHAPS"]
    for name, table in (("participants", people), ("sessions", [head, *rows])):
        text = "".join("\t".join(row) + "\n" for row in table)
        (tmp_path / f"{name}.tsv").write_text(text)


def test_a_covariate_that_nobody_has_is_told_before_any_job(study, root, tmp_path):
    trial_of(tmp_path, 12, age=lambda i: "n/a" if i % 2 else f"{20.5 + i}", site=lambda i: "n/a")
    years = study | {"covariates": [{"name": "age", "type": "continuous"}]}
    assert refusal(years, root) == (
        "config key covariates: of the 6 people of HV with both sessions nobody has a value of age "
        "in participants.tsv, so that nobody of HV would be left to compare; fill the column, or "
        "leave the covariate out"
    )
    said = refusal(study | {"covariates": [{"name": "site", "type": "categorical"}]}, root)
    assert "6 people of TRD" in said and "6 people of HV" in said
    # What is not asked for needs no covariate.
    Plan(years | {"group": {"analyses": ["drug_TRD"]}}, root)


def test_collinear_covariates_are_named_before_any_job(study, root, tmp_path):
    trial_of(tmp_path, 12, born=lambda i: f"{1950.5 + i * i}", age=lambda i: f"{70.5 - i * i}")
    kinds = [{"name": name, "type": "continuous"} for name in ("born", "age")]
    said = refusal(study | {"covariates": kinds}, root)
    assert said.startswith("config key covariates: age follows from the group and the other")


def test_blocks_may_be_the_group_or_the_order_but_no_other_part_of_the_design(
    study, root, tmp_path
):
    trial_of(tmp_path, 4)
    plan = Plan(study | {"group": {"blocks": "group"}}, root)
    assert [row["group"] for row in plan.group.rows("pairs")] == ["TRD", "HV", "TRD", "HV"]
    assert plan.group.test_choices("carryover")["people"][1] == {
        "participant_id": "sub-01",
        "group": "HV",
    }
    plan = Plan(study | {"group": {"blocks": "sequence"}}, root)
    assert plan.group.people_of("drug_TRD")[0]["sequence"] == "ketamine-placebo"
    said = refusal(study | {"group": {"blocks": "participant_id"}}, root)
    assert (
        "config key group.blocks: participant_id is part of the design and names no blocks" in said
    )


def test_families_of_analyses_that_cannot_be_one_are_told_before_any_job(study, root, tmp_path):
    trial_of(tmp_path, 12)

    def families(*family):
        return Plan(study | {"group": {"families": [list(family)]}}, root).group.families()

    assert families("change_MADRS", "change_SHAPS") == [["change_MADRS", "change_SHAPS"]]
    assert families("group_by_drug", "group_by_drug_pooled", "group_by_drug_by_subregion")
    for pair, why in (
        (("drug_TRD", "drug_HV"), "they are of different people (TRD and HV)"),
        (("drug_TRD", "change_MADRS"), "people are rearranged in different ways"),
        (("carryover", "group_by_drug"), "people are rearranged in different ways"),
    ):
        with pytest.raises(Fault) as caught:
            families(*pair)
        assert f"{pair[0]} and {pair[1]} cannot be corrected as one family, as {why}" in str(
            caught.value
        )
    text, name = (tmp_path / "sessions.tsv").read_text(), "sub-02_ses-1_task-rest_bold.nii.gz"
    lacking = text.replace(f"{name}\t2\t21", f"{name}\t2\tn/a")
    assert lacking != text
    (tmp_path / "sessions.tsv").write_text(lacking)
    with pytest.raises(Fault) as caught:
        families("change_MADRS", "change_SHAPS")
    assert str(caught.value) == (
        "config key group.families, number 1: the analyses are of different people: sub-02 has a "
        "change of MADRS but not of SHAPS; exclude that person, or take the scale out of the family"
    )


def test_pairs_of_three_groups_are_corrected_together(study, root, tmp_path):
    orders = {f"{n:02}": ORDERS["01"] for n in range(1, 7)}
    sheet = "participant_id\tgroup\tsequence\n"
    for number, person in enumerate(orders):
        sheet += f"sub-{person}\t{('TRD', 'BP', 'HV')[number % 3]}\tketamine-placebo\n"
    (tmp_path / "participants.tsv").write_text(sheet)
    (tmp_path / "sessions.tsv").write_text(sessions(orders))
    three = study | {"groups": ["TRD", "BP", "HV"]}
    plan = Plan(three, root)
    pairs = ["group_by_drug_TRD_BP", "group_by_drug_TRD_HV", "group_by_drug_BP_HV"]
    assert plan.group.pairs_of_groups() == {"drug": pairs}
    assert any(path.endswith("pairs_of_groups.tsv") for path in plan.group.results())
    assert "pairs_of_groups/primary" in plan.report.job_labels()
    assert plan.report.choices()["groups"] == ["TRD", "BP", "HV"]
    chosen = Plan(three | {"group": {"analyses": ["group_by_drug"]}}, root)
    assert chosen.group.pairs_of_groups() == {}
    assert not any("pairs_of_groups" in path for path in chosen.group.results())
    families = {"group": {"families": [pairs[:2]]}}
    with pytest.raises(Fault, match="different people \\(TRD and BP; TRD and HV\\)"):
        Plan(three | families, root).group.families()


def test_two_groups_have_no_pairs(study, root):
    plan = Plan(study, root)
    assert plan.group.pairs_of_groups() == {}
    assert not any("pairs_of_groups" in path for path in plan.group.results())


def test_the_mixed_model_is_given_the_labels_of_pairs_or_the_cells_of_contrasts(study, root):
    plan = Plan(study, root)
    labels = {"groups": study["groups"], "treatments": study["treatments"]}
    assert plan.group.mixed_design() == labels
    assert "results/small/group/primary/mixed.tsv" in plan.group.results()
    # Each contrast with its cells; what else is in the config makes no difference.
    contrasts = {"twice": {"ketamine": 2, "placebo": -2}, "drug": {"ketamine": 1, "placebo": -1}}
    plan = Plan(study | {"contrasts": contrasts}, root)
    assert plan.group.mixed_design() == {
        "groups": ["TRD", "HV"],
        "n_periods": 2,
        "contrasts": [
            {"contrast": "twice", "weights": [("ketamine", None, 2), ("placebo", None, -2)]},
            {"contrast": "drug", "weights": [("ketamine", None, 1), ("placebo", None, -1)]},
        ],
    }
    assert "results/small/group/primary/mixed.tsv" in plan.group.results()
    assert "mixed_model/primary" in plan.report.job_labels()


def test_rival_measures_are_given_to_the_edges_of_hypotheses_or_to_all(study, root):
    every = Plan(study, root).quality.edges()
    seeds, targets = {seed for seed, _ in every}, {target for _, target in every}
    assert len(every) == len(seeds) * len(targets) > 10
    stated = [
        {"seed": "pgACC", "target": "insulaR", "scales": ["MADRS"]},
        {"seed": "pgACC", "target": "insulaR"},
    ]
    plan = Plan(study | {"clinical": {"hypotheses": stated}}, root)
    assert plan.quality.edges() == [["pgACC", "insulaR"]]


def test_guesses_are_those_of_sessions_under_a_treatment(study, root, tmp_path):
    nothing = {"guesses": [], "scores": [], "scales": [], "treatments": [], "groups": []}
    assert Plan(study, root).quality.guess_choices() == nothing
    lines = (tmp_path / "sessions.tsv").read_text().splitlines()
    told = ["guess", "placebo", *["n/a"] * (len(lines) - 2)]
    table = "\n".join(f"{line}\t{guess}" for line, guess in zip(lines, told, strict=True))
    (tmp_path / "sessions.tsv").write_text(table + "\n")
    choices = Plan(study, root).quality.guess_choices()
    assert [own["guess"] for own in choices["guesses"]].count("placebo") == 1
    assert {own["treatment"] for own in choices["guesses"]} == {"ketamine", "placebo"}
    assert all(own["contrasts"] == ["drug"] for own in choices["guesses"])
    assert choices["treatments"] == ["placebo", "ketamine"] and choices["scores"]
    # A guess changes the quality tables, and no other job.
    assert "guess" not in {
        key for row in Plan(study, root).people.sessions_of_people() for key in row
    }


def test_measures_are_given_to_the_analyses_that_are_run(study, root):
    plain = Plan(study, root).group
    given = Plan(study | {"group": {"given": ["mean_fd"]}}, root).group
    own = [name for name in given.analyses() if name.endswith("_given_mean_fd")]
    wanted = [f"drug_{g}{end}" for end in ("", "_pooled") for g in ("TRD", "HV")]
    wanted += ["group_by_drug", "group_by_drug_pooled"]
    assert sorted(own) == sorted(f"{name}_given_mean_fd" for name in wanted)
    assert [name for name in given.analyses() if name not in own] == plain.analyses()
    # Nothing else runs again: not the pairs, no other analysis, no sensitivity.
    for name in plain.analyses():
        assert given.test_choices(name) == plain.test_choices(name)
    assert given.pair_choices("primary", "pairs") == plain.pair_choices("primary", "pairs")
    assert given.sensitivity_choices() == plain.sensitivity_choices()
    assert given.test_choices(own[0])["people"] == plain.test_choices("drug_TRD")["people"]
    some = study | {"group": {"given": ["mean_fd"], "analyses": ["drug_HV", "carryover"]}}
    assert Plan(some, root).group.analyses() == ["drug_HV", "drug_HV_given_mean_fd", "carryover"]


def test_pairs_of_three_groups_are_given_no_measure(study, root, tmp_path):
    people = PEOPLE + "sub-03\tMDD\tplacebo-ketamine\tn/a\n"
    (tmp_path / "participants.tsv").write_text(people)
    orders = ORDERS | {"03": ("placebo", "ketamine")}
    (tmp_path / "sessions.tsv").write_text(sessions(orders))
    three = study | {"groups": ["TRD", "HV", "MDD"]}
    plain = Plan(three, root).group
    given = Plan(three | {"group": {"given": ["mean_fd"]}}, root).group
    assert "group_by_drug_given_mean_fd" in given.analyses()
    assert given.pairs_of_groups() == plain.pairs_of_groups()
    assert len(given.pairs_of_groups()["drug"]) == 3


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (
            {"given": ["mean_df"]},
            "group.given: mean_df is no measure of a whole scan whose change can be given; did you "
            "mean mean_fd?; there are mean_fd, mean_dvars",
        ),
        ({"given": ["coverage_sgACC"]}, "coverage_sgACC is no measure of a whole scan"),
        ({"given": ["median_fd"]}, "median_fd is no measure of a whole scan whose change can be"),
        (
            {"given": ["mean_fd"], "analyses": ["carryover"]},
            "group.given: none of the analyses that are run can be given a measure (carryover); "
            "add one to group.analyses, such as drug_TRD, or remove the key",
        ),
        (
            {"analyses": ["drug_TRD_given_mean_fd"]},
            "group.analyses: drug_TRD_given_mean_fd needs the measure; write drug_TRD there, and "
            "group.given: [mean_fd]",
        ),
        (
            {"given": ["mean_fd"], "families": [["drug_TRD", "drug_TRD_given_mean_fd"]]},
            "drug_TRD and drug_TRD_given_mean_fd cannot be corrected as one family, as who lacks",
        ),
    ],
)
def test_measures_that_cannot_be_given_are_refused(study, root, group, words):
    def everything():
        plan = Plan(study | {"group": group}, root)
        plan.checked_trial()
        plan.group.analyses()
        plan.group.families()

    with pytest.raises(Fault) as caught:
        everything()
    assert words in str(caught.value)


def test_ready_maps_and_scales_of_the_same_name_are_given_no_measure(study, root, tmp_path):
    ready = study | {"entry": "maps", "group": {"given": ["heart_rate"]}}
    ready["maps"] = {"pattern": "{participant_id}_{session_id}_{seed}.nii.gz"}
    with pytest.raises(Fault, match="ready maps .entry maps. come without measures of their scans"):
        Plan(ready, root).group.analyses()
    (tmp_path / "sessions.tsv").write_text(sessions().replace("MADRS", "heart_rate"))
    (tmp_path / "scales.tsv").write_text(
        "scale\tinstrument\tlowest\thighest\tbetter\nheart_rate\tpulse\t0\t300\tlower\n"
    )
    both = study | {"group": {"given": ["heart_rate"]}}
    both["sheets"] = study["sheets"] | {"scales": "scales.tsv"}
    with pytest.raises(Fault, match="is a measure of scans and the name of a scale too; rename"):
        Plan(both, root).group.analyses()


@pytest.mark.parametrize("name", ["mean_fd", "delta_mean_fd", "heart_rate"])
def test_a_measure_within_people_is_no_covariate_of_people(study, root, name):
    with pytest.raises(Fault) as caught:
        Plan(study | {"covariates": [name]}, root).checked_trial()
    assert (
        f"config key covariates: {name} is measured in every scan, so it changes within people; "
        f"write group.given: [{name.removeprefix('delta_')}], which estimates effects again given "
        "this change"
    ) in str(caught.value)


def test_a_column_of_the_sheet_may_have_the_name_of_a_measure(study, root, tmp_path):
    sheet = PEOPLE.replace("t1w", "t1w\theart_rate").replace("T1w.nii.gz", "T1w.nii.gz\t61.5")
    (tmp_path / "participants.tsv").write_text(sheet.replace("n/a\n", "n/a\t70.5\n"))
    plan = Plan(study | {"covariates": ["heart_rate"]}, root)
    assert plan.checked_trial().covariate_types == {"heart_rate": "continuous"}


def test_a_hypothesis_on_a_score_is_given_no_measure(study, root):
    stated = [{"analysis": "drug_TRD_given_mean_fd", "scale": "MADRS"}]
    with pytest.raises(Fault, match="scores are not given the change of a measure of scans"):
        Plan(
            study | {"group": {"given": ["mean_fd"]}, "hypotheses": stated}, root
        ).hypotheses.rows()


RATINGS = "participant_id\tsession_id\trater\texclude\treason\n"


def test_ratings_are_handed_to_the_jobs_that_exclude(study, root, tmp_path):
    plain = Plan(study, root)
    limits = plain.group.pair_choices("primary", "pairs")["limits"]
    rows = "sub-02\tses-1\tAB\tno\tn/a\nsub-01\tses-2\tAB\tyes\tringing\n"
    (tmp_path / "ratings.tsv").write_text(RATINGS + rows)
    plan = Plan(study | {"exclusion": {"ratings": "ratings.tsv"}}, root)
    # Where they lie is no limit, so that moving them reruns nothing.
    assert plan.group.pair_choices("primary", "pairs")["limits"] == limits
    assert [own["rater"] for own in plan.exclusion.ratings()] == ["AB", "AB"]
    (own,) = plan.exclusion.excluding()
    assert (own["participant_id"], own["session_id"]) == ("sub-01", "ses-2")
    # A session that the sheet excludes itself leaves no analysis by its rating.
    text = (
        sessions()
        .replace("MADRS\n", "MADRS\texclude\treason\n")
        .replace("\t12\n", "\t12\tno\tn/a\n")
    )
    rows = text.splitlines(keepends=True)
    rows[2] = rows[2].replace("no\tn/a", "yes\tfell asleep")
    (tmp_path / "sessions.tsv").write_text("".join(rows))
    plan = Plan(study | {"exclusion": {"ratings": "ratings.tsv"}}, root)
    assert not plan.exclusion.excluding() and len(plan.exclusion.ratings()) == 2


def test_ratings_that_cannot_be_are_refused_before_any_job(study, root, tmp_path):
    (tmp_path / "ratings.tsv").write_text(RATINGS + "sub-03\tses-1\tAB\tno\tn/a\n")
    told = refusal(study | {"exclusion": {"ratings": "ratings.tsv"}}, root)
    assert told.startswith('ratings.tsv, row 2, column "participant_id": sub-03 has no row in')
    maps = {"entry": "maps", "maps": {"pattern": "{participant_id}_{session_id}_{seed}.nii"}}
    told = refusal(study | maps | {"exclusion": {"ratings": "ratings.tsv"}}, root)
    assert told.startswith("config key exclusion.ratings: ready maps (entry maps)")


def test_pages_of_people_are_made_where_they_may_be_named(study, root, tmp_path):
    plan = Plan(study, root)
    assert plan.quality_page.results() == ["results/small/quality.html", "results/small/people"]
    contents = plan.quality_page.contents()
    assert contents["volumes"][0].startswith("sub-01/ses-1/func/sub-01_ses-1_task-rest_space-")
    # Pipelines with the same seeds share the picture of the first by name.
    assert set(contents["drawn"].values()) == {min(plan.pipelines)}
    # fMRIPrep's reports are told where they lie beside the derivatives.
    assert contents["reports"] == {}
    for name in ("sub-01.html", "sub-01_ses-1.html", "sub-02_ses-1.html", "sub-11.html"):
        (tmp_path / "derivatives").mkdir(exist_ok=True)
        (tmp_path / "derivatives" / name).touch()
    found = Plan(study, root).quality_page.contents()["reports"]
    assert found == {
        "sub-01": ["../../derivatives/sub-01.html", "../../derivatives/sub-01_ses-1.html"],
        "sub-02": ["../../derivatives/sub-02_ses-1.html"],
    }
    nameless = Plan(study | {"report": {"participant_ids": False}}, root)
    assert nameless.quality_page.results() == ["results/small/quality.html"]


def test_templates_belong_to_one_of_the_two_pages(study, root):
    plan = Plan(study, root)
    report, quality = (
        {p.name for p in own.templates()} for own in (plan.report, plan.quality_page)
    )
    assert report & quality == {"style.css.j2", "macros.html.j2", "points.js"}
    assert {p.name for p in (root / "workflow/report").glob("*.j2")} <= report | quality
