"""Batches are of about equal size, and of a failed one only the rest runs again."""

import asyncio
from types import SimpleNamespace

import pytest

from crossfc.jobs.batch import Attempts, equal


class Job:
    """A job with one output, of a workflow whose store knows what is incomplete."""

    def __init__(self, path, incomplete=frozenset()):
        self.output = [str(path)]
        store = SimpleNamespace(
            _clear_cache=lambda: None,
            _filter_incomplete_keys=lambda keys: set(keys) & set(incomplete),
        )
        self.rule = SimpleNamespace(workflow=SimpleNamespace(persistence=store))
        self.registered = 0

    def register(self, external_jobid=None):
        self.registered += 1


@pytest.mark.parametrize(
    "number, most, sizes", [(11, 10, [5, 6]), (9, 10, [9]), (30, 10, [10] * 3), (21, 10, [7] * 3)]
)
def test_batches_are_of_equal_size_and_in_the_order_of_names(number, most, sizes):
    parts = [[Job(f"{i:02}")] for i in reversed(range(number))]
    made = equal(most, parts)
    assert [len(batch) for batch in made] == sizes
    names = [job.output[0] for batch in made for part in batch for job in part]
    assert names == sorted(names)


def end(attempts, batch):
    ended = {}

    async def end_one(job, failed):
        ended[job] = failed

    asyncio.run(attempts.end_failed(batch, end_one))
    return ended


def test_what_ended_well_is_kept_and_not_run_again(tmp_path):
    incomplete = {str(tmp_path / "half")}
    good, half, missing = (Job(tmp_path / name, incomplete) for name in ("good", "half", "missing"))
    for job in (good, half):
        (tmp_path / job.output[0]).write_text("")
    attempts, batch = Attempts(), (good, half, missing)
    # Before it was submitted, what exists is of an earlier run.
    assert set(end(attempts, batch).values()) == {True}
    assert attempts.wanted(batch) == list(batch)
    attempts.submit(batch, "1")
    assert end(attempts, batch) == {good: False, half: True, missing: True}
    assert attempts.wanted(batch) == [half, missing]
    attempts.submit(batch, "2")
    assert [job.registered for job in batch] == [1, 2, 2]


def test_a_batch_whose_jobs_all_ended_well_runs_one_again(tmp_path):
    batch = (Job(tmp_path / "a"), Job(tmp_path / "b"))
    for job in batch:
        (tmp_path / job.output[0]).write_text("")
    attempts = Attempts()
    attempts.submit(batch, None)
    end(attempts, batch)
    assert attempts.wanted(batch) == [batch[1]]
