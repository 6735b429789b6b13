"""Names of Snakemake that are changed at run time: are they as they were, and is it still needed?

A test here that fails after an update says which change in `crossfc.jobs.patch` to look at. If
Snakemake now does what the change does, remove it.
"""

import asyncio
import inspect
import subprocess
import sys
from types import SimpleNamespace

import pytest
import snakemake.api  # noqa: F401 (must be first, as it imports the others in a certain order)
import snakemake.dag
import snakemake.io
from snakemake.common import group_into_chunks
from snakemake.io import _IOFile
from snakemake.jobs import GroupJob, Job
from snakemake.script import PythonScript
from snakemake.workflow import Workflow


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_snakemake_makes_batches_of_the_largest_size_and_a_rest():
    """If they are of equal size, remove `patch._equal_batches`."""
    assert parameters(group_into_chunks) == ["n", "iterable"]
    assert [len(part) for part in group_into_chunks(10, range(11))] == [10, 1]
    assert "group_into_chunks(n_components, " in inspect.getsource(
        snakemake.dag.DAG._update_group_components
    )


def test_snakemake_ends_all_jobs_of_a_failed_batch_as_failed():
    """If it ends them one by one, each as what it is, remove `patch._kept_jobs`."""
    assert parameters(GroupJob.postprocess) == ["self", "error", "kwargs"]
    assert {"error", "check_output_mtime"} <= set(parameters(Job.postprocess))
    ended = []

    class Ended:
        dag, output = None, []

        async def postprocess(self, **options):
            ended.append(options["error"])

    batch, jobs = object.__new__(GroupJob), [Ended(), Ended()]
    batch.jobs, batch.toposorted = jobs, [jobs]
    asyncio.run(GroupJob.postprocess(batch, error=True))
    assert ended == [True, True]


def test_keep_incomplete_makes_half_an_output_count_as_complete(tmp_path):
    """If it stays marked as incomplete, --keep-incomplete may replace `patch._kept_jobs`."""
    (tmp_path / "Snakefile").write_text(
        'rule other:\n    output: "out.txt"\n    shell: "echo half > {output}; exit 1"\n'
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-incomplete"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and (tmp_path / "out.txt").read_text() == "half\n", done.stderr
    assert not list((tmp_path / ".snakemake/incomplete").iterdir())


def test_snakemake_ends_a_batch_whose_input_stays_away():
    """If only the job fails that reads it, remove `patch._late_inputs`."""
    with pytest.raises(OSError, match="Missing files"):
        asyncio.run(snakemake.io.wait_for_files(["/nowhere/gone"], latency_wait=0))
    run = inspect.getsource(Workflow.execute)
    before, _, after = run.partition("snakemake.io.wait_for_files(")
    assert "wait_for_files" in before and "return False" in after.partition("_prepare_dag")[0]


@pytest.mark.slurm
def test_the_executor_takes_no_answer_for_a_reason_to_use_sacct(monkeypatch):
    """If it keeps to the command of the profile, remove `patch._memory_of_slurm`."""
    slurm = pytest.importorskip("snakemake_executor_plugin_slurm", reason="make slurm")
    monkeypatch.setenv("PATH", "/nowhere")
    assert parameters(slurm.get_min_job_age) == [] and slurm.get_min_job_age() is None
    look = inspect.getsource(slurm.Executor.check_active_jobs)
    assert "= get_min_job_age()" in look and "min_job_age is None or" in look


@pytest.mark.slurm
def test_the_executor_tells_of_a_batch_the_rule_which_a_batch_has_not():
    """If it is reported all the same, remove the try of `executor.Slurm.run_job`."""
    slurm = pytest.importorskip("snakemake_executor_plugin_slurm", reason="make slurm")
    batch = object.__new__(GroupJob)
    assert not hasattr(batch, "rule")
    failing = SimpleNamespace(logger=SimpleNamespace(error=print))
    with pytest.raises(AttributeError, match="rule"):
        slurm.Executor.run_job(failing, SimpleNamespace(is_group=lambda: True, name="batch"))


def test_snakemake_does_not_quote_the_path_of_python():
    """If it does, remove `crossfc.jobs.executable`."""
    assert parameters(PythonScript._execute_cmd) == ["self", "cmd", "kwargs"]
    assert '"{py_exec} {fname:q}"' in inspect.getsource(PythonScript)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (_IOFile.is_newer, ["self", "time"]),
        (snakemake.dag.DAG.check_output_mtime, ["self", "job", "expanded_output"]),
        (Job.outputs_older_than_script_or_notebook, ["self"]),
        (Workflow.log_provenance_info, ["self"]),
    ],
)
def test_what_compares_records_is_as_it_was(name, expected):
    """If it is not, look at `persistence._compare_contents` and `_say_more`."""
    assert parameters(name) == expected
