"""What a cluster says of jobs: sentences for what it refuses, and reasons for waiting."""

import os

import pytest

from crossfc.jobs import cluster

# As Snakemake's executor for SLURM 2.8 hands on what sbatch 22.05 to 25.05 print.
SAID = "SLURM sbatch failed. The error message was '{}'.\n    sbatch call:\n        sbatch -p x\n"
PARTITION = (
    "sbatch: error: invalid partition specified: nosuch\n"
    "sbatch: error: Batch job submission failed: Invalid partition name specified"
)
ACCOUNT = (
    "sbatch: error: Batch job submission failed: Invalid account or account/partition "
    "combination specified"
)
MEMORY = (
    "sbatch: error: Memory specification can not be satisfied\n"
    "sbatch: error: Batch job submission failed: Requested node configuration is not available"
)
LIMIT = (
    "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job "
    "violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            PARTITION,
            ["invalid partition specified: nosuch", "correct slurm_account and slurm_part"],
        ),
        (ACCOUNT, ["Invalid account or account/partition combination", "correct slurm_account"]),
        (MEMORY, ["Memory specification can not be satisfied", "--set-resources RULE:mem_mb"]),
        (LIMIT, ["AssocMaxSubmitJobLimit", "violates accounting"]),
    ],
)
def test_what_is_refused_is_said_with_its_reason(message, words):
    said = cluster.refusal(SAID.format(message), "a batch of 10 (connectivity_session)")
    assert said.startswith("SLURM refused a batch of 10 (connectivity_session): ")
    assert all(word in said for word in words) and "\n" not in said and "sbatch" not in said


def test_what_failed_on_its_node_was_not_refused():
    assert cluster.refusal("SLURM status is: 'OUT_OF_MEMORY'", "report") is None
    assert cluster.refusal("", "report") is None
    assert cluster.sbatch_error("SLURM status is: 'OUT_OF_MEMORY'") is None


@pytest.mark.parametrize(
    ("message", "later"),
    [
        (PARTITION, False),
        (ACCOUNT, False),
        (MEMORY, False),
        (LIMIT, True),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit", True),
        ("sbatch: error: slurm_receive_msg: Socket timed out on send/recv operation", True),
        ("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying", True),
    ],
)
def test_what_passes_by_itself(message, later):
    assert cluster.passes(cluster.sbatch_error(SAID.format(message))) is later


def program(folder, name, script):
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return str(folder / name)


def test_why_jobs_wait_is_said(tmp_path, monkeypatch):
    program(tmp_path, "squeue", f"cat {tmp_path}/queue; echo $@ > {tmp_path}/asked")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said, now = [], [0.0]
    waiting = cluster.Waiting(said.append, lambda: now[0])

    def look(after, queue):
        now[0] += after
        (tmp_path / "queue").write_text(queue)
        waiting.look("a-name")
        return [said.pop() for _ in said[:]]

    assert look(0, "7|(Priority)\n8|(None)\n") == []
    assert "--name=a-name" in (tmp_path / "asked").read_text()
    # Not asked again within a minute.
    assert look(30, "7|(PartitionDown)\n") == []
    (sentence,) = look(40, "7|(PartitionDown)\n8|(PartitionDown)\n9|(Priority)\n")
    assert sentence.startswith("2 jobs wait in SLURM's queue, and squeue says why: PartitionDown;")
    assert look(70, "7|(PartitionDown)\n9|(Priority)\n") == []
    (sentence,) = look(1800, "9|(Priority)\n")
    assert sentence == "job 9 waits in SLURM's queue since 32 minutes (reason: Priority)"
    monkeypatch.setenv("PATH", "/nowhere")
    assert look(70, "") == []
