"""Quote the path of Python in the shell command with which Snakemake 9.27 starts a script.

Snakemake does not quote it. If the name of a folder in it contains a space (`OneDrive - Uni`),
the shell takes the first word as the program, and the first job fails. (Commands that start jobs
are the business of `crossfc.jobs.executor`.)
"""

import shlex
from typing import Any


def quoted() -> None:
    """Patch Snakemake to quote the path of Python for scripts; again does nothing."""
    import snakemake.api  # noqa: F401 (must be first, as it imports the others in a certain order)
    from snakemake.script import PythonScript

    _quote_argument(PythonScript, "_execute_cmd", "py_exec")


def _quote_argument(owner: Any, name: str, argument: str) -> None:
    execute = getattr(owner, name)
    if not hasattr(execute, "quoted"):

        def quoting(self: Any, command: str, **given: Any) -> Any:
            if argument in given:  # it is not, if Snakemake asks for the PATH or version only
                given[argument] = shlex.quote(given[argument])
            return execute(self, command, **given)

        vars(quoting)["quoted"] = True
        setattr(owner, name, quoting)
