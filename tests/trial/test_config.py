"""The configuration: every misspelt key is refused with the right one, defaults are filled in."""

import copy
from collections.abc import Iterator
from types import UnionType
from typing import get_args, get_origin, get_type_hints, is_typeddict

import pytest
import yaml

from crossfc.fault import Fault
from crossfc.trial import configuration
from crossfc.trial.config import check, load_schema, reference

SOUND = {
    "study": "small",
    "entry": "fmriprep",
    "derivatives_dir": "derivatives",
    "sheets": {"participants": "p.tsv", "sessions": "s.tsv"},
    "groups": {"patients": "TRD", "controls": "HV"},
    "treatments": {"active": "ketamine", "control": "placebo"},
}


@pytest.fixture(scope="module")
def schema(root):
    return load_schema(root / "workflow/schemas/config.schema.yaml")


def changed(path, value):
    config = copy.deepcopy(SOUND)
    inner = config
    *way, last = path.split(".")
    for key in way:
        inner = inner.setdefault(key, {})
    inner[last] = value
    return config


def refusal(config, schema):
    before = copy.deepcopy(config)
    with pytest.raises(Fault) as caught:
        check(config, schema)
    assert config == before
    return str(caught.value).splitlines()


def test_defaults_are_filled_in_and_the_input_is_left_alone(schema):
    given = copy.deepcopy(SOUND)
    config = check(given, schema)
    assert given == SOUND
    assert config["sheets"]["scales"] == "config/scales.tsv"
    assert config["pipelines"] == {
        "primary": {
            "strategy": "acompcor",
            "high_pass_hz": 0.008,
            "low_pass_hz": 0.1,
            "censor_fd_mm": None,
            "censor_minimum_run": 1,
            "censored_filter": "interpolate",
            "fwhm_mm": 6,
            "seed_set": "aal3_spheres",
            "region_weights": "overlap",
            "reference_degrees_of_freedom": None,
        }
    }
    assert config["group"]["permutations"] == 5000
    assert config["twin"] is None
    assert check(config, schema) == config


def test_every_default_of_the_schema_arrives(schema):
    config = check(SOUND, schema)

    def arrived(value, part, path):
        for key, inner in part.get("properties", {}).items():
            if "default" not in inner and key not in value:
                continue
            assert key in value, f"{path}.{key}"
            if isinstance(value[key], dict):
                arrived(value[key], inner, f"{path}.{key}")

    arrived(config, schema, "")


def test_a_pipeline_without_choices_is_the_default_one(schema):
    config = check(SOUND | {"pipelines": {"primary": None, "gsr": {"strategy": "x"}}}, schema)
    assert config["pipelines"]["primary"]["fwhm_mm"] == 6
    assert config["pipelines"]["gsr"]["strategy"] == "x"
    assert config["pipelines"]["gsr"]["fwhm_mm"] == 6


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("sudy", "study"),
        ("treatmens", "treatments"),
        ("sheets.session", "sessions"),
        ("groups.patient", "patients"),
        ("group.permutation", "permutations"),
        ("pipelines.primary.fwhm", "fwhm_mm"),
        ("pipelines.primary.high_pass", "high_pass_hz"),
        ("preprocessing.slicetiming", "slice_timing"),
        ("dataset.scan.run", "runs"),
    ],
)
def test_a_misspelt_key_is_refused_with_the_right_one(schema, path, meant):
    lines = refusal(changed(path, "x"), schema)
    line = next(line for line in lines if line.startswith(f"config key {path} is unknown"))
    assert line.endswith(f"did you mean {meant}?")


def test_a_key_like_none_lists_what_is_known(schema):
    (line,) = refusal(changed("clinical.zzz", 1), schema)
    assert "known here: permutations, bootstrap" in line


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("group.permutations", "1e4", "'1e4' should be of type integer"),
        ("group.permutations", 10, "10 is less than the minimum of 99; choose a value in range"),
        ("group.permutations", True, "true should be of type integer; write a whole number"),
        ("group.connectivity", 8, "8 is none of 6, 18, 26"),
        ("group", None, "null should be of type object; write its keys below it"),
        ("entry", "spm", "'spm' is none of raw, fmriprep, maps"),
        ("task", 1, '1 should be of type string; write it in quotes: "1"'),
        ("pipelines.primary.high_pass_hz", "1e-3", "YAML takes this for text; write 0.001"),
        ("pipelines.primary.fwhm_mm", "6 mm", "should be of type number; write a number"),
        ("group.seed", 10**400, "1000000000… (401 digits) is beyond any value that makes sense"),
        ("group.memory_gb", 1e308, "1e+308 is beyond any value that makes sense"),
        ("group.analyses", [], "is empty; name at least one, or remove the key"),
        ("group.analyses", ["drug_HV"] * 2, "has an entry twice"),
        (
            "clinical.hypotheses",
            [{"seed": "a", "target": "b", "scale": ["x"]}],
            "clinical.hypotheses, number 1.scale is unknown; did you mean scales?",
        ),
        (
            "clinical.hypotheses",
            [{"seed": "a", "target": 1}],
            "clinical.hypotheses, number 1.target: 1 should be of type string",
        ),
        ("study", "demo\n", "'demo\\n' has a line break"),
        ("study", "x" * 101, "has 101 letters; use 100 at most"),
        ("title", "two\nlines", "has a line break, a tab or another sign"),
        ("pipelines." + "x" * 51, {}, "has 51 letters and becomes part of file names"),
        ("results_dir", "$HOME/results", "has a variable or ~, which is not filled in; write"),
        ("results_dir", "~/results", "has a variable or ~, which is not filled in; write"),
        ("results_dir", "s3://bucket/results", "s3://bucket/results is an address; fetch"),
        ("derivatives_dir", "https://x.org/d", "is an address; fetch what is there"),
        ("bids_dir", "data/{version}", "has { in it, which Snakemake takes for"),
        ("sheets.seeds", "a}b.tsv", "has } in it, which Snakemake takes for"),
        ("group.atlas", "x" * 300, "has 300 bytes, but a name can have 255"),
        ("sheets.participants", "é" * 128, "has 256 bytes, but a name can have 255"),
        ("results_dir", "a/" * 2000, "is longer than 3500 bytes"),
        ("bids_dir", "", "the path is empty; write one"),
        ("treatments.active", False, "false should be of type string; write it in quotes"),
        ("pipelines", {}, "is empty; name at least one"),
        ("pipelines", ["primary"], "should be of type object"),
        ("pipelines.primary.fwhm_mm", -1, "minimum of 0"),
        ("pipelines.primary.fwhm_mm", float("nan"), "nan is no number"),
        ("pipelines.primary.low_pass_hz", float("inf"), "inf is no number"),
        ("pipelines.primary.low_pass_hz", 0.005, "the pass band from high_pass_hz 0.008 to"),
        ("pipelines.primär", {}, "use letters and digits only"),
        ("pipelines.with_gsr", {}, "use letters and digits only"),
        ("study", "my study", "'my study' has a character that is not allowed"),
        ("task", "rest_state", "becomes part of file names"),
        ("space", "MNI 152", "becomes part of file names"),
        ("groups.patients", "TRD patients", "becomes part of file names"),
        ("groups.controls", "TRD", "'TRD' stands there twice"),
        ("treatments.control", "ketamine", "'ketamine' stands there twice"),
        ("groups", {}, "no group is named; write the label of one"),
        ("groups.patients", "NA", "'NA' can be no label"),
        ("groups", list("ABCDEFG"), "has 7 entries; name 6 at most"),
        ("groups", ["A", "B", "A"], "has an entry twice"),
        ("groups", ["A", "B", "C D"], "'C D' becomes part of file names"),
        ("treatments.active", "ketamine\n", "'ketamine\\n' has a line break"),
        ("treatments.active", "", "'' can be no label"),
        ("unused.groups", ["BP", "BP"], "'BP' stands there twice"),
        ("covariates", ["age", {"name": "age"}], "a column stands there twice"),
        ("derivatives_dir", None, "entry fmriprep needs it"),
        ("dataset", None, "null should be of type object"),
    ],
)
def test_wrong_values_are_refused(schema, path, value, said):
    lines = refusal(changed(path, value), schema)
    key = path.split(".")[0]
    assert any(line.startswith(f"config key {key}") and said in line for line in lines), lines


def test_a_choice_of_numbers_written_with_a_point_is_the_whole_number(schema):
    assert type(check(changed("group.connectivity", 18.0), schema)["group"]["connectivity"]) is int


def test_numbers_that_the_command_line_hands_on_as_text_are_numbers(schema):
    given = {
        "group": {"permutations": "199", "tfce": "false", "connectivity": "18", "blocks": "12"},
        "pipelines": {"primary": {"fwhm_mm": "4.5", "low_pass_hz": "0.2"}},
    }
    config = check(SOUND | given, schema)
    assert config["group"]["permutations"] == 199 and config["group"]["tfce"] is False
    assert config["group"]["connectivity"] == 18
    assert config["pipelines"]["primary"]["fwhm_mm"] == 4.5
    # Where a word is due it stays one.
    assert config["group"]["blocks"] == "12"
    given = {
        "group": {"blocks": "null", "cluster_forming_p": ".001", "tail": "True"},
        "exclusion": {"maximum_mean_fd_mm": ".5", "minimum_minutes_kept": "null"},
        "maps": {"kind": "null"},
        "clinical": {"groups": "null"},
    }
    config = check(SOUND | given, schema)
    assert config["group"]["blocks"] is None and config["group"]["tail"] is True
    assert config["group"]["cluster_forming_p"] == 0.001
    assert config["exclusion"]["maximum_mean_fd_mm"] == 0.5
    assert config["exclusion"]["minimum_minutes_kept"] is None
    assert config["maps"]["kind"] is None and config["clinical"]["groups"] is None


@pytest.mark.parametrize("value", ["$HOME/results", "~/results"])
def test_a_variable_is_refused_with_what_it_stands_for(schema, value, monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    (line,) = refusal(changed("results_dir", value), schema)
    assert line.endswith("write the path itself, such as /home/anna/results")


def test_a_missing_key_is_named(schema):
    lines = refusal({k: v for k, v in SOUND.items() if k != "treatments"}, schema)
    assert lines == ["config key (top): 'treatments' is a required property; add it"]


@pytest.mark.parametrize("key", [1, True, None, 2.5])
def test_keys_that_yaml_takes_for_something_else(schema, key):
    (line,) = refusal(SOUND | {"pipelines": {key: {}}}, schema)
    assert f"config key pipelines.{key}: a key must be text; write it in quotes" in line


def test_whole_numbers_written_with_a_point_become_whole(schema):
    config = check(changed("group.permutations", 1000.0), schema)
    assert type(config["group"]["permutations"]) is int
    config = check(changed("pipelines.primary.censor_minimum_run", 5.0), schema)
    assert type(config["pipelines"]["primary"]["censor_minimum_run"]) is int
    # What a job was made with is compared as text: 6.0 written out is the 6 that is the default.
    choices = check(changed("pipelines.primary.fwhm_mm", 6.0), schema)["pipelines"]["primary"]
    assert repr(choices["fwhm_mm"]) == "6"
    choices = check(changed("pipelines.primary.fwhm_mm", 6.5), schema)["pipelines"]["primary"]
    assert repr(choices["fwhm_mm"]) == "6.5"


def test_all_faults_are_said_at_once(schema):
    config = changed("group.permutations", "many") | {"sudy": 1}
    assert len(refusal(config, schema)) == 2


def properties(schema, path=""):
    for key, inner in schema.get("properties", {}).items():
        place = f"{path}{key}"
        yield place, inner
        yield from properties(inner, f"{place}.")
        further = inner.get("additionalProperties")
        if isinstance(further, dict):
            yield from properties(further, f"{place}.<name>.")


def test_every_key_is_described_and_in_the_reference(schema):
    text = reference(schema)
    rows = {
        line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| `")
    }
    found = dict(properties(schema))
    assert len(found) > 60
    assert set(rows) == {f"`{place}`" for place in found}
    for place, inner in found.items():
        assert len(inner.get("description", "").split()) >= 2, place
        assert inner["description"].strip() in rows[f"`{place}`"]
    assert "`acompcor`" in rows["`pipelines.<name>.strategy`"]
    assert "≥ 0" in rows["`pipelines.<name>.fwhm_mm`"]
    assert "`null`" in rows["`twin`"]
    assert "required" in rows["`study`"]


def test_the_schema_is_strict_and_a_valid_schema(schema):
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema)
    for place, inner in {"": schema, **dict(properties(schema))}.items():
        if "properties" in inner:
            assert inner.get("additionalProperties") is False, place


@pytest.mark.parametrize("name", ["config", "ds005917", "ds003059"])
def test_the_shipped_configurations_are_sound(root, schema, name):
    text = (root / "config" / f"{name}.yaml").read_text(encoding="utf-8")
    assert check(yaml.safe_load(text), schema)["study"] in ("demo", name)


def test_which_pipeline_is_primary_does_not_hang_on_the_order_of_keys(schema):
    own = {"gsr": {"fwhm_mm": 4}, "primary": {}, "scrub": {}}
    for config in (
        SOUND | {"pipelines": own},
        SOUND | {"pipelines": dict(reversed(own.items()))},
        SOUND | {"pipelines": own, "primary": "primary"},
    ):
        found = check(config, schema)
        assert (found["primary"], next(iter(found["pipelines"]))) == ("primary", "primary")
    found = check(SOUND | {"pipelines": own, "primary": "gsr"}, schema)
    assert list(found["pipelines"]) == ["gsr", "primary", "scrub"]
    assert found["pipelines"]["gsr"]["fwhm_mm"] == 4
    assert check(SOUND | {"pipelines": {"only": {}}}, schema)["primary"] == "only"


def test_a_primary_pipeline_that_nobody_named_is_asked_for(schema):
    own = {"gsr": {}, "scrub": {}}
    (line,) = refusal(SOUND | {"pipelines": own}, schema)
    assert line.startswith("config key primary: which of the pipelines gsr, scrub are the answers")
    (line,) = refusal(SOUND | {"pipelines": own, "primary": "scrap"}, schema)
    assert line == (
        "config key primary: there is no pipeline scrap; did you mean scrub?; pipelines are "
        "gsr, scrub"
    )


def holders(schema: dict, kind: object, place: str = "") -> Iterator[tuple[str, dict, type]]:
    """List the objects of the schema whose keys are known, each with its TypedDict."""
    for inner in get_args(kind) if isinstance(kind, UnionType) else (kind,):
        if is_typeddict(inner):
            yield place, schema, inner
            hints = get_type_hints(inner)
            for key, below in schema["properties"].items():
                yield from holders(below, hints.get(key), f"{place}.{key}")
        elif get_origin(inner) in (dict, list):
            below = schema.get("additionalProperties", schema.get("items"))
            if isinstance(below, dict):
                yield from holders(below, get_args(inner)[-1], f"{place}.*")


def test_types_have_the_keys_of_the_schema(schema):
    found = list(holders(schema, configuration.Configuration))
    assert {kind for _, _, kind in found} == set(filter(is_typeddict, vars(configuration).values()))
    for place, own, kind in found:
        always = {
            key
            for key, inner in own["properties"].items()
            if "default" in inner or key in own.get("required", ())
        }
        assert list(get_type_hints(kind)) == list(own["properties"]), place
        assert kind.__required_keys__ == always, place


def test_groups_of_a_list_have_roles_in_its_order(schema):
    config = check(changed("groups", ["TRD", "BP", "HV", "MDD"]), schema)
    assert list(config["groups"].items()) == [
        ("patients", "TRD"), ("controls", "BP"), ("group_3", "HV"), ("group_4", "MDD"),
    ]  # fmt: skip
    assert check(changed("groups", ["HV"]), schema)["groups"] == {
        "patients": "HV",
        "controls": None,
    }


CROSSED = {
    "pipelines": {"own": {}, "gsr": {"strategy": "x"}, "other": {"seed_set": "depression_5mm"}},
    "primary": "own",
    "robustness": {"seed_sets": ["depression_5mm", "mine"]},
}


def test_every_pipeline_is_crossed_with_further_seed_sets(schema):
    pipelines = check(SOUND | CROSSED, schema)["pipelines"]
    assert {name: (own["strategy"], own["seed_set"]) for name, own in pipelines.items()} == {
        "own": ("acompcor", "aal3_spheres"),
        "gsr": ("x", "aal3_spheres"),
        "other": ("acompcor", "depression_5mm"),
        "ownDepression5mm": ("acompcor", "depression_5mm"),
        "ownMine": ("acompcor", "mine"),
        "gsrDepression5mm": ("x", "depression_5mm"),
        "gsrMine": ("x", "mine"),
        "otherMine": ("acompcor", "mine"),
    }
    assert next(iter(pipelines)) == "own"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"pipelines": CROSSED["pipelines"] | {"gsrMine": {}}}, "gsrMine, and there is such a"),
        ({"robustness": {"seed_sets": ["x" * 48]}}, "file names; give the seed set a shorter"),
        ({"entry": "maps", "maps": {"pattern": "x"}}, "robustness.seed_sets: ready maps"),
    ],
)
def test_seed_sets_that_cannot_be_crossed(schema, more, said):
    assert said in "\n".join(refusal(SOUND | CROSSED | more, schema))


def of_cleaned(**derivatives):
    return SOUND | {"entry": "fmriprep", "derivatives_dir": "d", "derivatives": derivatives}


def test_what_was_cleaned_is_filtered_only_where_that_is_asked_for(schema):
    own = {"a": {"strategy": "cleaned"}, "b": {"strategy": "cleaned", "high_pass_hz": 0.01}}
    given = of_cleaned(desc="denoised") | {"pipelines": own, "primary": "a"}
    pipelines = check(given, schema)["pipelines"]
    assert (pipelines["a"]["high_pass_hz"], pipelines["a"]["low_pass_hz"]) == (0, None)
    assert (pipelines["b"]["high_pass_hz"], pipelines["b"]["low_pass_hz"]) == (0.01, None)
    assert own == {"a": {"strategy": "cleaned"}, "b": {"strategy": "cleaned", "high_pass_hz": 0.01}}


def test_nothing_is_taken_out_twice_without_a_word(schema):
    (line,) = refusal(of_cleaned(desc="denoised"), schema)
    assert line.startswith("config key pipelines.primary.strategy: with derivatives.desc: denoised")
    given = of_cleaned(desc="preproc") | {"pipelines": {"primary": {"strategy": "cleaned"}}}
    (line,) = refusal(given, schema)
    assert "cleaned is for scans that another program cleaned" in line
    given = of_cleaned(desc="denoisedSmoothed")
    (line,) = refusal(given | {"pipelines": {"primary": {"strategy": "cleaned"}}}, schema)
    assert line.startswith("config key derivatives.smoothed_mm: desc-denoisedSmoothed was smoothed")
    scaled = {"primary": {"strategy": "cleaned", "reference_degrees_of_freedom": 100}}
    (line,) = refusal(of_cleaned(desc="denoised") | {"pipelines": scaled}, schema)
    assert "primary.reference_degrees_of_freedom: how many degrees of freedom were left" in line
    named = given | {"pipelines": {"primary": {"strategy": "p36"}}}
    named["derivatives"] = {"desc": "nonaggrDenoised"}
    assert check(named, schema)["pipelines"]["primary"]["high_pass_hz"] == 0.008
    # Files without the entity.
    named["derivatives"] = {"desc": None}
    assert check(named, schema)["derivatives"]["desc"] is None
