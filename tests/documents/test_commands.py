"""Every command of the documents is run, or stands with a reason among the exceptions."""

import shutil

import pytest

from tests.documents.block import Command, commands, documents
from tests.documents.conftest import Shell
from tests.documents.exception import EXCEPTIONS, reason_of
from tests.documents.test_tutorial_fmriprep import DOCUMENT as FOLLOWED

KETAMINE = "docs/tutorial_ds005917.md"
# What a command is to end with, where that is not 0: `compare` of runs that differ.
CODES = {".venv/bin/python scripts/crossfc compare results/a results/b": 1}
# What a command prints, or makes; of those that are not listed, that they end well is asked.
SAID = {
    "crossfc validate": "it can be run",
    "crossfc plan-trial": "people",
    "crossfc why": "group_test",
}


def all_commands(root) -> list[Command]:
    return [own for name, text in documents(root).items() for own in commands(name, text)]


def test_commands_are_read_from_every_kind_of_block():
    text = (
        "```bash\nmake a   # it's said\n\n# only said\nb \\\n  c\ncat <<'E'\nx\nE\n```\n"
        "  ```console\n  $ d 'e\n  out\n  ```\n```\nnone\n```\n"
    ).replace("d 'e", "d e")
    found = commands("x.md", text)
    assert [own.text for own in found] == [
        "make a   # it's said",
        "b \\\n  c",
        "cat <<'E'\nx\nE",
        "d e",
    ]
    assert [own.line for own in found] == [2, 5, 7, 12]


def test_every_exception_is_of_a_command_that_stands_somewhere(root):
    found = all_commands(root)
    assert len(found) > 40
    for beginning, reason in EXCEPTIONS.items():
        assert reason
        assert any(reason_of(own, {beginning: reason}) for own in found), beginning


def test_every_document_with_commands_has_a_test_that_runs_them(root):
    run = {own.document for own in all_commands(root) if reason_of(own, EXCEPTIONS) is None}
    assert run - {FOLLOWED, KETAMINE} == set(ON_A_FINISHED_STUDY)


# On a small study that is finished, as `my_study.yaml` --------------------------------------------

ON_A_FINISHED_STUDY = ("README.md", "docs/designs.md", "docs/running.md")


@pytest.mark.slow
def test_commands_run_on_a_finished_study(study, root):
    shell = Shell(study.folder)
    shutil.copy(study.config_path, study.folder / "my_study.yaml")
    shutil.copytree(study.folder / "derivatives", study.folder / "data/my_trial")
    # Another number of permutations, so that there is something to explain; and two runs.
    study.set_config(group__permutations=199)
    for name in ("a", "b"):
        shutil.copytree(study.folder / "results/small", study.folder / "results" / name)
    (study.folder / "results/b/report.html").write_text("another")
    for document in ON_A_FINISHED_STUDY:
        for command in commands(document, documents(root)[document]):
            if reason_of(command, EXCEPTIONS) is not None:
                continue
            if "crossfc why" in command.text:
                shutil.copy(study.config_path, study.folder / "my_study.yaml")
            done = shell.run(command.text)
            bare = command.text.split("  #")[0].strip()
            said = f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            assert done.returncode == CODES.get(bare, 0), said
            for words, expected in SAID.items():
                if words in command.text:
                    assert expected in done.stdout, said


# With the tables of the ketamine trial ------------------------------------------------------------


@pytest.mark.slow
def test_the_ketamine_tutorial_as_far_as_it_needs_no_image(clone, root, shared_data):
    import tarfile

    import pandas

    with tarfile.open(shared_data / "ds005917_v1.0.1_metadata.tar.gz") as tar:
        tar.extractall(clone.folder / "data", filter="tar")
    sheets = [clone.folder / f"config/ds005917/{name}.tsv" for name in ("participants", "sessions")]
    shipped = [sheet.read_bytes() for sheet in sheets]
    said = {}
    for command in commands(KETAMINE, documents(root)[KETAMINE]):
        if reason_of(command, EXCEPTIONS) is None:
            done = clone.run(command.text)
            assert done.returncode == 0, f"{command}\n{done.stderr[-3000:]}"
            said[command.text] = done.stdout
    assert [sheet.read_bytes() for sheet in sheets] == shipped
    (understood,) = [text for command, text in said.items() if "validate" in command]
    text = documents(root)[KETAMINE]
    assert "89 with a scan" in understood and "two days after each infusion: 89" in text
    assert "complete in MDD 24, HC 17" in understood and "24 patients, 17 volunteers" in text
    assert "(97 such" in understood and "with 97 runs" in text
    assert "(48 such" in understood and "| 48 | 55 |" in text
    assert "13 of maps in each of 8 pipelines" in understood
    change = pandas.read_csv(clone.folder / "results/ds005917/clinic/change.tsv", sep="\t")
    row = change.set_index(["scale", "group"]).loc[("MADRS_Total", "MDD")]
    assert (row["n"], round(row["adjusted_estimate"], 1)) == (24, -6.8)
    assert round(row["adjusted_p"], 4) == 0.0026 and "p = 0.0026" in text
