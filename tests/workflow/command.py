"""Run Snakemake in forks of a process that has imported it, each as a command of its own would.

Its imports take two of the five seconds of a dry run, and the tests make hundreds. The study's own
copy of the product is imported anew each time.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path


def snakemake(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess:
    """Do what `python -m snakemake` does with these arguments in a folder.

    Returns
    -------
    CompletedProcess
        With the exit code and, as text, what was written to stdout and stderr.
    """
    server = _server()
    with tempfile.TemporaryDirectory() as written:
        out, err = Path(written, "stdout"), Path(written, "stderr")
        request = [list(map(str, arguments)), str(folder), environment(), str(out), str(err)]
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(request[0], code, out.read_text(), err.read_text())


def environment() -> dict[str, str]:
    """Return the environment of a command: with byte-compiling, which every start saves time by."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


@cache
def _server() -> subprocess.Popen:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, __file__], stdin=pipe, stdout=pipe, text=True)


def _serve() -> None:
    """Fork for each request; the fork is Snakemake, and the server waits for its end."""
    # What a dry run imports besides the product.
    import jsonschema  # noqa: F401
    import pandas  # noqa: F401
    import snakemake.cli
    import snakemake.dag  # noqa: F401
    import snakemake.scheduling.job_scheduler  # noqa: F401

    for line in sys.stdin:
        arguments, folder, variables, out, err = json.loads(line)
        child = os.fork()
        if child == 0:
            for descriptor, path in ((0, os.devnull), (1, out), (2, err)):
                opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
                os.dup2(opened, descriptor)
                os.close(opened)
            os.environ.clear()
            os.environ.update(variables)
            os.chdir(folder)
            sys.path[0], sys.argv = folder, ["snakemake", *arguments]
            snakemake.cli.main()
            sys.exit()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
