"""Bad input: one sentence with file, row and remedy, exit code not 0, nothing finished lost."""

import gzip
import hashlib
from pathlib import Path

import nibabel
import numpy as np
import pytest

from crossfc import atomic

FUNC = "derivatives/sub-T02/ses-placebo/func"


def refused(study, *arguments, config=None) -> str:
    """Run, expect refusal, and give what the user read."""
    done = study.snakemake(*arguments, config=config)
    text = done.stdout + done.stderr
    assert done.returncode != 0, text
    assert "Traceback" not in text, text
    return text


def before_any_job(study, *arguments) -> str:
    text = refused(study, *arguments)
    assert "Job stats" not in text, text
    return text


def test_missing_scan_of_a_finished_session_is_not_passed_over(study):
    path = study.folder / "design/sessions.tsv"
    text = path.read_text()
    row = next(r for r in text.splitlines() if r.startswith("sub-T02\tses-placebo"))
    path.write_text(text.replace(row, row.replace("task-rest_bold", "task-rest_run-07_bold")))
    text = before_any_job(study)
    assert "has no preprocessed BOLD of sub-T02_ses-placebo_task-rest_run-07 in space-" in text


def one_file(study, pattern: str, folder: str = FUNC) -> Path:
    (path,) = (study.folder / folder).glob(pattern)
    return path


def results_digest(study) -> dict[str, str]:
    return {
        str(p.relative_to(study.folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted((study.folder / "results").rglob("*.nii.gz"))
        if "sub-T02" not in p.name and "/group/" not in str(p)
    }


def rewrite(path: Path, change) -> None:
    image = nibabel.load(path)
    data, affine, header = np.asarray(image.dataobj).copy(), image.affine, image.header.copy()
    data, affine, header = change(data, affine, header)
    new = (
        nibabel.Nifti1Image(data, None, header)
        if affine is None
        else nibabel.Nifti1Image(data, affine, header)
    )
    atomic.save_image(path, new)


# Known before any job ----------------------------------------------------------------------------


def test_misspelt_config_key(study):
    study.set_config(pipelines__primary__fhwm_mm=6)
    text = before_any_job(study)
    assert "pipelines.primary.fhwm_mm is unknown; did you mean fwhm_mm?" in text


def test_misspelt_config_key_on_the_command_line(study):
    done = study.snakemake("--config", "result_dir=elsewhere")
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "result_dir is unknown; did you mean results_dir?" in text


def test_results_folder_that_cannot_be_written(study):
    (study.folder / "file").write_text("in the way")
    study.set_config(results_dir="file/results")
    assert "config key results_dir: file is not a folder" in before_any_job(study)


@pytest.mark.parametrize(
    ("sheet", "change", "words"),
    [
        ("sessions", lambda r: [*r, r[1]], ["row 21", "repeats sub-T01"]),
        (
            "sessions",
            lambda r: (
                [r[0], r[1].replace("\tketamine\t", "\tplacebo\t"), *r[2:]]
                if "\tketamine\t" in r[1]
                else [r[0], r[1].replace("\tplacebo\t", "\tketamine\t"), *r[2:]]
            ),
            ['column "treatment"', "twice"],
        ),
        ("sessions", lambda r: [r[0].replace("MADRS", "MARDS"), *r[1:]], ["MARDS", "MADRS"]),
        ("participants", lambda r: [r[0], r[1].replace("TRD", "TDR"), *r[2:]], ["row 2", "TDR"]),
    ],
)
def test_trial_that_cannot_be(study, sheet, change, words):
    path = study.folder / f"design/{sheet}.tsv"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    text = before_any_job(study)
    assert f"design/{sheet}.tsv" in text
    for word in words:
        assert word in text


def test_score_out_of_range(study):
    path = study.folder / "design/sessions.tsv"
    rows = path.read_text().splitlines()
    column = rows[0].split("\t").index("MADRS")
    cells = rows[3].split("\t")
    cells[column] = "61"
    rows[3] = "\t".join(cells)
    path.write_text("\n".join(rows) + "\n")
    text = before_any_job(study)
    assert 'design/sessions.tsv, row 4, column "MADRS": 61 is outside the scale' in text


def test_seed_outside_the_brain_box(study):
    seeds = study.folder / "config/seeds.tsv"
    text = seeds.read_text()
    seeds.write_text(text.replace("sgACC\tsphere\t1\t31\t-5", "sgACC\tsphere\t1\t310\t-5"))
    assert 'config/seeds.tsv, row 2, column "y": 310 mm lies outside' in before_any_job(study)


def test_missing_scan(study):
    one_file(study, "*preproc_bold.nii.gz").unlink()
    text = before_any_job(study)
    assert "has no preprocessed BOLD of sub-T02_ses-placebo_task-rest in space-" in text
    assert "design/sessions.tsv, row" in text and "exclude the session with a reason" in text


def test_sheets_not_written_yet(study):
    (study.folder / "design/sessions.tsv").unlink()
    text = refused(study)
    assert (
        "design/sessions.tsv does not exist; run "
        "`snakemake --cores 1 sheets --configfile study.yaml`" in text
    )


def test_a_config_that_snakemake_cannot_read_is_one_sentence(study):
    sound = study.config_path.read_bytes()
    study.config_path.write_bytes(sound + "title: Étude\n".encode("latin-1"))
    assert "crossfc: " + str(study.config_path) + " is no UTF-8 text" in before_any_job(study)
    study.config_path.write_bytes(sound + b"entry: raw\n")
    text = before_any_job(study)
    assert "study.yaml, line" in text and "the key 'entry' stands there twice" in text
    # Without a name of its own it is not the demo with other keys.
    study.config_path.write_bytes(sound.replace(b"study: small", b"title: small"))
    assert "'study' is a required property" in before_any_job(study)


def test_braces_in_paths_and_variables(study):
    study.set_config(results_dir="results/{version}")
    assert "config key results_dir: results/{version} has { in it" in before_any_job(study)
    study.set_config(results_dir="$HOME/results")
    assert "has a variable or ~, which is not filled in" in before_any_job(study)


def test_unknown_strategy_and_seed_set(study):
    study.set_config(pipelines__primary__strategy="p99")
    assert "has no strategy p99; did you mean p9?; it has" in before_any_job(study)
    study.set_config(pipelines__primary__strategy="p9", pipelines__primary__seed_set="aal_spheres")
    assert "has no set aal_spheres; did you mean aal3_spheres?" in before_any_job(study)


def test_unknown_analysis(study):
    study.set_config(group__analyses=["drug_TDR"])
    assert "this trial has no analysis drug_TDR; did you mean drug_TRD?" in refused(study)


def test_hypothesis_about_what_is_not_there(study):
    study.set_config(clinical__hypotheses=[{"seed": "pgACC", "target": "insula"}])
    text = before_any_job(study)
    assert "clinical.hypotheses, number 1: 'insula' is none of" in text
    assert "did you mean insulaR?" in text


def test_seed_image_that_is_not_there(study):
    seeds = study.folder / "config/seeds.tsv"
    rows = seeds.read_text().splitlines()
    nothing = ["n/a"] * 4
    rows[1] = "\t".join(["aal3_spheres", "sgACC", "mask", *nothing, "mine.nii.gz", *nothing])
    seeds.write_text("\n".join(rows) + "\n")
    assert "mine.nii.gz does not exist, which the column file of" in before_any_job(study)


def test_raw_entry_in_another_space(study):
    study.set_config(entry="raw", space="MNI152NLin2009cAsym")
    assert "makes MNI152NLin2009aSym and no res entity" in before_any_job(study)


# Known when the scan is read ----------------------------------------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20000])


def three_dimensional(path: Path) -> None:
    rewrite(path, lambda d, a, h: (d[..., 0], a, h))


def not_a_number(path: Path) -> None:
    def change(d, a, h):
        h.set_data_dtype(np.float32)
        d = d.astype(np.float32)
        d[3, 3, 3, 3] = np.nan
        return d, a, h

    rewrite(path, change)


def no_orientation(path: Path) -> None:
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[252:256] = bytes(4)  # qform_code and sform_code of the NIfTI-1 header
    path.write_bytes(gzip.compress(bytes(raw)))


def short_table(path: Path) -> None:
    path.write_text("\n".join(path.read_text().splitlines()[:-3]) + "\n")


def without_column(path: Path) -> None:
    path.write_text(path.read_text().replace("global_signal", "globalsignal"))


def empty_mask_at_seed(path: Path) -> None:
    def change(d, a, h):
        i, j, k = np.rint(np.linalg.inv(a) @ [1, 31, -5, 1])[:3].astype(int)
        d[i - 2 : i + 3, j - 2 : j + 3, k - 2 : k + 3] = 0
        return d, a, h

    rewrite(path, change)


@pytest.mark.parametrize(
    ("pattern", "break_it", "words"),
    [
        ("*preproc_bold.nii.gz", truncate, ["preproc_bold.nii.gz is truncated"]),
        ("*preproc_bold.nii.gz", three_dimensional, ["preproc_bold.nii.gz", "3"]),
        ("*preproc_bold.nii.gz", no_orientation, ["derivatives.accept_unoriented: true"]),
        ("*confounds_timeseries.tsv", short_table, ["has 57 rows for a scan of 60 volumes"]),
        ("*confounds_timeseries.tsv", without_column, ["has no column global_signal"]),
    ],
)
def test_scan_at_fault_is_told_before_any_job(study, pattern, break_it, words):
    before = results_digest(study)
    break_it(one_file(study, pattern))
    text = before_any_job(study, "--dry-run")
    for word in ["crossfc: design/sessions.tsv, row", *words]:
        assert word in text, text
    assert results_digest(study) == before


@pytest.mark.parametrize(
    ("pattern", "break_it", "words"),
    [
        ("*preproc_bold.nii.gz", not_a_number, ["preproc_bold.nii.gz", "NaN"]),
    ],
)
def test_scan_at_fault(study, pattern, break_it, words):
    before = results_digest(study)
    break_it(one_file(study, pattern))
    text = refused(study)
    assert "crossfc: " in text
    for word in words:
        assert word in text, text
    assert results_digest(study) == before
    assert not list((study.folder / "results").rglob(".part*"))


def test_session_without_signal_at_a_seed_leaves_by_name(study):
    empty_mask_at_seed(one_file(study, "*brain_mask.nii.gz"))
    done = study.snakemake("quality")
    assert done.returncode == 0, done.stdout + done.stderr
    excluded = study.folder / "results/small/quality/excluded.tsv"
    header, *rows = (line.split("\t") for line in excluded.read_text().splitlines())
    (row,) = (dict(zip(header, cells, strict=True)) for cells in rows)
    assert (row["participant_id"], row["session_id"]) == ("sub-T02", "ses-placebo")
    assert "of seed sgACC" in row["exclusion_reasons"]


def test_misspelt_strategy(study):
    study.edit("config/strategies.yaml", "p9:\n  columns:", "p9:\n  colums:")
    text = before_any_job(study)
    assert "config/strategies.yaml, strategy p9: the key colums is unknown; did you mean" in text
