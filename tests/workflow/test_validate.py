"""What a study is, in words, before anything is run."""

import subprocess
import sys

from tests.workflow.conftest import Study


def validate(study: Study) -> subprocess.CompletedProcess:
    command = [sys.executable, "scripts/crossfc", "validate", "--configfile", study.config_path]
    return subprocess.run(command, cwd=study.folder, capture_output=True, text=True, check=False)


def test_a_study_in_words(study):
    sheet = study.folder / "design/sessions.tsv"
    head, *rows = [line.split("\t") for line in sheet.read_text().splitlines()]
    out = next(row for row in rows if row[:2] == ["sub-T02", "ses-placebo"])
    out[head.index("exclude")], out[head.index("reason")] = "yes", "slept"
    sheet.write_text("\n".join("\t".join(row) for row in [head, *rows]) + "\n")
    study.set_config(group__permutations=199)
    done = validate(study)
    assert done.returncode == 0 and not done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Study small, entry fmriprep: it can be run."
    # Five pairs and one single session by design, less the one that slept.
    (patients,) = [line for line in lines if line.startswith("  group TRD")]
    assert ", scanned ketamine 6, scanned placebo 4, both 4, either 6," in patients
    assert "  sub-T02 ses-placebo (all): slept" in lines
    assert "Analyses: drug_TRD, group_by_drug, change_MADRS" in lines
    assert "Pipelines: primary, gsr (the first is the primary one)" in lines
    (jobs,) = [line for line in lines if line.startswith("Jobs that would run: ")]
    assert "group_test (6)" in jobs and "connectivity_session" not in jobs


def test_what_cannot_be_run_is_one_sentence(study):
    study.set_config(groups__patients="MDD")
    done = validate(study)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith("crossfc: ") and "MDD" in done.stderr
