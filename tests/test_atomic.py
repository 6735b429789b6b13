"""Files are written whole or not at all, and their bytes depend on the content only."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfc import atomic


def everything(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@settings(max_examples=30, deadline=None)
@given(
    before=st.one_of(st.none(), st.binary(max_size=50)),
    pieces=st.lists(st.binary(max_size=20), max_size=5),
    stop=st.integers(0, 5),
)
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path_factory, before, pieces, stop):
    folder = tmp_path_factory.mktemp("out")
    path = folder / "table.tsv"
    if before is not None:
        path.write_bytes(before)
    failed = False
    try:
        with atomic.writing(path) as temporary, open(temporary, "wb") as out:
            for i, piece in enumerate(pieces):
                if i == stop:
                    raise OSError("disk full")
                out.write(piece)
                out.flush()
                # What readers see meanwhile is the old file, or none.
                assert path.exists() == (before is not None)
                assert before is None or path.read_bytes() == before
    except OSError:
        failed = True
    assert failed == (stop < len(pieces))
    if failed:
        assert everything(folder) == ([] if before is None else ["table.tsv"])
        assert before is None or path.read_bytes() == before
    else:
        assert everything(folder) == ["table.tsv"]
        assert path.read_bytes() == b"".join(pieces)


def test_the_folder_is_made_and_the_temporary_name_keeps_the_extension(tmp_path):
    path = tmp_path / "a" / "b" / "map.nii.gz"
    with atomic.writing(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.endswith("map.nii.gz")
        temporary.write_bytes(b"x")
    assert everything(path.parent) == ["map.nii.gz"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic.writing(tmp_path / "never.txt"):
        pass
    assert everything(tmp_path) == []


def test_keyboard_interrupt_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic.writing(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert everything(tmp_path) == []


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "a" / "drug"
    for name in ("first", "second"):
        with atomic.writing_folder(path) as temporary:
            assert everything(temporary) == []
            (temporary / name).write_text(name)
            (temporary / "deep").mkdir()
            mine = f".part{os.getpid()}_drug"
            assert everything(path.parent) == [mine, "drug"][: 2 if path.exists() else 1]
        assert everything(path.parent) == ["drug"]
        assert everything(path) == ["deep", name]
    with pytest.raises(KeyboardInterrupt), atomic.writing_folder(path) as temporary:
        (temporary / "third").write_text("half")
        raise KeyboardInterrupt
    assert everything(path.parent) == ["drug"] and everything(path) == ["deep", "second"]


def test_a_killed_process_leaves_the_old_folder(tmp_path, root):
    path = tmp_path / "drug"
    path.mkdir()
    (path / "old").write_text("whole")
    program = f"""
import os, signal
from crossfc import atomic

with atomic.writing_folder({str(path)!r}) as folder:
    (folder / "new").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    # Another's, whose name ends alike, is still being made.
    other = tmp_path / ".part7_my_drug"
    other.mkdir()
    with subprocess.Popen([sys.executable, "-c", program], cwd=root / "scripts") as killed:
        killed.wait()
    assert killed.returncode == -signal.SIGKILL
    left = f".part{killed.pid}_drug"
    assert everything(tmp_path) == sorted([left, other.name, "drug"])
    assert everything(path) == ["old"]
    with atomic.writing_folder(path) as temporary:
        (temporary / "new").write_text("whole")
    assert everything(tmp_path) == [other.name, "drug"] and everything(path) == ["new"]


def test_without_permission_nothing_gets_its_name(tmp_path, monkeypatch):
    (tmp_path / "drug").mkdir()
    (tmp_path / "drug/old").touch()
    monkeypatch.setattr(atomic, "permission", lambda: sys.exit("the run is gone"))
    with pytest.raises(SystemExit, match="gone"):
        atomic.write_text(tmp_path / "a.txt", "new")
    with pytest.raises(SystemExit, match="gone"), atomic.writing_folder(tmp_path / "drug"):
        pass
    assert everything(tmp_path) == ["drug"] and everything(tmp_path / "drug") == ["old"]


def test_json_is_valid_json_whatever_numbers_go_in(tmp_path):
    path = tmp_path / "qc.json"
    content = {
        "count": np.int64(3),
        "mean": np.float32(0.5),
        "none": float("nan"),
        "array": np.array([1.0, np.nan, np.inf]),
        "deep": [{"x": np.float64("nan")}, (1, 2)],
        "flag": np.bool_(True),
        "path": Path("a/b"),
        "text": "µm",
    }
    atomic.write_json(path, content)

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse) == {
        "count": 3,
        "mean": 0.5,
        "none": None,
        "array": [1.0, None, None],
        "deep": [{"x": None}, [1, 2]],
        "flag": True,
        "path": "a/b",
        "text": "µm",
    }
    assert path.read_text(encoding="utf-8").endswith("}\n")


def test_what_json_cannot_hold_leaves_no_file(tmp_path):
    with pytest.raises(TypeError):
        atomic.write_json(tmp_path / "a.json", {"x": object()})
    assert everything(tmp_path) == []


def test_tables_are_tab_separated_with_missing_values_and_every_digit(tmp_path):
    path = tmp_path / "t.tsv"
    x = np.array([1 / 3, np.nan, 1e-17])
    atomic.write_table(path, pd.DataFrame({"who": ["a", None, "c"], "x": x}))
    lines = path.read_text().splitlines()
    assert lines[0] == "who\tx"
    assert lines[2] == "n/a\tn/a"
    back = pd.read_csv(path, sep="\t", na_values="n/a", float_precision="round_trip")
    np.testing.assert_array_equal(back["x"], x)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), name=st.sampled_from(["a.nii.gz", "b_long_name.nii.gz"]))
def test_image_bytes_depend_on_content_only(tmp_path_factory, seed, name):
    folder = tmp_path_factory.mktemp("images")
    data = np.random.default_rng(seed).normal(size=(3, 4, 5)).astype(np.float32)
    first, second = folder / "x.nii.gz", folder / "later" / name
    atomic.save_image(first, nibabel.Nifti1Image(data, np.diag([2, 2, 2, 1])))
    atomic.save_image(second, nibabel.Nifti1Image(data.copy(), np.diag([2, 2, 2, 1])))
    assert first.read_bytes() == second.read_bytes()
    back = nibabel.load(second)
    np.testing.assert_array_equal(back.get_fdata(dtype=np.float32), data)
    np.testing.assert_array_equal(back.affine, np.diag([2, 2, 2, 1]))
    # Another content gives other bytes.
    data[0, 0, 0] += 1
    atomic.save_image(first, nibabel.Nifti1Image(data, np.diag([2, 2, 2, 1])))
    assert first.read_bytes() != second.read_bytes()


def test_gzip_header_holds_neither_name_nor_time(tmp_path):
    path = tmp_path / "x.nii.gz"
    atomic.save_image(path, nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)))
    raw = path.read_bytes()
    assert raw[3] == 0 and raw[4:8] == b"\0\0\0\0"
    assert len(gzip.decompress(raw)) == 352 + 8


def test_uncompressed_images_are_written_too(tmp_path):
    data = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    atomic.save_image(tmp_path / "x.nii", nibabel.Nifti1Image(data, np.eye(4)))
    np.testing.assert_array_equal(nibabel.load(tmp_path / "x.nii").dataobj, data)
    assert everything(tmp_path) == ["x.nii"]


def test_what_a_killed_process_left_goes(tmp_path):
    (tmp_path / ".part123_map.tsv").write_text("half of i")
    (tmp_path / ".part123_other.tsv").write_text("of a file that is not written")
    atomic.write_text(tmp_path / "map.tsv", "all of it")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".part123_other.tsv", "map.tsv"]


@given(
    numbers=st.lists(st.floats(allow_infinity=False, width=64), min_size=1, max_size=8),
)
def test_columns_are_written_as_a_table_is(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("columns")
    columns = {"seed": [f"s{i}" for i in range(len(numbers))], "x": np.array(numbers)}
    atomic.write_columns(folder / "a.tsv", columns)
    atomic.write_table(folder / "b.tsv", pd.DataFrame(columns))
    assert (folder / "a.tsv").read_bytes() == (folder / "b.tsv").read_bytes()
