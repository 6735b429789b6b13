"""A job's log says what it read and made, and ends with its figure, or with why there is none."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import InputFiles, Wildcards

from crossfc import __version__
from crossfc.jobs import log as logs
from crossfc.jobs.last_line import LAST_LINES, bytes_label, last_line

# A job of a script `sheets.py` beside the package, which does what is put into it.
JOB = """
import sys, types
from pathlib import Path
from types import SimpleNamespace
from snakemake.iocontainers import InputFiles, OutputFiles, Wildcards
__file__ = "{script}"
sys.modules["__main__"].__file__ = __file__
from crossfc.jobs.job import job, note
snakemake = SimpleNamespace(rule="trial", threads=1, log=["study/logs/trial.log"],
    input=InputFiles(), output=OutputFiles(toclone=["study/participants.tsv"]),
    wildcards=Wildcards())
with job(snakemake):
    {body}
"""


def named(kind, **files):
    """Return files as Snakemake hands them to a script: by name, one or a list of each."""
    found = kind()
    for name, own in files.items():
        start = len(found)
        found.extend([own] if isinstance(own, str) else own)
        found._set_name(name, start, end=None if isinstance(own, str) else len(found))
    return found


def job_of(folder, body, root):
    """Run a job in a process of its own; return its exit code and its log."""
    script = root / "scripts/trial.py"
    done = subprocess.run(
        [sys.executable, "-c", JOB.format(script=script, body=body)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root / "scripts")},
        capture_output=True,
        text=True,
    )
    return done.returncode, (folder / "study/logs/trial.log").read_text().splitlines()


def test_a_head_says_rule_labels_purpose_and_what_is_read(root):
    files = {"bold": [f"d/sub-01/ses-{n}/func/sub-01_ses-{n}_bold.nii.gz" for n in (1, 2)],
             "mask": "sub-02_ses-1_mask.nii.gz", "regions": []}  # fmt: skip
    snakemake = SimpleNamespace(
        rule="connectivity_session",
        threads=2,
        wildcards=Wildcards(fromdict={"participant": "01", "session": "1"}),
        input=named(InputFiles, **files),
    )
    head = logs.head(snakemake, root / "scripts/connectivity_session.py").splitlines()
    assert head[0] == f"crossfc {__version__}, connectivity_session: participant 01, session 1"
    assert head[1] == "Write the connectivity of one session for every pipeline."
    assert head[2] == "reads 3 inputs of 3 sessions of 2 people (bold 2, mask 1); threads: 2"


def test_a_job_that_succeeds_ends_its_log_with_a_figure(tmp_path, root):
    # The script is `trial`, whose figure needs tables that this job does not make.
    body = """Path("study/participants.tsv").write_text("participant_id\\nsub-01\\n")
    note(snakemake, "a note")"""
    code, lines = job_of(tmp_path, body, root)
    assert code == 0 and lines[0] == f"crossfc {__version__}, trial"
    assert lines[2] == "reads no file, but its parameters alone; threads: 1"
    assert lines[3] == "a note" and lines[4].startswith("with python 3.")
    assert lines[5].startswith("made 1 file (22 B) in ")
    assert lines[6].startswith("done; the figure could not be read back (AttributeError")
    assert json.loads((tmp_path / "study/participants.json").read_text())["participant_id"]


@pytest.mark.parametrize(
    ("body", "last"),
    [
        ("from crossfc.fault import Fault; raise Fault('a is no b; correct it')",
         "crossfc: a is no b; correct it"),
        ("raise OSError(28, 'No space', 'results/x')",
         "crossfc: results: the disk is full; make room and start again; what is finished is kept"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)  # fmt: skip
def test_a_job_that_fails_ends_its_log_with_why(tmp_path, root, body, last):
    code, lines = job_of(tmp_path, body, root)
    assert code == 1 and lines[0] == f"crossfc {__version__}, trial" and lines[-1] == last
    assert any(line.startswith("with python 3.") for line in lines)
    assert logs.says_why(tmp_path / "study/logs/trial.log")


def test_a_log_without_a_reason_is_told_from_one_with(tmp_path):
    path = tmp_path / "x.log"
    assert not logs.says_why(path)
    path.write_text("crossfc 0.1.0, trial\nreads 3 inputs\n")
    assert not logs.says_why(path)


def test_the_study_is_found_from_a_log(tmp_path):
    # A folder above may be called logs, too.
    log = tmp_path / "logs/results/study/logs/twin_anatomy/sub-01/anat/sub-01.log"
    assert logs.study_of(log) == tmp_path / "logs/results/study"


def test_every_script_has_a_last_line(root):
    assert {path.stem for path in (root / "scripts").glob("*.py")} == set(LAST_LINES)


def test_sizes_in_words():
    assert [bytes_label(n) for n in (12, 3400, 5_600_000)] == ["12 B", "3.4 kB", "5.6 MB"]


def job(output, **given):
    return SimpleNamespace(output=output, **given)


def table(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(" ", "\t"))
    return str(path)


def record(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return str(path)


def test_the_figure_of_a_session(tmp_path):
    seeds = {"sgACC": {"coverage": 0.625}, "dACC": {"coverage": 1.0}}
    kept = {"volumes": 160, "volumes_kept": 150, "residual_degrees_of_freedom": 61,
            "exclusion_reasons": [], "pipeline": "primary", "seeds": seeds}  # fmt: skip
    record(tmp_path / "a_qc.json", kept)
    left = kept | {"pipeline": "scrub", "exclusion_reasons": ["half of it censored"]}
    record(tmp_path / "b_qc.json", left)
    record(tmp_path / "volumes_qc.json", {"Description": "A table."})
    table(tmp_path / "volumes_qc.tsv", "volume\n0\n")
    assert last_line("connectivity_session", job([str(tmp_path)])) == (
        "primary: 150 of 160 volumes kept, 61 degrees of freedom, least coverage of a seed 0.62 "
        "(sgACC); scrub: leaves (half of it censored)"
    )


def test_the_figure_of_an_analysis(tmp_path):
    maps = {
        "sgACC": {"max": 3.1, "min": -6.25, "p_fwe_voxel_min": 0.02, "p_fwe_cluster_min": 0.3,
                  "p_fwe_mass_min": 0.2, "n_clusters": 4, "n_clusters_significant": 0},
        "dACC": {"max": 4.0, "min": -1.0, "p_fwe_voxel_min": 0.4, "p_fwe_cluster_min": 0.004,
                 "p_fwe_mass_min": 0.2, "n_clusters": 2, "n_clusters_significant": 1},
    }  # fmt: skip
    made = {"estimable": True, "n": {"TRD": 14, "HV": 10}, "statistic": "t", "per_seed": maps}
    record(tmp_path / "result.json", made)
    assert last_line("group_test", job([str(tmp_path)])) == (
        "24 people (TRD 14, HV 10); largest t -6.25 (sgACC); smallest corrected p 0.004 (cluster, "
        "dACC); 6 clusters, 1 significant by extent"
    )
    none = {"estimable": False, "n": {"TRD": 1}, "notes": ["This analysis cannot be estimated."]}
    record(tmp_path / "result.json", none)
    assert last_line("group_test", job([str(tmp_path)])) == (
        "1 person (TRD 1); not estimated: This analysis cannot be estimated."
    )


def test_figures_of_tables(tmp_path):
    family = table(tmp_path / "family.tsv", "analysis seed measure p_joint\na sgACC tfce 0.03\n"
                   "b dACC extent 0.2\n")  # fmt: skip
    assert last_line("group_family", job([family])) == (
        "2 rows; smallest p over the family 0.03 (a sgACC tfce)"
    )
    pairs = table(tmp_path / "p.tsv", "analysis seed measure p_over_pairs\n")
    assert last_line("pairs_of_groups", job([pairs])) == "0 rows; no p over the pairs"
    over = table(tmp_path / "c.tsv", "contrast carryover_low_p carryover_low_df\nhigh 0.4 9\n"
                 "high n/a n/a\n")  # fmt: skip
    assert last_line("clinical_carryover", job([over])) == (
        "2 changes, smallest p of carry-over 0.4"
    )
    verdicts = table(tmp_path / "h.tsv", "hypothesis verdict\n1 supported\n2 opposite\n"
                     "3 supported\n")  # fmt: skip
    made = SimpleNamespace(hypotheses=verdicts)
    assert last_line("hypotheses", job(made)) == "3 hypotheses: supported 2, opposite 1"


def test_figures_of_scans(tmp_path):
    qc = record(tmp_path / "qc.json", {"dice": 0.912, "correlation": 0.8, "warnings": ["x"]})
    assert last_line("normalise_subject", job(SimpleNamespace(quality=qc))) == (
        "overlap with the template (Dice) 0.912, correlation 0.800; 1 warning"
    )
    run = {
        "Registration": {"dice_template": 0.9},
        "Quality": {"fd_mean_mm": 0.123},
        "Warnings": [],
    }
    made = SimpleNamespace(bold_sidecar=record(tmp_path / "bold.json", run))
    assert last_line("preprocess_session", job(made)) == (
        "mean framewise displacement 0.123 mm; overlap with the template (Dice) 0.900; 0 warnings"
    )
    image = record(tmp_path / "image.json", {"version": "25.2.7", "sha256": "a" * 64})
    assert last_line("fmriprep_image", job([image])) == f"fMRIPrep 25.2.7, SHA-256 {'a' * 12}"
    (tmp_path / "sub-01/func").mkdir(parents=True)
    (tmp_path / "sub-01/func/sub-01_desc-preproc_bold.nii.gz").touch()
    page = str(tmp_path / "sub-01.html")
    assert last_line("fmriprep_subject", job([page])) == "1 scan in template space"
    assert last_line("fmriprep_scan", job(["a", "b"])) == "2 files linked"


def test_figures_of_a_twin_and_of_sheets(tmp_path):
    bold = tmp_path / "bold.nii.gz"
    bold.write_bytes(bytes(2_000_000))
    of_twin = SimpleNamespace(twin={"volumes": 40})
    made = job(SimpleNamespace(bold=str(bold)), params=of_twin)
    assert last_line("twin_scan", made) == "40 volumes simulated, 2.0 MB"
    assert last_line("twin_session", made) == "40 volumes simulated, 2.0 MB"
    assert last_line("twin_anatomy", job(SimpleNamespace(t1w=str(bold)))) == "T1w simulated, 2.0 MB"
    people = SimpleNamespace(people=[1, 2, 3])
    assert last_line("twin_dataset", job([], params=people)) == (
        "head of a raw data set of 3 people"
    )
    changes = table(tmp_path / "planted.tsv", "contrast change\ndrug 0.2\ndrug 0.0\n")
    assert last_line("truth", job(SimpleNamespace(changes=changes))) == (
        "2 planted changes, 1 of them other than zero"
    )
    head = {"GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.7"},
                            {"Name": "crossfc", "Version": "0.1.0"}]}  # fmt: skip
    head = record(tmp_path / "dataset_description.json", head)
    assert last_line("derivative_dataset", job([head])) == "made by fMRIPrep 25.2.7, crossfc 0.1.0"
    sheets = {"participants": table(tmp_path / "p.tsv", "participant_id\nsub-01\n"),
              "sessions": table(tmp_path / "s.tsv", "session_id\nses-1\nses-2\n")}  # fmt: skip
    config = SimpleNamespace(config={"sheets": sheets})
    assert last_line("sheets", job([], params=config)) == "1 person, 2 sessions"
