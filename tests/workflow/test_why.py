"""Why jobs would run, in a user's words: for each kind of change, on a finished study."""

import json
import os
import shutil
import subprocess
import sys

import nibabel
import numpy as np

from tests.workflow.conftest import Study


def why(study: Study, *targets: str) -> list[str]:
    """Return the listing; it is all that the command prints."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [
            sys.executable,
            "scripts/crossfc",
            "why",
            *targets,
            "--configfile",
            str(study.config_path),
        ],
        cwd=study.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


def following(lines: list[str]) -> set[str]:
    """Return the rules that run because of others."""
    start = "then, because what they read is made again: "
    (line,) = [line for line in lines if line.startswith(start)]
    return {part.split()[0] for part in line.removeprefix(start).split(", ")}


def edit_cell(study: Study, row: str, column: str, value: str) -> None:
    path = study.folder / "design/sessions.tsv"
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    (cells,) = [cells for cells in rows if "\t".join(cells).startswith(row)]
    cells[rows[0].index(column)] = value
    path.write_text("\n".join("\t".join(cells) for cells in rows) + "\n")


def test_nothing_to_do(study):
    assert why(study) == [
        "Nothing would run: no row, key, file, module or environment has changed."
    ]


def test_new_scan_content(study):
    (bold,) = (study.folder / "derivatives/sub-T02/ses-placebo/func").glob("*preproc_bold.nii.gz")
    image = nibabel.load(bold)
    changed = np.asanyarray(image.dataobj) + np.int16(1)
    nibabel.Nifti1Image(changed, image.affine, image.header).to_filename(bold)
    lines = why(study)
    assert lines[:2] == [
        "connectivity_session: sub-T02 ses-placebo",
        f"  {bold.relative_to(study.folder)} has another content than when it was read",
    ]
    assert len(lines) == 3 and following(lines) >= {"pair_sessions", "group_test", "report"}


def test_changed_row(study):
    edit_cell(study, "sub-T03\tses-ketamine", "MADRS", "33")
    lines = why(study)
    changed = [line for line in lines if "design/" in line]
    # The tables, the correlations, what both are worth, the analysis that this score is held
    # against, and where its clusters are found.
    assert len(changed) == 5
    for line in changed:
        assert line.startswith("  design/sessions.tsv, row 7 (sub-T03 ses-ketamine), column MADRS")
        assert line.endswith(" → 33")
    assert lines[0] == "clinical_change"
    assert "group_test, 2 jobs: gsr change_MADRS, primary change_MADRS" in lines
    assert not any(rule in "".join(lines) for rule in ("connectivity_session", "pair_sessions"))


def test_excluded_session(study):
    edit_cell(study, "sub-T04\tses-placebo", "exclude", "yes")
    edit_cell(study, "sub-T04\tses-placebo", "reason", "fell asleep")
    lines = why(study)
    assert "  design/sessions.tsv, row 9 (sub-T04 ses-placebo): leaves: fell asleep" in lines
    assert "  it shows 18 sessions, where it showed 19" in lines
    # The scores of the session stand there still: nothing says that they changed.
    assert not any("column MADRS" in line for line in lines)


def test_removed_person(study):
    for sheet in ("participants", "sessions"):
        path = study.folder / f"design/{sheet}.tsv"
        rows = [line for line in path.read_text().splitlines() if not line.startswith("sub-H02")]
        path.write_text("\n".join(rows) + "\n")
    lines = why(study)
    assert "  design/participants.tsv: the row of sub-H02 is gone" in lines
    assert "  design/sessions.tsv: the row of sub-H02 ses-placebo is gone" in lines


def test_changed_key(study):
    study.set_config(group__permutations=199, group__seed=3)
    lines = why(study)
    assert lines[0].startswith("group_test, 6 jobs: gsr change_MADRS")
    assert lines[1:3] == [
        "  config key group.permutations: 99 → 199",
        "  config key group.seed: 0 → 3",
    ]
    # Tables of clusters and hypotheses depend on it themselves, and nothing but follows.
    own = [line.split(":")[0].split(",")[0] for line in lines if not line.startswith("  ")]
    assert own[0] == "group_test" and {"robustness", "hypotheses"} <= set(own)


def test_new_covariate_and_a_file_taken_out_of_a_result_folder(study):
    study.set_config(covariates=[{"name": "age", "type": "continuous"}])
    (study.folder / "results/small/group/gsr/drug_TRD/cells.tsv").unlink()
    lines = why(study)
    told = dict(zip(lines, lines[1:], strict=False))
    key = "  config key covariates, age: continuous is new"
    assert told["group_test, 2 jobs: gsr group_by_drug, primary group_by_drug"] == key
    gone = "  results/small/group/gsr/drug_TRD/cells.tsv is gone"
    assert told["group_test: gsr drug_TRD"] == gone


def test_changed_key_of_a_pipeline(study):
    study.set_config(pipelines__gsr__strategy="p36")
    lines = why(study)
    assert lines[0].startswith("connectivity_session, 19 jobs: sub-H01 ses-ketamine")
    start = "  the confound strategy of pipeline gsr (config/strategies.yaml), columns: "
    assert lines[1].startswith(start + '["trans_x"')
    assert "  config key pipelines.gsr.strategy: p9 → p36" in lines


def test_changed_code(study):
    path = "scripts/crossfc/session/connectivity/smoothing.py"
    study.edit(path, "_TRUNCATE = 4.0", "_TRUNCATE = 5.0")
    lines = why(study)
    assert lines[0].startswith("connectivity_session, 19 jobs")
    edited = "  crossfc.session.connectivity.smoothing._TRUNCATE was edited"
    # What is planted into maps is smoothed as they are.
    assert lines[1:4] == [edited, "sensitivity: primary", edited]
    assert len(lines) == 5


def test_code_that_moved_is_not_named_beside_what_was_edited(study):
    study.edit(
        "scripts/crossfc/session/connectivity/smoothing.py", "_TRUNCATE = 4.0", "_TRUNCATE = 5.0"
    )
    (study.folder / "scripts/crossfc/session/connectivity/smoothing.py").rename(
        study.folder / "scripts/crossfc/session/smooth.py"
    )
    for path in (study.folder / "scripts").rglob("*.py"):
        text = path.read_text()
        if "crossfc.session.connectivity.smoothing" in text:
            path.write_text(
                text.replace("crossfc.session.connectivity.smoothing", "crossfc.session.smooth")
            )
    lines = why(study)
    assert lines[0].startswith("connectivity_session, 19 jobs")
    assert lines[1:3] == [
        "  the code uses crossfc.session.smooth._TRUNCATE, which it did not",
        "  the code no longer uses crossfc.session.connectivity.smoothing._TRUNCATE",
    ]
    assert lines[3] == "sensitivity: primary"
    assert lines[4:6] == lines[1:3]
    assert len(lines) == 7


def test_records_of_an_earlier_version(study):
    """They have no names of parameters, and so it is said; nothing is guessed."""
    for record in (study.folder / "results/small/logs/records/group/gsr").glob("drug*.record"):
        content = json.loads(record.read_text())
        content["record"]["params"] = ["'another'"]
        del content["parameters"]
        record.write_text(json.dumps(content))
    assert why(study)[:2] == [
        "group_test: gsr drug_TRD",
        "  its record is of an earlier version of crossfc, without the names of parameters: what "
        "changed cannot be said",
    ]


def test_missing_output(study):
    shutil.rmtree(study.folder / "results/small/sub-T02/ses-placebo/func")
    (study.folder / "results/small/clinic/change.tsv").unlink()
    lines = why(study)
    at = lines.index("clinical_change")
    assert lines[at + 1] == "  results/small/clinic/change.tsv does not exist"
    at = lines.index("connectivity_session: sub-T02 ses-placebo")
    assert lines[at + 1] == "  results/small/sub-T02/ses-placebo/func does not exist"
    assert len(lines) == 5


def test_older_input_and_a_lost_record_without_snakemakes_folder(study):
    func = study.folder / "derivatives/sub-T02/ses-placebo/func"
    (bold,) = func.glob("*preproc_bold.nii.gz")
    (other,) = (study.folder / "derivatives/sub-T03/ses-placebo/func").glob("*preproc_bold.nii.gz")
    shutil.copy(other, bold)
    os.utime(bold, (10**9, 10**9))
    shutil.rmtree(study.folder / ".snakemake")
    (study.folder / "results/small/logs/records/clinic/change.tsv.record").unlink()
    study.set_config(group__permutations=199)
    lines = why(study)

    def reason(job):
        return next(lines[i + 1] for i, line in enumerate(lines) if line.startswith(job))

    place = bold.relative_to(study.folder)
    assert reason("connectivity_session: sub-T02 ses-placebo") == (
        f"  {place} has another content than when it was read"
    )
    path = "results/small/clinic/change.tsv"
    assert reason("clinical_change") == f"  there is no record of what {path} was made of"
    assert reason("group_test, 6 jobs") == "  config key group.permutations: 99 → 199"


def test_of_one_target_only(study):
    study.set_config(group__permutations=199, title="Another")
    assert why(study, "clinical_change")[0].startswith("Nothing would run")


def test_words_of_the_report(study):
    study.set_config(title="Another")
    told = '  config key title: "" → Another'
    assert why(study)[:4] == ["quality_pages", told, "report", told]


def test_refused_input_is_one_sentence(study):
    study.set_config(pipelines__gsr__strategy="p35")
    done = subprocess.run(
        [sys.executable, "scripts/crossfc", "why", "--configfile", str(study.config_path)],
        cwd=study.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith("crossfc: config key pipelines.gsr.strategy: ")
    assert done.stderr.count("\n") == 1
