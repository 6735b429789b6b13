"""A file whose content is elsewhere is named as what it is, with the command that fetches it."""

import pytest

from crossfc import content
from crossfc.fault import Fault
from crossfc.group.design.volume import load
from crossfc.session.scan import open_header, open_scan
from crossfc.session.sidecar import read_sidecar, sidecar_paths
from crossfc.trial.sheet import read_sheet

KEY = "MD5E-s270688--dc7e47b55cf45cb84bd441c76ab079d6.nii.gz"
READERS = {
    "bold.nii.gz": open_scan,
    "head.nii.gz": open_header,
    "map.nii.gz": load,
    "scores.tsv": lambda path: read_sheet(path, ()),
    "bold.json": lambda path: read_sidecar([path]),
}


def link_into_annex(path):
    path.symlink_to(f"../../.git/annex/objects/Q5/p9/{KEY}/{KEY}")


def link_into_annex_of_a_subdataset(path):
    path.symlink_to(f"../.git/modules/deriv/annex/objects/Q5/p9/{KEY}/{KEY}")


def link_elsewhere(path):
    path.symlink_to("/scratch/gone/bold.nii.gz")


STAND_INS = {
    "link into annex": (link_into_annex, "is a link into git-annex .*datalad get {path}"),
    "link into a subdataset": (link_into_annex_of_a_subdataset, "is a link into git-annex .*"),
    "link": (link_elsewhere, "is a link to /scratch/gone/bold.nii.gz, where nothing is; "),
    "unlocked annex": (
        lambda path: path.write_text(f"/annex/objects/{KEY}\n"),
        "is a pointer of git-annex .*datalad get {path}",
    ),
    "link as text": (
        lambda path: path.write_text(f"../../.git/annex/objects/Q5/p9/{KEY}/{KEY}"),
        "is a pointer of git-annex .*datalad get {path}",
    ),
    "lfs": (
        lambda path: path.write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
        ),
        "is a pointer of Git LFS .*git lfs pull --include {path}",
    ),
    "folder": (lambda path: path.mkdir(), "is a folder,? where a file is due"),
    "loop": (lambda path: path.symlink_to(path.name), "cannot be .*levels of symbolic links"),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", STAND_INS)
def test_every_reader_names_a_stand_in(tmp_path, name, kind):
    make, sentence = STAND_INS[kind]
    path = tmp_path / name
    make(path)
    with pytest.raises(Fault, match=f"{name} " + sentence.replace("{path}", str(path))) as caught:
        READERS[name](path)
    assert "\n" not in str(caught.value)


def test_a_dangling_sidecar_of_a_higher_folder_is_not_dropped(tmp_path):
    (tmp_path / "sub-01/func").mkdir(parents=True)
    link_into_annex(tmp_path / "task-rest_bold.json")
    paths = sidecar_paths(tmp_path, "sub-01/func/sub-01_task-rest_bold.nii.gz")
    with pytest.raises(Fault, match="task-rest_bold.json is a link into git-annex"):
        read_sidecar(paths)


def test_small_files_with_content_of_their_own_pass(tmp_path):
    for number, text in enumerate(("a\tb\n", "{}", "annex/objects", "version https://git")):
        (tmp_path / f"{number}.tsv").write_text(text)
        assert content.absence(tmp_path / f"{number}.tsv") is None
    (tmp_path / "fetched.tsv").symlink_to("0.tsv")
    assert content.absence(tmp_path / "fetched.tsv") is None


def test_what_does_not_exist_says_who_needs_it(tmp_path):
    with pytest.raises(Fault, match="gone.tsv does not exist, which row 3 needs; correct row 3"):
        content.require(tmp_path / "gone.tsv", "which row 3 needs", "correct row 3")
    (tmp_path / "empty.nii").touch()
    with pytest.raises(Fault, match="empty.nii is empty .*which row 3 needs; copy or fetch"):
        content.require(tmp_path / "empty.nii", "which row 3 needs", "correct row 3")
