"""Inputs that change under a run's hands: time stamps in the future, and files that vanish."""

import os
import shutil
import subprocess
import sys
import time


def test_a_clock_that_is_wrong_and_a_scan_that_vanishes_stop_no_other_job(study):
    """One run: what lies in the future is read as any other, and what is gone fails its own job."""
    results, derivatives = study.folder / "results/small", study.folder / "derivatives"
    for person in ("T02", "T03", "T05"):
        shutil.rmtree(results / f"sub-{person}/ses-placebo/func")
    later = time.time() + 400 * 86400
    for path in (derivatives / "sub-T02/ses-placebo/func").iterdir():
        os.utime(path, (later, later))
    (bold,) = (derivatives / "sub-T05/ses-placebo/func").glob("*preproc_bold.nii.gz")
    command = [sys.executable, "-m", "snakemake", "connectivity", "--cores", "1"]
    with open(study.folder / "run.log", "w") as log:
        run = subprocess.Popen(
            [*command, "--latency-wait", "1", "--configfile", study.config_path.name],
            cwd=study.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    end = time.monotonic() + 120
    while "rule connectivity_session:" not in (study.folder / "run.log").read_text():
        assert run.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    bold.rename(kept := study.folder / bold.name)
    assert run.wait(300) == 1
    said = (study.folder / "run.log").read_text()
    place = bold.relative_to(study.folder)
    assert f"crossfc: connectivity_session: {place} was there when the run was planned" in said
    assert "Traceback" not in said
    made = {p: (results / f"sub-{p}/ses-placebo/func").exists() for p in ("T02", "T03", "T05")}
    assert made == {"T02": True, "T03": True, "T05": False}
    kept.rename(bold)
    left = study.would_run("connectivity")
    assert [job for job in left if job.startswith("conn") and " " in job] == [
        "connectivity_session T05/placebo"
    ]


def test_what_snakemake_can_tell_of_rules_and_what_it_cannot_archive(study):
    listed = study.snakemake("--list-rules")
    assert listed.returncode == 0 and "connectivity_session" in listed.stdout
    archive = study.snakemake("--archive", "study.tar.gz")
    assert archive.returncode == 1 and not (study.folder / "study.tar.gz").exists()
    assert "crossfc: --archive of Snakemake leaves out" in archive.stderr
    assert "copy this folder" in archive.stderr
