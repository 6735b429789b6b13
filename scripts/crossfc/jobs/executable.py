"""Python's own path in the commands that Snakemake has a shell run: quoted.

Snakemake 9.27 writes it as it stands, so in a folder with a space in its name (`OneDrive - Uni`)
the shell looks for a program of the first word, and the first job fails.
"""

import shlex
from typing import Any


def quoted() -> None:
    """Have Snakemake quote it, for scripts and for jobs that are processes of their own."""
    import snakemake.api  # noqa: F401 (before the others, which it imports in an order of its own)
    from snakemake.executors.local import Executor
    from snakemake.script import PythonScript
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    for executor in (Executor, RemoteExecutor):
        _quote_result(executor, "get_python_executable")
    _quote_argument(PythonScript, "_execute_cmd", "py_exec")


def _quote_result(owner: Any, name: str) -> None:
    found = getattr(owner, name)
    if not hasattr(found, "quoted"):

        def quoting(self: Any) -> str:
            return shlex.quote(found(self))

        quoting.quoted = True
        setattr(owner, name, quoting)


def _quote_argument(owner: Any, name: str, argument: str) -> None:
    found = getattr(owner, name)
    if not hasattr(found, "quoted"):

        def quoting(self: Any, command: str, **given: Any) -> Any:
            if argument in given:  # not where it asks an environment for its PATH or version
                given[argument] = shlex.quote(given[argument])
            return found(self, command, **given)

        quoting.quoted = True
        setattr(owner, name, quoting)
