"""Replace Snakemake's store of records: keep records beside the results, and say who has the lock.

Snakemake records in ``.snakemake`` from what an output was made. Without that folder (if it was
deleted to remove a lock, or results were copied to another machine) Snakemake takes all existing
outputs as up to date. Also, it notices a changed input only if its time stamp is newer. Here

- records are kept beside the outputs (``logs/records`` of a study's results, ``.crossfc/records``
  of a data set), are never written in part, and stay valid if the folder is moved;
- an output without a record is made again;
- an input counts as changed if its content differs from that at the start of the job, whatever its
  time stamp;
- an output is made again if a part of it is missing, or has another size than when it was made;
- parameters are recorded by name, so that it counts as a change if two of them exchange their
  values, and it is known which parameter changed; the definitions behind the digest of a job's code
  are kept beside the records, once for each digest.

All this holds for crossfc's own rules only. If another workflow uses crossfc as a module, its other
rules are compared as Snakemake does it.
All code that changes Snakemake's own store is in this file. Written for Snakemake 9.27.
"""

import atexit
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import snakemake.api  # must be first, as it imports the others in a certain order
import snakemake.dag
import snakemake.io
import snakemake.jobs
import snakemake.workflow
from snakemake.exceptions import LockException
from snakemake.logging import logger
from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord, ParamsChange
from snakemake.persistence.file import FilePersistence
from snakemake.settings.types import RerunTrigger

from crossfc import atomic
from crossfc.fault import Fault
from crossfc.jobs import code, own, run
from crossfc.jobs.identity import Identities, listing

# For each folder, where the records of its contents are, relative to it.
PLACES = {"results": "logs/records", "derivatives": ".crossfc/records", "bids": ".crossfc/records"}
_MEMORY = Path(".snakemake/crossfc_identities.json")


class Roots:
    """The folders of a study, which may be moved, and paths expressed relative to them.

    Parameters
    ----------
    folders : dict
        Name (those in `PLACES`, and home) to the folder as in the configuration; folders that are
        None are left out.
    """

    def __init__(self, folders: Mapping[str, str | Path | None]):
        given = {name: str(Path(path)) for name, path in folders.items() if path}
        # The deepest folder first, because one may lie in another.
        self._folders = sorted(
            ((name, path, os.path.abspath(path) + os.sep) for name, path in given.items()),
            key=lambda folder: -len(folder[2]),
        )

    def told(self, path: str) -> str:
        """Express a path relative to its folder, such as ``results:sub-01/ses-1/func``."""
        full = os.path.abspath(path)
        for name, _, start in self._folders:
            if full.startswith(start):
                return f"{name}:{full[len(start) :]}"
        return path

    def found(self, told: str) -> str:
        """Return the actual path from the form that `told` returns."""
        name, colon, rest = told.partition(":")
        for known, path, _ in self._folders:
            if colon and known == name:
                return (
                    os.path.relpath(os.path.join(path, rest))
                    if name == "home"
                    else f"{path}/{rest}"
                )
        return told

    def in_text(self, text: str) -> str:
        """Replace the paths of results in the text of a parameter by the form of `told`."""
        for name, path, _ in self._folders:
            if name == "results":
                text = text.replace(f"'{path}/", f"'{name}:")
        return text

    def out_of_text(self, text: str) -> str:
        """Undo `in_text`."""
        for name, path, _ in self._folders:
            if name == "results":
                text = text.replace(f"'{name}:", f"'{path}/")
        return text

    def record(self, path: str) -> Path | None:
        """Return the file for the record of an output; None if it lies in none of the folders."""
        full = os.path.abspath(path)
        for name, folder, start in self._folders:
            if name in PLACES and full.startswith(start):
                return Path(folder, PLACES[name], full[len(start) :] + ".record")
        return None

    def definitions(self, path: str, digest: str) -> Path | None:
        """Return the file for the definitions behind a digest of code (see `code.Code`).

        None if the output ``path`` lies in none of the folders.
        """
        full = os.path.abspath(path)
        for name, folder, start in self._folders:
            if name in PLACES and full.startswith(start):
                return Path(folder, PLACES[name], "code", f"{digest}.definitions")
        return None


class Persistence(FilePersistence):
    """Snakemake's store of records, changed as described in the docstring of this module."""

    roots = Roots({})
    # Called with a workflow when all its Snakefiles have been read, before its jobs are planned.
    prepared: Callable[[Any], None] = staticmethod(lambda workflow: None)

    def __init__(self, *given: Any, db_url: str | None = None, **named: Any):
        super().__init__(*given, **named)
        self._plans = self.dag is not None and self.dag.workflow.is_main_process
        self._identities = Identities(_MEMORY)
        self._seen: dict[str, str | None] = {}
        self._begun: dict[Any, dict[str, str | None]] = {}
        self._ahead: set[str] = set()
        self._inputs: dict[str, dict[str, str | None]] = {}
        self._parameters: dict[str, dict[str, str]] = {}
        self._largest_checked: int = self.max_checksum_file_size
        if self._plans:
            atexit.register(self._identities.save)
        if self.dag is not None:
            self.prepared(self.dag.workflow)

    # Records ------------------------------------------------------------------------------------

    @lru_cache(maxsize=1024)  # noqa: B019 (as in Snakemake's own; there is one store)
    def _read_record_cached(self, key: str) -> MetadataRecord | None:
        content = self._content(key)
        return MetadataRecord.model_validate(content["record"]) if content else None

    @lru_cache(maxsize=1024)  # noqa: B019
    def _content(self, key: str) -> dict[str, Any] | None:
        place = self.roots.record(key)
        if place is None:
            found = self._io_read(self._metadata_path, key)
            return {"record": found, "holds": {}} if found else None
        try:
            content = json.loads(place.read_text(encoding="utf-8"))
            current = content["record"]["record_format_version"] == RECORD_FORMAT_VERSION
            return content if current and isinstance(content["holds"], dict) else None
        except (OSError, ValueError, KeyError, TypeError):
            # No record, an incomplete one, or one of another version: the output is made again.
            return None

    def _clear_cache(self) -> None:
        super()._clear_cache()
        self._content.cache_clear()

    def _write_record(self, key: str, record: MetadataRecord) -> None:
        if key in self._inputs:
            record.input_checksums = self._inputs.pop(key)
        place = self.roots.record(key)
        if place is None:
            super()._write_record(key, record)
            return
        holds = listing(key) if os.path.exists(key) else {}
        content: dict[str, Any] = {"record": dict(record.items()), "holds": holds}
        named = self._parameters.pop(key, None)
        if named is not None:
            content["parameters"] = named
        atomic.write_text(place, json.dumps(content) + "\n")
        # So that the next job of a batch compares its inputs with this record, not the old one.
        self._clear_cache()

    def _delete_record(self, key: str) -> bool:
        place = self.roots.record(key)
        if place is None:
            return bool(super()._delete_record(key))
        there = place.exists()
        place.unlink(missing_ok=True)
        self._clear_cache()
        return there

    def _input(self, job: Any) -> list[str]:
        if not own.is_own(job.rule):
            return list(super()._input(job))
        return sorted(self.roots.told(path) for path in super()._input(job))

    def _params(self, job: Any) -> list[Any]:
        if not own.is_own(job.rule):
            return list(super()._params(job))
        return [self.roots.in_text(text) for text in super()._params(job)]

    def parameters(self, job: Any) -> dict[str, str]:
        """Return the parameters of a job that are recorded, as a dictionary from name to text.

        As in Snakemake itself, parameters that are derived from input, output, threads or
        resources are not recorded.
        """
        # Asked for first: at another attempt Snakemake makes the values anew, and with them the
        # list of those that are not derived, but only when the parameters themselves are asked for.
        params = job.params
        kept = {id(value) for value in job.non_derived_params}
        texts = set(self._params(job))
        found = {}
        for name, value in params.items():
            if id(value) in kept:
                text = self.roots.in_text(str(self._serialize_param(value)))
                if text in texts:
                    found[name] = text
        return found

    def recorded(self, job: Any) -> dict[str, Any] | None:
        """Return the record of the first output of a job that has one, with current paths.

        Returns
        -------
        dict or None
            ``parameters`` (name to text; None in a record of an earlier version), ``input``,
            ``conda_env`` and ``definitions`` (see `crossfc.jobs.code.Code`). None if no output
            has a record.
        """
        for path in job.output:
            if record := self.metadata(path):
                named = (self._content(self._get_key(path)) or {}).get("parameters")
                return {
                    "parameters": named
                    and {name: self.roots.out_of_text(text) for name, text in named.items()},
                    "input": [self.roots.found(told) for told in record.input or ()],
                    "conda_env": record.conda_env,
                    "definitions": self._definitions(str(path), named or {}),
                }
        return None

    def _definitions(self, path: str, named: Mapping[str, str]) -> dict[str, str]:
        digest = named.get("code", "").strip("'")
        place = self.roots.definitions(path, digest) if digest.isalnum() else None
        try:
            return json.loads(place.read_text(encoding="utf-8")) if place else {}
        except (OSError, ValueError):
            return {}

    def definitions(self, job: Any) -> dict[str, str]:
        """Return the current definitions of a job's code (see `crossfc.jobs.code.Code`)."""
        digest = job.params.get("code")
        return code.definitions(digest) if isinstance(digest, str) else {}

    def _keep_definitions(self, job: Any) -> None:
        """Write the definitions of a job's code beside its outputs, for `recorded`."""
        digest, known = job.params.get("code"), self.definitions(job)
        for path in job.output if known else ():
            place = self.roots.definitions(str(path), digest)
            if place is not None and not place.exists():
                atomic.write_text(place, json.dumps(known) + "\n")

    # Inputs -------------------------------------------------------------------------------------

    def started(self, job: Any, external_jobid: str | None = None) -> None:
        """Note the identities of a job's inputs when it starts."""
        super().started(job, external_jobid)
        if not self._plans or not own.is_own(job.rule):
            return
        self._begun[job] = self._identities_of(self._own_inputs(job))
        for key in map(self._get_key, job.output):
            # From now on the old record may no longer describe the output.
            if key not in self._ahead:
                self._delete_record(key)

    async def finished(self, job: Any) -> None:
        """Write the records of a job's outputs."""
        # Otherwise Snakemake would read every input completely again when its job has ended.
        self.max_checksum_file_size = -1 if own.is_own(job.rule) else self._largest_checked
        if self._plans and own.is_own(job.rule):
            read = self._begun.pop(job, {})
            # Inputs made by earlier jobs, perhaps in the same batch, are only identified now.
            others = [path for path in job.input if self.roots.told(str(path)) not in read]
            read = self._identities_of(others) | read
            self._inputs |= {self._get_key(path): read for path in job.output}
            named = self.parameters(job)
            self._parameters |= {self._get_key(path): named for path in job.output}
            self._keep_definitions(job)
        await super().finished(job)

    async def record_ahead(self, job: Any) -> None:
        """Write the records of a job before it runs, in case the run is killed before it ends."""
        self._ahead |= {self._get_key(path) for path in job.output}
        await self.finished(job)

    def _own_inputs(self, job: Any) -> list[Any]:
        """List the inputs of a job that no other job makes; users may change them at any time."""
        made = {path for files in self.dag.dependencies[job].values() for path in files}
        return [path for path in job.input if path not in made]

    def deactivate_cache(self) -> None:
        """Forget the identities of files seen so far, because jobs now change files."""
        super().deactivate_cache()
        self._seen.clear()

    def _identities_of(self, paths: Iterable[Any]) -> dict[str, str | None]:
        return {
            self.roots.told(str(path)): self._identity(str(path))
            for path in paths
            if not path.is_ancient
        }

    def _identity(self, path: str) -> str | None:
        content = self._content(path) if os.path.isdir(path) else None
        if content:
            # Names and sizes are not enough, because a folder that is made again may have the same.
            return f"made:{content['record']['starttime']}:{content['record']['endtime']}"
        return self._identities.of(path)

    def _identity_seen(self, path: str) -> str | None:
        if path not in self._seen:
            self._seen[path] = self._identity(path)
        return self._seen[path]

    # Why a job runs again -----------------------------------------------------------------------

    def unrecorded(self, job: Any) -> list[str]:
        """List the existing outputs of a job that have no record."""
        there = [str(path) for path in job.output if os.path.exists(path)]
        return [path for path in there if self._read_record(path) is None]

    def damaged(self, job: Any) -> list[str]:
        """Describe which parts of a job's outputs are missing or differ in size from the record."""
        found = []
        for path in map(str, job.output):
            held = (self._content(path) or {"holds": {}})["holds"]
            if not held or not os.path.exists(path):
                continue
            now = listing(path)
            for name, size in held.items():
                whole = os.path.join(path, name) if name else path
                if name not in now:
                    found.append(f"{whole} is gone")
                elif now[name] != size:
                    found.append(f"{whole} is not as it was made")
        return found

    def changed_inputs(self, job: Any) -> list[str]:
        """List the inputs of a job whose content differs from that when the job began."""
        before: dict[str, set[str]] = {}
        for path in job.output:
            record = self._read_record(str(path))
            for told, identity in (record.input_checksums if record else None or {}).items():
                # None: the input did not exist when the record was written, so nothing to compare.
                if identity is not None:
                    before.setdefault(told, set()).add(identity)
        return [
            str(path)
            for path in dict.fromkeys(job.input)
            if not path.is_ancient
            and (known := before.get(self.roots.told(str(path))))
            and os.path.exists(path)
            and known != {self._identity_seen(str(path))}
        ]

    def changed_parameters(self, job: Any) -> list[str]:
        """List the parameters of a job whose value differs from that in its record."""
        found: dict[str, None] = {}
        now = None
        for path in job.output:
            before = (self._content(self._get_key(path)) or {}).get("parameters")
            if before is not None:
                now = self.parameters(job) if now is None else now
                names = [*before, *now]
                found |= dict.fromkeys(n for n in names if before.get(n) != now.get(n))
        return list(found)

    def has_metadata(self, job: Any) -> bool:
        """Return True while planning, so that Snakemake calls `params_changed` for every job."""
        return (self._plans and own.is_own(job.rule)) or bool(super().has_metadata(job))

    def params_changed(self, job: Any, file: Any = None) -> bool | ParamsChange:
        """Report changed parameters, and all other reasons to run a job that the record shows."""
        change = super().params_changed(job, file)
        if not self._plans or file is not None or not own.is_own(job.rule):
            return change
        found = [f"no record of what {path} was made of" for path in self.unrecorded(job)]
        found += self.damaged(job)
        found += [f"{path} has another content" for path in self.changed_inputs(job)]
        found += [f"parameter {name} is another" for name in self.changed_parameters(job)]
        if found:
            change |= ParamsChange(only_new=set(found), files=set(job.output))
        return change

    # The lock -----------------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock during the block, after removing locks of runs that were killed.

        Raises
        ------
        SystemExit
            If another run holds the lock; with a sentence that says which.
        """
        if not self._plans:
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


def install(folders: Mapping[str, str | Path | None], prepared: Callable[[Any], None]) -> None:
    """Patch Snakemake to use this store, and to compare contents instead of time stamps.

    Parameters
    ----------
    folders : dict
        See `Roots`.
    prepared : callable
        Called with a workflow when all its Snakefiles have been read.
    """
    Persistence.roots = Roots(folders)
    Persistence.prepared = staticmethod(prepared)
    if snakemake.workflow.FilePersistence is not Persistence:
        # Snakemake's database store is replaced as well, as it would also lie in .snakemake.
        snakemake.workflow.FilePersistence = snakemake.workflow.DbPersistence = Persistence
        _compare_contents()
        _say_more()


def _compare_contents() -> None:
    by_time = snakemake.io._IOFile.is_newer
    check_by_time = snakemake.dag.DAG.check_output_mtime
    older_than_script = snakemake.jobs.Job.outputs_older_than_script_or_notebook

    async def is_newer(file: Any, time: float) -> bool:
        triggers = file.rule.workflow.rerun_triggers
        if own.is_own(file.rule) and RerunTrigger.PARAMS in triggers:
            return False
        return bool(await by_time(file, time))

    async def check_output_mtime(dag: Any, job: Any, expanded_output: Any) -> None:
        """Accept a job whose inputs have time stamps in the future, because contents are compared.

        Snakemake would delete its results, because they are older than its inputs.
        """
        if not own.is_own(job.rule):
            await check_by_time(dag, job, expanded_output)

    async def outputs_older_than_script(job: Any) -> AsyncIterator[Any]:
        """Find none, because the parameter `code` of a job says whether its code changed.

        Without crossfc's own profile, Snakemake would look at the time stamp of the script.
        """
        if not own.is_own(job.rule):
            async for path in older_than_script(job):
                yield path

    snakemake.io._IOFile.is_newer = is_newer
    snakemake.jobs.Job.outputs_older_than_script_or_notebook = outputs_older_than_script
    snakemake.dag.DAG.check_output_mtime = check_output_mtime


def _say_more() -> None:
    advise = snakemake.workflow.Workflow.log_provenance_info

    def log_provenance_info(workflow: Any) -> None:
        """Log advice after a dry run; following Snakemake's own would make all results again."""
        jobs = [
            job
            for job in workflow.dag.needrun_jobs(exclude_finished=False)
            if workflow.dag.reason(job).is_provenance_triggered()
        ]
        if any(own.is_own(job.rule) for job in jobs):
            logger.info(
                "crossfc: the same arguments after `python scripts/crossfc why` say why each job "
                "would run; where a change makes no difference, --touch takes the results as they "
                "are"
            )
        if not own.all_own(jobs):
            advise(workflow)

    snakemake.workflow.Workflow.log_provenance_info = log_provenance_info
