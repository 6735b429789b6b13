"""The rules of the workflow as Snakemake knows them, of every entry and tool together."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

# Configurations that together have every rule: of the demo, of raw scans, and of fMRIPrep's run.
FMRIPREP = {"space": "MNI152NLin2009cAsym", "preprocessing": {"tool": "fmriprep-run"}}
FMRIPREP["preprocessing"] |= {"fmriprep": {"fs_license": "license.txt"}}
EVERY = (
    ("config.yaml", {}),
    ("twin_raw.yaml", {}),
    ("twin_raw.yaml", FMRIPREP | {"twin": None, "bids_dir": "raw"}),
)


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes
    ----------
    file : str
        The rule file, such as group.smk.
    script, environment : path or None
        Relative to the repository.
    logs : bool
        Whether it has a log.
    local : bool
        Whether its jobs run where Snakemake runs, not on a cluster.
    params : list of str
        Names of its parameters.
    code : str or None
        What its parameter ``code`` is for a job.
    resources : dict
        Number asked for at the first and at the second attempt, where attempts alone decide; None
        where the size of the data decides too.
    """

    file: str
    script: Path | None
    environment: Path | None
    logs: bool
    local: bool
    params: list[str]
    code: str | None
    resources: dict[str, tuple[int, int] | None]


def workflow_rules(root: Path, folder: Path) -> dict[str, Rule]:
    """Load the workflow in processes of their own, in an empty folder; return its rules by name."""
    (folder / "license.txt").touch()
    rules: dict[str, Rule] = {}
    for name, config in EVERY:
        words = [sys.executable, "-m", __name__, str(root), name, json.dumps(config)]
        environment = os.environ | {"PYTHONPATH": str(root)}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for rule, known in json.loads(done.stdout.splitlines()[-1]).items():
            for key in ("script", "environment"):
                known[key] = known[key] and Path(known[key])
            asked = known["resources"].items()
            known["resources"] = {key: attempts and tuple(attempts) for key, attempts in asked}
            rules[rule] = Rule(**known)
    return rules


def _told(root: Path, name: str, config: dict) -> dict[str, dict]:
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[root / "config" / name], config=config),
            snakefile=root / "Snakefile",
        )._workflow
        return {rule.name: asdict(_rule(rule, root)) for rule in workflow.rules}


def _rule(rule, root: Path) -> Rule:
    file = Path(str(rule.snakefile))

    def of_repository(path: str | None) -> str | None:
        return path and os.path.relpath(file.parent / path, root)

    return Rule(
        file.name,
        of_repository(rule.script),
        of_repository(rule.conda_env),
        bool(rule.log),
        rule.name in rule.workflow._localrules,
        [key for key, _ in rule.params.items()],
        rule.params.code(None) if "code" in dict(rule.params.items()) else None,
        {
            key: _attempts(resource)
            for key, resource in rule.resources.items()
            if key in ("mem_mb", "runtime")
        },
    )


def _attempts(resource) -> tuple[int, int] | None:
    given = {"input": None, "threads": 1}
    try:
        first, second = (resource.evaluate(None, attempt=n, **given).value for n in (1, 2))
    except AttributeError:  # it looks at the inputs too
        return None
    return first, second


if __name__ == "__main__":
    print(json.dumps(_told(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))))
