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
    assert "              placebo: TRD 4, HV 4" in lines
    assert "Contrasts     drug: ketamine − placebo; complete in TRD 4, HV 4" in lines
    assert "Leave         slept: 1 (sub-T02 ses-placebo)" in lines
    assert "              drug_TRD, group_by_drug, change_MADRS" in lines
    (jobs,) = [line for line in lines if line.startswith("Jobs")]
    assert "group 10" in jobs and "connectivity" not in jobs
    assert "              18 are finished: connectivity 18" in lines


def test_faults_of_configuration_and_scans_are_told_together(study):
    study.set_config(group__analyses=["drug_BP"])
    for scan in sorted(study.folder.glob("derivatives/sub-T*/ses-placebo/func/*_bold.nii.gz")):
        scan.write_bytes(scan.read_bytes()[:-40])
    done = validate(study)
    assert done.returncode == 1 and not done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Study small, entry fmriprep: it cannot be run (2 causes, below)."
    assert "Contrasts     drug: ketamine − placebo; complete in TRD 5, HV 4" in lines
    causes = " ".join(lines).split(" - ")[1:]
    assert causes[0].startswith("config key group.analyses: this trial has no analysis drug_BP")
    assert "(5 such: row " in causes[1] and "and 2 more)" in causes[1]


def test_what_cannot_be_read_is_one_sentence(study):
    study.set_config(study="a b")
    done = validate(study)
    assert done.returncode == 1 and not done.stderr
    head, _, fault = done.stdout.splitlines()
    assert head == "It cannot be run (1 cause)."
    assert fault.startswith("- config key study: 'a b' has a character that is not allowed")
