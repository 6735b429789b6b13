"""Quote the path of Python in the shell commands of Snakemake.

Snakemake 9.27 does not quote it. If the name of a folder in it contains a space (`OneDrive - Uni`),
the shell takes the first word as the program, and the first job fails.
"""

import shlex
from typing import Any


def quoted() -> None:
    """Patch Snakemake to quote the path of Python, for scripts and for jobs in own processes."""
    import snakemake.api  # noqa: F401 (must be first, as it imports the others in a certain order)
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

        vars(quoting)["quoted"] = True
        setattr(owner, name, quoting)


def _quote_argument(owner: Any, name: str, argument: str) -> None:
    found = getattr(owner, name)
    if not hasattr(found, "quoted"):

        def quoting(self: Any, command: str, **given: Any) -> Any:
            if argument in given:  # it is not, if Snakemake asks for the PATH or version only
                given[argument] = shlex.quote(given[argument])
            return found(self, command, **given)

        vars(quoting)["quoted"] = True
        setattr(owner, name, quoting)
