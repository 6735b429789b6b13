"""What people write in YAML is read whole, or refused with the line."""

import json

import pytest

from crossfc.fault import Fault
from crossfc.trial.document import load_yaml, require_readable


def write(folder, content, name="study.yaml"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def test_yaml_and_json_are_read_as_they_are(tmp_path):
    text = "\ufeffstudy: Trial\npipelines:\n  primary: {fwhm_mm: 6}\n  gsr:\ncovariates: [age]\n"
    plain = {
        "study": "Trial",
        "pipelines": {"primary": {"fwhm_mm": 6}, "gsr": None},
        "covariates": ["age"],
    }
    assert load_yaml(write(tmp_path, text)) == plain
    # Tabs are allowed in JSON, not in YAML.
    assert load_yaml(write(tmp_path, json.dumps(plain, indent="\t"))) == plain


def test_what_is_merged_from_an_anchor_may_be_written_anew(tmp_path):
    text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n"
    assert load_yaml(write(tmp_path, text))["b"] == {"x": 3, "y": 2}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "a: 1\nb: 2\na: 3\n",
            "line 3, column 1: the key 'a' stands there twice (first in line 1)",
        ),
        ("p:\n  one: {}\n  two: {}\n  one: {}\n", "line 4, column 3: the key 'one' stands there"),
        ("p: [{x: 1, x: 2}]\n", "line 1, column 12: the key 'x' stands there twice"),
        ('{"a": {"b": 1, "b": 2}}', "the key 'b' stands there twice"),
        ("a: 1\n\tb: 2\n", "indent with spaces, not with tabs"),
        ("a: [1, 2\nb: 3\n", "line 2, column 2"),
        ('a: "open\n', "line 2, column 1: found unexpected end of stream"),
        ("a: !!python/name:os.system\n", "line 1, column 4: could not determine a constructor"),
        ("a: *b\n", "line 1, column 4: found undefined alias"),
        ("a: &a [*a]\n", "an alias (*) stands inside of its anchor (&)"),
        ("a: 2020-13-45\n", "has a value that is none (month must be in 1..12)"),
        ("a: 1\nb: \x07\n", "line 2: the character U+0007 cannot stand in YAML"),
        ("a: 1\n---\nb: 1\n", "line 2, column 1: but found another document"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("# all is commented out\n", "holds comments only"),
        (
            "a: Studïe".encode("latin-1"),
            "is no UTF-8 text (it has the byte 0xef); save it as UTF-8",
        ),
        ("a: b".encode("utf-16"), "is no UTF-8 text"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_read_whole_is_one_sentence(tmp_path, content, said):
    with pytest.raises(Fault) as caught:
        load_yaml(write(tmp_path, content))
    sentence = str(caught.value)
    assert said in sentence
    assert sentence.startswith(str(tmp_path / "study.yaml"))
    assert "\n" not in sentence and ";" in sentence and len(sentence) < 400


@pytest.mark.parametrize(
    "words",
    [
        ["--cores", "1", "--configfile", "STUDY"],
        ["--configfiles", "STUDY", "-n"],
        ["-n", "--configfile=STUDY", "--", "group"],
        ["--configf", "STUDY"],
    ],
)
def test_config_files_of_a_command_line_are_looked_at(tmp_path, words):
    study = write(tmp_path, "a: 1\na: 2\n")
    words = [word.replace("STUDY", str(study)) for word in words]
    with pytest.raises(SystemExit, match="^crossfc: .*study.yaml, line 2.*stands there twice"):
        require_readable(words)
    # A job's files were read when it was planned.
    require_readable([*words, "--mode", "subprocess"])
    study.write_text("a: 1\n")
    require_readable(words)
    study.write_text("[a, b]\n")
    with pytest.raises(SystemExit, match="holds no keys at its top"):
        require_readable(words)


def test_a_target_that_is_taken_for_a_config_file_is_told(tmp_path):
    study = str(write(tmp_path, "a: 1\n"))
    with pytest.raises(SystemExit, match="groupp does not exist.*needs the word -- before it"):
        require_readable(["--configfile", study, "groupp"])
    require_readable(["groupp", "--configfile", study, "--config", "x=1"])
    require_readable(["--cores", "2", "--config", "missing.yaml"])


def test_a_missing_document_is_named(tmp_path):
    with pytest.raises(Fault, match="study.yaml does not exist"):
        load_yaml(tmp_path / "study.yaml")
    with pytest.raises(Fault, match="is a folder where a file is due"):
        load_yaml(tmp_path)
