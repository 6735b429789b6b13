"""Counts the CPU seconds of every Python process started with this folder on PYTHONPATH.

When a process ends, it adds a line to the file named by the variable METER: its script, the CPU
seconds of itself and of its children, and how many of its own were spent on starting and importing.
"""

import atexit
import builtins
import os
import resource
import sys
import time

_import = builtins.__import__
_spent = [time.process_time()]  # the interpreter's own start
_inside = [False]


def _counted(*arguments, **named):
    if _inside[0]:
        return _import(*arguments, **named)
    _inside[0] = True
    started = time.process_time()
    try:
        return _import(*arguments, **named)
    finally:
        _spent[0] += time.process_time() - started
        _inside[0] = False


def _write():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    numbers = (time.process_time(), children.ru_utime + children.ru_stime, _spent[0])
    name = os.path.basename(sys.argv[0])
    with open(os.environ["METER"], "a") as lines:
        lines.write("\t".join([name, *(f"{number:.3f}" for number in numbers)]) + "\n")


if "METER" in os.environ:
    builtins.__import__ = _counted
    atexit.register(_write)
