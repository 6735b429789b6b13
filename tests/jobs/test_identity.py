"""What a file holds is told apart whatever its time stamp, and a copy of it is not."""

import gzip
import os
import shutil
from pathlib import Path

import pytest

from crossfc.jobs.identity import Identities, listing

DAY = 86_400


@pytest.fixture
def identities(tmp_path):
    return Identities(tmp_path / "memory.json")


def image(folder: Path, content: bytes, name: str = "map.nii.gz") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content, mtime=0))
    return path


@pytest.mark.parametrize("name", ["map.nii.gz", "map.nii", "table.tsv", "bold.json"])
def test_another_content_of_the_same_size_and_time(tmp_path, identities, name):
    path = tmp_path / name
    pack = gzip.compress if name.endswith(".gz") else bytes
    path.write_bytes(pack(b"a" * 1000))
    stamp = os.stat(path)
    before = identities.of(path)
    other = tmp_path / "other"
    other.write_bytes(pack(b"b" * 1000))
    assert other.stat().st_size == stamp.st_size
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    os.replace(other, path)
    assert identities.of(path) != before


@pytest.mark.parametrize("name", ["map.nii.gz", "table.tsv"])
def test_touched_or_copied(tmp_path, identities, name):
    path = image(tmp_path, b"content", name)
    before = identities.of(path)
    os.utime(path, (path.stat().st_mtime - DAY,) * 2)
    assert identities.of(path) == before
    copy = Path(shutil.copy(path, tmp_path / f"copy_{name}"))
    assert identities.of(copy) == before
    link = tmp_path / f"link_{name}"
    link.symlink_to(copy)
    assert identities.of(link) == before


def test_compressed_image_is_not_read_as_a_whole(tmp_path, identities):
    path = image(tmp_path, os.urandom(100_000))
    before = identities.of(path)
    with open(path, "r+b") as content:
        content.seek(50_000)
        content.write(b"\0" * 10)
    # Damaged on the disk: its job says so when it reads it.
    assert before.startswith("gzip:") and identities.of(path) == before


def test_gzip_whose_last_bytes_tell_nothing_is_read_as_a_whole(tmp_path, identities):
    # Blocked gzip (bgzip, pigz -i) ends with an empty block.
    end = gzip.compress(b"", mtime=0)
    path = tmp_path / "map.nii.gz"
    path.write_bytes(gzip.compress(b"a" * 100, mtime=0) + end)
    before = identities.of(path)
    path.write_bytes(gzip.compress(b"b" * 100, mtime=0) + end)
    assert before.startswith("sha256:") and identities.of(path) != before


@pytest.mark.parametrize("content", [b"", b"/annex/objects/MD5E-s1", b"\x1f\x8b" + b"\0" * 5])
def test_what_is_no_image_is_told_too(tmp_path, identities, content):
    path = tmp_path / "map.nii.gz"
    path.write_bytes(content)
    assert identities.of(path).startswith("sha256:")


def test_what_is_not_there(tmp_path, identities):
    (tmp_path / "dangling.nii.gz").symlink_to("../.git/annex/objects/gone")
    assert identities.of(tmp_path / "dangling.nii.gz") is None
    assert identities.of(tmp_path / "none.tsv") is None


def test_digest_is_read_once_and_remembered(tmp_path, monkeypatch):
    path = tmp_path / "confounds.tsv"
    path.write_text("trans_x\n0\n")
    # Long enough ago that another change would have another time.
    monkeypatch.setattr("crossfc.jobs.identity.time.time", lambda: path.stat().st_ctime + 10)
    first = Identities(tmp_path / "memory.json")
    found = first.of(path)
    first.save()
    second = Identities(tmp_path / "memory.json")
    monkeypatch.setattr("crossfc.jobs.identity.hashlib.file_digest", None)
    assert second.of(path) == found
    (tmp_path / "memory.json").write_text("{")
    with pytest.raises(TypeError):
        Identities(tmp_path / "memory.json").of(path)


def test_folder_is_told_by_what_it_holds(tmp_path, identities):
    folder = tmp_path / "func"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/map.nii").write_bytes(b"abc")
    (folder / ".snakemake_timestamp").touch()
    assert listing(folder) == {"deep/map.nii": 3}
    before = identities.of(folder)
    (folder / ".DS_Store").touch()
    assert identities.of(folder) == before
    (folder / "map.json").touch()
    assert identities.of(folder) != before
