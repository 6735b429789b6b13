"""Data sets to make sheets from: the real ketamine trial, and a small one of empty files."""

import tarfile

import pytest
import yaml

from crossfc.trial import config as configuration
from crossfc.trial.new_sheets import write_sheets


@pytest.fixture(scope="module")
def schema(root):
    return configuration.load_schema(root / "workflow/schemas/config.schema.yaml")


def shipped(root, schema, name, bids_dir, out):
    """Return a shipped configuration, with its sheets in another folder."""
    config = yaml.safe_load((root / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
    config = configuration.check(config, schema) | {"bids_dir": str(bids_dir)}
    for key in ("participants", "sessions"):
        config["sheets"][key] = str(out / f"{key}.tsv")
    for key in ("scales", "seeds", "targets"):
        config["sheets"][key] = str(root / config["sheets"][key])
    return config


def unpack(archive, folder):
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="tar")
    (bids_dir,) = folder.iterdir()
    return bids_dir


@pytest.fixture(scope="module")
def ketamine(shared_data, root, schema, tmp_path_factory):
    archive = shared_data / "ds005917_v1.0.1_metadata.tar.gz"
    bids_dir = unpack(archive, tmp_path_factory.mktemp("ketamine"))
    config = shipped(root, schema, "ds005917", bids_dir, tmp_path_factory.mktemp("sheets"))
    return config, write_sheets(config)[0]


@pytest.fixture
def made(tmp_path, root, schema):
    """Make a BIDS data set of empty files; give a function from dataset keys to a config."""
    bids_dir = tmp_path / "bids"

    def touch(*paths):
        for path in paths:
            (bids_dir / path).parent.mkdir(parents=True, exist_ok=True)
            (bids_dir / path).write_bytes(b"")

    def make(people=None, table=None, **dataset):
        for person in ("01", "02"):
            for session in ("1", "2"):
                stem = f"sub-{person}/ses-{session}"
                touch(f"{stem}/func/sub-{person}_ses-{session}_task-rest_bold.nii.gz")
                touch(f"{stem}/anat/sub-{person}_ses-{session}_T1w.nii.gz")
        if people is not None:
            (bids_dir / "participants.tsv").write_text(people, encoding="utf-8")
        if table is not None:
            (bids_dir / "phenotype.tsv").write_text(table, encoding="utf-8")
            dataset |= {"phenotype": ["phenotype.tsv"]}
        mapping = {
            "group": {},
            "sessions": {"ses-1": {"treatment": "drug"}, "ses-2": {"treatment": "placebo"}},
            "sequence": {},
        }
        sheets = {key: str(tmp_path / f"{key}.tsv") for key in ("participants", "sessions")}
        sheets |= {
            key: str(root / "config" / f"{key}.tsv") for key in ("scales", "seeds", "targets")
        }
        config = {
            "study": "made",
            "entry": "raw",
            "bids_dir": str(bids_dir),
            "sheets": sheets,
            "groups": {"patients": "P", "controls": "C" if "group" in dataset else None},
            "treatments": {"active": "drug", "control": "placebo"},
            "dataset": mapping | dataset,
        }
        return configuration.check(config, schema)

    make.touch = touch
    return make
