"""A strategy that is misspelt removes nothing while the methods text says that it did: refused."""

import pytest

from crossfc.fault import Fault
from crossfc.trial.config import load_schema
from crossfc.trial.strategy import read_strategies, recorded_kinds

SIX = "columns: [trans_x, trans_y, trans_z, rot_x, rot_y, rot_z]"
SAID = "methods: Six motion parameters were regressed out."


@pytest.fixture(scope="module")
def schema(root):
    return load_schema(root / "workflow/schemas/strategies.schema.yaml")


@pytest.fixture
def read(tmp_path, schema):
    def read(text):
        path = tmp_path / "strategies.yaml"
        path.write_text(text)
        return read_strategies(path, schema)

    return read


def test_the_shipped_file_passes_unchanged(root, schema):
    import yaml

    path = root / "config/strategies.yaml"
    assert read_strategies(path, schema) == yaml.safe_load(path.read_text()) | {
        "cleaned": {
            "no_confounds": True,
            "methods": "The scans had been cleaned by another program; no confounds were regressed "
            "out.",
        }
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"p6:\n  colums: [trans_x]\n  {SAID}",
            "p6: the key colums is unknown; did you mean columns?",
        ),
        (
            f"p6:\n  {SIX}\n  compCor: {{wm: 5}}\n  {SAID}",
            "p6: the key compCor is unknown; did you mean compcor?",
        ),
        (f"p6:\n  {SIX}\n  method: x", "p6: the key method is unknown; did you mean methods?"),
        (f"p6:\n  {SIX}", "p6: has no methods; write the sentence"),
        (f"p6:\n  {SIX}\n  methods: ' '", "p6: methods is ' '; write a sentence"),
        (f"p6:\n  {SIX}\n  methods: [a]", "p6: methods is ['a']; write a sentence"),
        (
            f"p6:\n  compcor: {{wm: 5, CSF: 5}}\n  {SAID}",
            "p6: the key compcor.CSF is unknown; did you mean csf?",
        ),
        (f"p6:\n  compcor: {{gm: 5}}\n  {SAID}", "compcor.gm is unknown; known here: wm, csf"),
        (f"p6:\n  compcor: {{wm: -1}}\n  {SAID}", "p6: compcor.wm is -1; write whole numbers"),
        (
            f"p6:\n  compcor: {{wm: five}}\n  {SAID}",
            "p6: compcor.wm is 'five'; write whole numbers",
        ),
        (f"p6:\n  compcor: {{wm: true}}\n  {SAID}", "p6: compcor.wm is True; write whole numbers"),
        (f"p6:\n  compcor: 5\n  {SAID}", "p6: compcor is 5; write whole numbers such as {wm: 5"),
        (f"p6:\n  columns: [trans_x, 3]\n  {SAID}", "p6: columns holds 3; write a list"),
        (f"p6:\n  columns: [[trans_x], [[no]]]\n  {SAID}", "p6: columns holds False; write a list"),
        (f"p6:\n  columns: trans_x\n  {SAID}", "p6: columns holds 'trans_x'; write a list"),
        (
            f"p6:\n  columns: ['trans_x rot_x']\n  {SAID}",
            "p6: columns holds 'trans_x rot_x'; write",
        ),
        (f"p6:\n  columns: {{a: 1}}\n  {SAID}", "p6: columns holds {'a': 1}; write a list"),
        (f"p6:\n  {SAID}", "p6: names no confound, neither in columns nor in compcor; name some"),
        (f"p6:\n  columns: []\n  compcor: {{}}\n  {SAID}", "p6: names no confound"),
        (f"p6:\n  columns: [[]]\n  compcor: {{wm: 0}}\n  {SAID}", "p6: names no confound"),
        (
            f"p6:\n  {SIX}\n  no_confounds: true\n  {SAID}",
            "no_confounds is true, but confounds are",
        ),
        (f"p6:\n  {SIX}\n  no_confounds: maybe\n  {SAID}", "no_confounds is 'maybe'; write true"),
        (
            f"p6:\n  retroicor: {{cardiac: 9}}\n  {SAID}",
            "p6: retroicor.cardiac is 9; write numbers of harmonics from 0 to 5 such as {cardiac",
        ),
        (f"p6:\n  retroicor: true\n  {SAID}", "p6: retroicor is True; write numbers of harmonics"),
        (
            f"p6:\n  retroicor: {{cardiak: 2}}\n  {SAID}",
            "p6: the key retroicor.cardiak is unknown; did you mean cardiac?",
        ),
        (
            f"p6:\n  retroicor: {{cardiac: 0, respiratory: 0}}\n  {SAID}",
            "p6: names no confound, neither in columns nor in compcor; name some, or write retro",
        ),
        (
            f"p6:\n  respiratory_volume: 1\n  {SAID}",
            "p6: respiratory_volume is 1; write true or false",
        ),
        (
            f"p6:\n  respiratory_volume: true\n  no_confounds: true\n  {SAID}",
            "no_confounds is true, but confounds are",
        ),
        ("p6:", "strategy p6 is None; write its columns"),
        ("p6: [trans_x]", "strategy p6 is ['trans_x']; write its columns"),
        ("[p6]", "strategies.yaml, holds no strategy: write such as"),
        ("{}", "strategies.yaml, holds no strategy"),
        ("", "strategies.yaml is empty"),
        ("p6: {columns: [", "strategies.yaml, line "),
        (f"p6:\n  {SIX}\n  {SIX}\n  {SAID}", "the key 'columns' stands there twice"),
        (f"p6:\n  {SIX}\n  {SAID}\np6:\n  {SIX}\n  {SAID}", "the key 'p6' stands there twice"),
    ],
)
def test_each_fault_is_a_sentence_with_the_file_and_the_strategy(read, text, said):
    with pytest.raises(Fault) as caught:
        read(text + "\n")
    assert said in str(caught.value)
    assert "strategies.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_all_faults_are_told_at_once(read):
    with pytest.raises(Fault) as caught:
        read(f"a:\n  colums: []\n  {SAID}\nb:\n  {SIX}\n  compcor: {{wm: -1}}\n  {SAID}\n")
    assert len(str(caught.value).splitlines()) == 2


def test_no_confounds_can_be_meant(read):
    found = read("none:\n  no_confounds: true\n  methods: No confounds were regressed out.\n")
    assert found["none"]["no_confounds"] is True


def test_whole_numbers_written_as_decimals_count(read):
    assert read(f"a:\n  compcor: {{wm: 5.0}}\n  {SAID}\n")["a"]["compcor"] == {"wm": 5}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (SIX, []),
        ("retroicor: {}", ["cardiac", "respiratory"]),
        ("retroicor: {respiratory: 0}", ["cardiac"]),
        ("retroicor: {cardiac: 0, respiratory: 3}", ["respiratory"]),
        ("retroicor: {cardiac: 0, respiratory: 0, interaction: true}", ["cardiac", "respiratory"]),
        ("respiratory_volume: true", ["respiratory"]),
        ("retroicor: null\n  respiratory_volume: false\n  columns: [csf]", []),
    ],
)
def test_a_strategy_says_which_recordings_it_needs(read, text, kinds):
    strategy = read(f"own:\n  {text}\n  {SAID}")["own"]
    assert recorded_kinds(strategy) == kinds
    if text == "retroicor: {}":
        assert strategy["retroicor"] == {"cardiac": 2, "respiratory": 2, "interaction": False}
