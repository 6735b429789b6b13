"""A job: run one script of the workflow, with its number of threads, its log and its faults.

What it made is described beside it (`crossfc.jobs.sidecar`).
"""

import atexit
import errno
import gc
import hashlib
import os
import platform
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from crossfc import atomic
from crossfc.fault import Fault
from crossfc.jobs import log as logs
from crossfc.jobs import process
from crossfc.jobs.sidecar import write_sidecars

# Packages that compute results or start computations: imported module to package name.
PACKAGES = {
    "ants": "antspyx",
    "jinja2": "jinja2",
    "joblib": "joblib",
    "jsonschema": "jsonschema",
    "matplotlib": "matplotlib",
    "nibabel": "nibabel",
    "nilearn": "nilearn",
    "numba": "numba",
    "numpy": "numpy",
    "pandas": "pandas",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "snakemake": "snakemake",
    "statsmodels": "statsmodels",
    "yaml": "pyyaml",
}
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


# Errors when writing results, and what the user can do.
_STORAGE = {
    errno.ENOSPC: "the disk is full; make room",
    errno.EDQUOT: "the quota is used up; make room, or ask for more",
    errno.EROFS: "the file system can be read only; have it mounted for writing",
}

_ORPHANED = (
    "crossfc: the run that started this job is gone; the job ends, and the next run makes it"
)


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a script with the number of threads that Snakemake gives it.

    Libraries read their number of threads when they are imported, so numerical modules must be
    imported inside the block.

    Parameters
    ----------
    snakemake : object
        The object that Snakemake provides in a script.

    Notes
    -----
    The process ends with the block. If a Fault is raised or a result cannot be written, its
    sentence is printed and written to the log, and the exit code is 1. Any other exception is a
    bug, and its traceback is printed and written to the log. A job that succeeds writes a record
    of its rule, threads, `software` and `machine` beside its log, from which the provenance of the
    study is compiled; the sidecars of its tables and maps; and the end of its log (see
    `crossfc.jobs.log`). If the run is killed, its jobs end as well. They then no longer rename
    temporary files to results, because the next run may already be making the same results from
    other inputs.
    """
    log = Path(snakemake.log[0]) if snakemake.log else None
    started, script = time.monotonic(), logs.script()
    _end_with_run(log)
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(snakemake.threads)
    # Importing creates many objects that are kept; frequent garbage collection among them would
    # take a tenth of the time.
    gc.set_threshold(50_000, 20, 20)
    try:
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            logs.write(log, logs.head(snakemake, script), anew=True)
            log.with_suffix(".json").unlink(missing_ok=True)
        yield
        if log is not None:
            record = _record(snakemake)  # before the sidecars, for which more is imported
            atomic.write_json(log.with_suffix(".json"), record)
            write_sidecars(snakemake.output, logs.study_of(log))
            seconds = time.monotonic() - started
            logs.write(log, logs.tail(snakemake, script, record["software"], seconds))
    except Fault as fault:
        _fail(f"crossfc: {fault}", log)
        sys.exit(1)
    except OSError as error:
        _fail(_storage_fault(error, snakemake) or traceback.format_exc(), log)
        sys.exit(1)
    except Exception:
        _fail(traceback.format_exc(), log)
        sys.exit(1)
    _leave()


def _end_with_run(log: Path | None) -> None:
    """End this process when the run that started it ends, and check that before each result."""
    started_by = process.starter()
    if started_by is None:
        return

    def permission() -> None:
        # A long call of a library may block the watching thread below, so check here as well.
        if process.dead(started_by):
            raise SystemExit(_ORPHANED)

    def watch() -> None:
        if process.await_end(started_by):
            _say(_ORPHANED, log)
            process.kill(process.descendants([os.getpid()]))
            os._exit(1)

    atomic.permission = permission
    threading.Thread(target=watch, daemon=True).start()


def _record(snakemake: Any) -> dict[str, Any]:
    return {
        "rule": snakemake.rule,
        "threads": snakemake.threads,
        "software": software(),
        "machine": machine(),
        "lock": digest_of_lock(),
    }


def _leave() -> None:
    """End the process at once, because a regular shutdown of the libraries takes 0.2 s per job."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def software() -> dict[str, str]:
    """Return the versions of Python and of the packages that this process has imported."""
    from importlib.metadata import version

    used = {package for module, package in PACKAGES.items() if module in sys.modules}
    return {"python": platform.python_version()} | {name: version(name) for name in sorted(used)}


def machine() -> str:
    """Describe the system, C library and processor, on which last digits of results may depend.

    Numerical libraries choose their code, and with it the order of sums, by the processor.
    """
    libc = " ".join(platform.libc_ver())
    found = [f"{platform.system()} {platform.machine()}", libc, _processor()]
    return ", ".join(part for part in found if part)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            named = (line.partition(":")[2].strip() for line in lines if line.startswith("model n"))
            return next(named, "")
    except OSError:
        return ""


def digest_of_lock() -> str | None:
    """Return the SHA-256 of ``uv.lock``, which pins every package; None if it does not exist."""
    lock = Path(__file__).resolve().parents[3] / "uv.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None


def note(snakemake: Any, text: str) -> None:
    """Write a line into the job's log."""
    if text:
        logs.write(Path(snakemake.log[0]), text)


def _fail(text: str, log: Path | None) -> None:
    """Say why a job failed; its log ends with that, after the versions that it had."""
    with suppress(OSError):
        logs.write(log, logs.versions(software()))
    _say(text, log)


def _say(text: str, log: Path | None) -> None:
    print(text, file=sys.stderr, flush=True)
    # If the disk is full, the log may not be writable; the log of the cluster is elsewhere.
    with suppress(OSError):
        logs.write(log, text)


def _storage_fault(error: OSError, snakemake: Any) -> str | None:
    """Return a sentence if an error means that results could not be written; else None."""
    # NumPy only reports how much it could write, without an error number.
    short = error.errno is None and "requested and" in str(error) and "written" in str(error)
    number = errno.ENOSPC if short else error.errno
    reason = None if number is None else _STORAGE.get(number)
    if reason is None:
        return None
    folder = Path(error.filename or snakemake.output[0]).parent
    return f"crossfc: {folder}: {reason} and start again; what is finished is kept"
