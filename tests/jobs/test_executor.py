"""Executors of crossfc: the rest of a batch is submitted, and what passes is waited for."""

import inspect
import shlex
import threading
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError
from snakemake.executors.local import Executor as LocalExecutor
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from crossfc.jobs import batch, cluster, executor, run

FULL = "sbatch: error: AssocMaxSubmitJobLimit"
UNKNOWN = "sbatch: error: invalid partition specified: nosuch"


def refused(message):
    """As Snakemake's executor for SLURM 2.8 hands on what sbatch prints."""
    return f"SLURM sbatch failed. The error message was '{message}'.\n    sbatch call:\n  sbatch\n"


class Job:
    """A job of a rule of crossfc, or of another workflow."""

    attempt, restart_times, is_updated, rules, jobid = 1, 2, False, {"a_rule"}, "7"

    def __init__(self, snakefile, name):
        self.rule = SimpleNamespace(name="a_rule", snakefile=str(snakefile))
        self.name, self.registered = name, []

    def is_group(self):
        return False

    def get_target_spec(self):
        return [SimpleNamespace(rulename="a_rule", wildcards_dict={"scan": self.name})]

    def register(self, external_jobid=None):
        self.registered.append(external_jobid)


class Batch(Job):
    """Jobs that are submitted together; as in Snakemake, a batch has no rule."""

    def __init__(self, *jobs):
        self.jobs, self.name = jobs, "a_batch"

    def __iter__(self):
        return iter(self.jobs)

    def __len__(self):
        return len(self.jobs)

    def is_group(self):
        return True

    def get_target_spec(self):
        return [spec for job in self.jobs for spec in job.get_target_spec()]

    def register(self, external_jobid=None):
        raise AssertionError("a batch of crossfc marks its jobs itself")


class Queue(RemoteExecutor):
    """An executor without a cluster, which says what it is told."""

    run_uuid = "a-name"

    def __init__(self, answers=(), name="slurm"):
        self.answers, self.calls, self.failed = list(answers), 0, []
        self.active_jobs, self.lock, self.ended = [], threading.Lock(), []
        self.workflow = SimpleNamespace(
            executor_plugin=SimpleNamespace(name=name),
            dag=SimpleNamespace(get_unneeded_temp_files=lambda job: []),
            resource_settings=SimpleNamespace(cores=None),
            storage_settings=SimpleNamespace(shared_fs_usage=frozenset()),
            scheduler=SimpleNamespace(submit_callback=lambda job: None),
        )

    def run_job(self, job):
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, str):
            self.report_job_error(SubmittedJobInfo(job), msg=answer)
            return
        try:
            if answer:
                raise answer
            self.report_job_submission(SubmittedJobInfo(job, external_jobid="17"))
        except WorkflowError:
            # As the executor for SLURM 2.8.
            self.report_job_error(SubmittedJobInfo(job), msg=f"failed for rule {job.rule.name}")

    def report_job_error(self, job_info, msg=None, **options):
        self.print_job_error(job_info, msg, **options)

    def print_job_error(self, job_info, msg=None, **options):
        self.failed.append((job_info.job, msg))

    async def check_active_jobs(self, active_jobs):
        for job_info in active_jobs:
            yield job_info

    def cancel_jobs(self, active_jobs):
        pass

    def cancel(self):
        self.ended.append("cancel")

    def shutdown(self):
        self.ended.append("shutdown")


@pytest.fixture
def made(root, monkeypatch):
    """Jobs of crossfc, and executors as `executor.install` makes them."""
    monkeypatch.setattr(executor, "attempts", batch.Attempts())
    said = []
    monkeypatch.setattr(executor, "tell", said.append)

    def queue(ours, *given, **named):
        there = type("Executor", (ours, Queue), {})(*given, **named)
        if ours is executor.Slurm:
            there._patience = cluster.Patience(said.append, between=0.01)
        return there

    jobs = [Job(root / "Snakefile", name) for name in ("a", "b", "c")]
    return SimpleNamespace(queue=queue, jobs=jobs, batch=Batch(*jobs), said=said)


PUBLISHED = {
    "get_job_args": ["self", "job"],
    "report_job_submission": ["self", "job_info", "register_job"],
    "report_job_error": ["self", "job_info", "msg", "kwargs"],
    "print_job_error": ["self", "job_info", "msg", "kwargs"],
    "run_job": ["self", "job"],
    "check_active_jobs": ["self", "active_jobs"],
    "cancel": ["self"],
    "shutdown": ["self"],
    "get_python_executable": ["self"],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_overridden_is_published_as_it_was(name):
    assert list(inspect.signature(getattr(RemoteExecutor, name)).parameters) == PUBLISHED[name]


def test_nothing_is_overridden_that_is_not_published():
    """The interface for plugins has it, and not only the one executor or other."""
    for ours in (executor.Quoting, executor.Local, executor.Remote, executor.Slurm):
        names = {name for name, found in vars(ours).items() if inspect.isfunction(found)}
        assert names - {"__init__"} <= PUBLISHED.keys()


class Step(RealExecutor):
    """An executor that is not remote and starts jobs by a shell."""

    def __init__(self, python):
        self.python = python

    def get_python_executable(self):
        return self.python


@pytest.mark.parametrize("python", ["/home/somebody/OneDrive - Uni/bin/python", "/usr/bin/python"])
def test_python_is_one_word_for_the_shell(python, monkeypatch):
    step = type("Executor", (executor.Quoting, Step), {})
    step.__abstractmethods__ = frozenset()
    monkeypatch.setattr("sys.executable", python)
    assert shlex.split(step(python).get_python_executable()) == [python]
    # What is no path of this machine is as the executor says.
    assert step("$PYTHON").get_python_executable() == "$PYTHON"


def test_every_executor_is_subclassed_once(monkeypatch):
    plugins = ExecutorPluginRegistry().plugins
    for plugin in plugins.values():
        monkeypatch.setattr(plugin, "executor", plugin.executor)
    other = SimpleNamespace(executor=Queue)
    slurm = SimpleNamespace(executor=type("Executor", (Queue,), {}))
    monkeypatch.setitem(plugins, "lsf", other)
    monkeypatch.setitem(plugins, "slurm-jobstep", SimpleNamespace(executor=Step))
    monkeypatch.setitem(plugins, "slurm", slurm)
    executor.install()
    before = {name: plugin.executor for name, plugin in plugins.items()}
    assert issubclass(before["local"], executor.Local) and issubclass(
        before["local"], LocalExecutor
    )
    assert before["lsf"].__mro__[1] is executor.Remote and issubclass(before["lsf"], Queue)
    assert before["slurm"].__mro__[1] is executor.Slurm
    # What starts the jobs of a batch one by one on its node.
    assert before["slurm-jobstep"].__mro__[1:3] == (executor.Quoting, Step)
    executor.install()
    assert before == {name: plugin.executor for name, plugin in plugins.items()}


def test_of_a_batch_what_is_left_is_submitted(made, monkeypatch):
    monkeypatch.setattr(batch, "ended_well", lambda jobs: [list(jobs)[0]])
    queue = made.queue(executor.Remote, name="slurm")

    async def end(job, failed):
        pass

    first = queue.get_job_args(made.batch)
    assert all(f"a_rule:scan={name}" in first for name in "abc")
    queue.report_job_submission(SubmittedJobInfo(made.batch, external_jobid="17"))
    with pytest.raises(StopIteration):
        executor.attempts.end_failed(made.batch, end).send(None)
    second = queue.get_job_args(made.batch)
    assert [f"a_rule:scan={name}" in second for name in "abc"] == [False, True, True]
    # All else is of the whole batch.
    assert first.replace("'a_rule:scan=a'", "").split() == second.split()
    queue.report_job_submission(SubmittedJobInfo(made.batch, external_jobid="18"))
    assert [job.registered for job in made.jobs] == [["17"], ["17", "18"], ["17", "18"]]
    assert [info.external_jobid for info in queue.active_jobs] == ["17", "18"]


def test_a_batch_that_cannot_be_marked_keeps_nothing(made, monkeypatch):
    def full(external_jobid=None):
        raise OSError("No space left on device")

    monkeypatch.setattr(made.jobs[1], "register", full)
    queue = made.queue(executor.Remote)
    queue.report_job_submission(SubmittedJobInfo(made.batch, external_jobid="17"))
    assert "No space left on device" in made.said[0] and len(queue.active_jobs) == 1
    assert made.batch not in executor.attempts._submitted


def test_jobs_of_others_are_submitted_as_ever(made, tmp_path):
    other = Job(tmp_path / "Snakefile", "x")
    both = type("Mixed", (Batch,), {"register": Job.register, "registered": []})(
        *made.jobs[:1], other
    )
    queue = made.queue(executor.Remote, name="lsf")
    queue.report_job_submission(SubmittedJobInfo(both, external_jobid="17"))
    assert both.registered == ["17"] and not made.jobs[0].registered
    queue.report_job_submission(SubmittedJobInfo(other, external_jobid="18"), register_job=False)
    assert not other.registered


def test_what_is_submitted_to_other_queues_is_noted(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, number in (("slurm", "16"), ("lsf", "17")):
        queue = made.queue(executor.Remote, name=name)
        assert executor.queue_of(queue) == (None if name == "slurm" else name)
        queue.report_job_submission(SubmittedJobInfo(made.jobs[0], external_jobid=number))
    (note,) = run._notes().values()
    assert note["submitted"] == ["17"]


def test_a_full_queue_is_waited_for_and_told_once(made):
    queue = made.queue(executor.Slurm, [refused(FULL)] * 3)
    queue.run_job(made.batch)
    assert queue.calls == 4 and not queue.failed and len(queue.active_jobs) == 1
    (sentence,) = made.said
    assert f"takes no more jobs for now ({FULL})" in sentence


def test_what_is_refused_for_good_is_tried_once_and_told(made):
    queue = made.queue(executor.Slurm, [refused(UNKNOWN)])
    queue.run_job(made.batch)
    assert queue.calls == 1 and [job for job, _ in queue.failed] == [made.batch]
    (sentence,) = made.said
    assert sentence.startswith("SLURM refused a batch of 3 (a_rule): invalid partition")
    # So that Snakemake does not try it again.
    assert made.batch.attempt > made.batch.restart_times


def test_jobs_of_an_array_are_submitted_one_by_one_when_it_was_refused_for_now(made):
    queue = made.queue(executor.Slurm, [refused(FULL)])
    for job in made.jobs:
        queue.report_job_error(SubmittedJobInfo(job), msg=refused(FULL))
    assert queue.calls == 4 and not queue.failed and len(queue.active_jobs) == 3


@pytest.mark.parametrize("end", ["cancel", "shutdown"])
def test_a_run_that_ends_waits_no_longer(made, end):
    queue = made.queue(executor.Slurm, [refused(FULL)] * 2)
    queue._patience = cluster.Patience(made.said.append, between=600)
    threading.Timer(0.1, getattr(queue, end)).start()
    queue.run_job(made.jobs[0])
    assert queue.calls == 1 and queue.ended == [end] and len(queue.failed) == 1


def test_a_batch_that_cannot_be_submitted_is_reported_with_the_reason(made):
    """Not with a rule that it has not, which nobody would hear of, so that the run never ends."""
    queue = made.queue(executor.Slurm, [WorkflowError("no such account")])
    queue.run_job(made.batch)
    ((job, message),) = queue.failed
    assert job is made.batch and "no such account" in message
    assert "no such account" in made.said[0]


@pytest.mark.parametrize("ours", [True, False])
def test_a_job_whose_input_vanished_fails_alone(made, tmp_path, ours):
    class Here(LocalExecutor):
        def __init__(self):
            self.failed = []

        def run_job(self, job):
            raise WorkflowError("no input")

        def report_job_error(self, job_info):
            self.failed.append(job_info.job)

    here = type("Executor", (executor.Local, Here), {})()
    job = made.jobs[0] if ours else Job(tmp_path / "Snakefile", "x")
    job.input = [str(tmp_path / "gone.nii.gz")]
    if ours:
        here.run_job(job)
        assert here.failed == [job] and "gone.nii.gz was there when" in made.said[0]
    else:
        with pytest.raises(WorkflowError):
            here.run_job(job)
