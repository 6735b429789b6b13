"""What goes wrong on a cluster: after one plain re-run all is there, and nothing was done twice."""

import re
import signal

import nibabel
import numpy as np
import pytest

from crossfc import atomic
from crossfc.jobs import claim
from tests.slurm.cluster import PARTITION, wait_for
from tests.slurm.conftest import HASTE, assert_whole, pause

pytestmark = pytest.mark.slurm


def batch_at_work(study) -> dict[str, str]:
    """Return the one job of the cluster that runs."""
    (job,) = [job for job in study.cluster.queue() if job["state"] == "RUNNING"]
    return job


def submissions(study) -> list[str]:
    return [line for line in study.said().splitlines() if "has been submitted with SLURM" in line]


def test_cancelled_job(interrupted):
    process = interrupted.start("connectivity", *HASTE)
    interrupted.freeze_one(after=2)
    interrupted.cluster.ask("scancel", batch_at_work(interrupted)["job"])
    # The run itself submits the rest once more.
    assert process.wait(900) == 0, interrupted.said()[-8000:]
    assert len(submissions(interrupted)) == 2
    assert_whole(interrupted)


def test_killed_node(interrupted):
    cluster = interrupted.cluster
    process = interrupted.start("connectivity", *HASTE)
    interrupted.freeze_one(after=2)
    cluster.kill_node(batch_at_work(interrupted)["node"])
    assert process.wait(900) == 0, interrupted.said()[-8000:]
    assert "the rest is submitted anew" in interrupted.said()
    assert_whole(interrupted)


def test_over_its_memory(interrupted):
    # As if data needed far more than what was measured.
    interrupted.edit("scripts/crossfc/jobs/need.py", "_CARRIERS_MB = 320", "_CARRIERS_MB = 30")
    interrupted.edit("scripts/crossfc/jobs/need.py", "_ROOM = 1.5", "_ROOM = 1.1")
    assert interrupted.run("connectivity", *HASTE) == 0, interrupted.said()[-8000:]
    asked = [re.search(r"mem=(\d+)M", job["Tres"])[1] for job in interrupted.cluster.ended()]
    first, second = (int(mb) for mb in asked[-2:])
    assert second == 2 * first
    assert "exceeded memory limit" in interrupted.said()
    assert_whole(interrupted)


def test_over_its_time(interrupted):
    process = interrupted.start("connectivity", *HASTE)
    interrupted.freeze_one(after=2)
    job = batch_at_work(interrupted)["job"]
    interrupted.cluster.ask("scontrol", "update", f"JobId={job}", "TimeLimit=1")
    assert process.wait(900) == 0, interrupted.said()[-8000:]
    assert "DUE TO TIME LIMIT" in interrupted.said()
    first, second = (int(job["TimeLimit"]) for job in interrupted.cluster.ended()[-2:])
    assert first == 1 and second == 2 * 9 * 2, "twice two minutes for each of nine"
    assert_whole(interrupted)


def test_restarted_controller(interrupted):
    cluster = interrupted.cluster
    process = interrupted.start("connectivity", *HASTE)
    wait_for(lambda: len(interrupted.diary("end")) >= 2, 600, "two jobs to end")
    cluster.stop_controller()
    # Longer than several questions about the jobs.
    pause(20)
    assert process.poll() is None, interrupted.said()[-8000:]
    cluster.start_controller()
    # The next job of a batch cannot begin without a controller; what is left is submitted again.
    assert process.wait(900) == 0, interrupted.said()[-8000:]
    assert_whole(interrupted)


def test_killed_snakemake(interrupted):
    cluster = interrupted.cluster
    # Two batches: one is in the middle of a job, the other ends when nobody is there any more.
    process = interrupted.start("connectivity", *HASTE, "--group-components", "sessions=5")
    frozen = interrupted.freeze_one(after=2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: len(cluster.queue()) == 1, 600, "the other batch to end")
    before = interrupted.ended()
    assert 2 < sum(before.values()) < 9
    half = [entry for entry in interrupted.diary("begin") if entry[0] == str(frozen)]
    assert half and " ".join(half[0][1:]) not in before

    assert_whole(interrupted)
    # What ended after its run was killed has a record of what it was made from.
    interrupted.set_config(pipelines__gsr__low_pass_hz=0.09)
    assert interrupted.run("connectivity", *HASTE, "--dry-run") == 0
    said = interrupted.said()
    assert said.count("rule connectivity_session:") == 9 and "Params have changed" in said


def test_one_bad_scan_stops_no_other_of_its_batch(interrupted):
    # What no header tells, so that planning cannot see it.
    scans = sorted((interrupted.folder / "scans").rglob("*desc-preproc_bold.nii.gz"))
    sound = scans[0].read_bytes()
    image = nibabel.load(scans[0])
    values, header = image.get_fdata(dtype=np.float32), image.header.copy()
    values[3, 3, 3, 3] = np.nan
    header.set_data_dtype(np.float32)
    atomic.save_image(scans[0], nibabel.Nifti1Image(values, image.affine, header))
    # And one that is gone when its batch leaves the queue: a repeat, for which its session waits.
    cluster, gone = interrupted.cluster, interrupted.folder / "gone.nii.gz"
    cluster.ask("scontrol", "update", f"partitionname={PARTITION}", "state=down")
    try:
        haste = [*HASTE, "--latency-wait", "5"]
        process = interrupted.start("connectivity", *haste, "--retries", "1")
        wait_for(lambda: submissions(interrupted), 600, "the batch to be submitted")
        scans[5].rename(gone)
    finally:
        cluster.ask("scontrol", "update", f"partitionname={PARTITION}", "state=up")
    assert process.wait(900) == 1
    assert sum(interrupted.ended().values()) == 7
    gone.rename(scans[5])
    said = interrupted.said()
    assert "crossfc: " in said and scans[0].name in said
    assert "_run-02_" in scans[5].name and scans[5].name.partition("_space")[0] in said
    # Where to look: what the cluster kept, and the rule's own log.
    assert "logs/slurm/group_sessions_connectivity_session/" in said
    assert "results/small/logs/connectivity_session/sub-" in said
    scans[0].write_bytes(sound)
    assert_whole(interrupted)


def test_what_sbatch_refuses_is_said_with_its_reason_and_not_tried_again(interrupted):
    # A log of an earlier run, of a job that does not run now.
    claim.make(interrupted.folder / "results/small", claim.RESULTS)
    old = interrupted.folder / "results/small/logs/connectivity_session"
    old.mkdir(parents=True)
    (old / "sub-T01_ses-ketamine.log").write_text("an earlier run\n")
    interrupted.edit("profiles/slurm/config.yaml", f"partition: {PARTITION}", "partition: nosuch")
    assert interrupted.run("connectivity", *HASTE) == 1
    said = interrupted.said()
    (sentence,) = re.findall(r"crossfc: SLURM refused .*", said)
    assert "a batch of 9 (connectivity_session): " in sentence and "artition" in sentence
    assert "correct slurm_account and slurm_partition in the profile" in sentence
    assert "Trying to restart" not in said and "crossfc: failed:" not in said


def test_why_jobs_wait_is_said(interrupted):
    cluster = interrupted.cluster
    cluster.ask("scontrol", "update", f"partitionname={PARTITION}", "state=down")
    try:
        process = interrupted.start("connectivity", *HASTE)
        words = "crossfc: job [0-9]+ waits in SLURM's queue, and squeue says why: PartitionDown"
        wait_for(lambda: re.search(words, interrupted.said()), 600, "the reason")
    finally:
        cluster.ask("scontrol", "update", f"partitionname={PARTITION}", "state=up")
    assert process.wait(900) == 0, interrupted.said()[-8000:]
    assert_whole(interrupted, again=False)
