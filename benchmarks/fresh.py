"""Time and memory of a command, measured from a small process.

The largest memory that `getrusage` reports is kept over an exec, and a child process begins as a
copy of its parent. So a benchmark that uses a gigabyte measures at least a gigabyte for every
command that it starts. Here the command is started by a small Python process that has imported
almost nothing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path


def fresh(command: list[str], **options: object) -> tuple[float, float, int, str]:
    """Run a command and measure it.

    Parameters
    ----------
    command : list of str
    **options
        Options of `subprocess.run`: cwd, env.

    Returns
    -------
    cpu : float
        CPU seconds.
    memory : float
        Largest memory, MB.
    code : int
        Exit code.
    output : str
        Standard output.
    """
    helper = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), *command]
    done = subprocess.run(helper, capture_output=True, text=True, check=True, **options)
    cpu, memory, code = json.loads(done.stderr.splitlines()[-1])
    return cpu, memory, code, done.stdout


def peak() -> float:
    """Return the largest memory (GB) of this process since it started its program."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    raise OSError("/proc/self/status tells no VmHWM")


def main(command: list[str]) -> None:
    """Start the command, and print its numbers as the last line of standard error."""
    process = subprocess.Popen(command, stderr=subprocess.STDOUT)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    numbers = used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, process.returncode
    print(json.dumps(numbers), file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
