"""What Snakemake keeps of a run, mended: its lock.

All that reaches into Snakemake's own store is here. Written for Snakemake 9.27.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import snakemake.workflow
from snakemake.exceptions import LockException
from snakemake.persistence.file import FilePersistence

from crossfc import run
from crossfc.fault import Fault


class Persistence(FilePersistence):
    """Snakemake's store, whose lock says whose it is."""

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock; first free it from runs that were killed.

        Raises
        ------
        SystemExit
            If another run holds it: the sentence that says which.
        """
        if not self.dag.workflow.is_main_process:
            with super().lock():
                yield
            return
        run.free_lock()
        run.begin()
        try:
            held = super().lock()
            held.__enter__()
        except LockException:
            try:
                run.refuse_lock()
            except Fault as fault:
                raise SystemExit(f"crossfc: {fault}") from None
            raise
        run.note(locks=self._lockfile.values())
        try:
            yield
        finally:
            held.__exit__(None, None, None)


def install() -> None:
    """Have Snakemake use this store."""
    snakemake.workflow.FilePersistence = Persistence
