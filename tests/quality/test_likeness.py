"""A session that belongs to somebody else is named; everybody's own are not."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from crossfc import template
from crossfc.quality.likeness import COLUMNS, MARGIN, likeness

PEOPLE = [f"sub-{n:02d}" for n in range(1, 6)]


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """Reference images of five people with two sessions: own sulci, bias and noise of the day."""
    folder = tmp_path_factory.mktemp("references")
    standard = template.brain(4)
    shared = 1500 - 900 * standard.get_fdata()
    brain = template.brain_mask(4).get_fdata() > 0
    places = np.indices(standard.shape) / 40
    found = {}
    for n, person in enumerate(PEOPLE):
        own = ndimage.gaussian_filter(np.random.default_rng(n).normal(size=shared.shape), 1.2)
        own *= 60 / own.std()
        for session in ("ses-1", "ses-2"):
            rng = np.random.default_rng([n, int(session[-1])])
            bias = np.exp(np.tensordot(rng.normal(0, 0.3, 3), places, 1))
            image = (shared + own + rng.normal(0, 40, shared.shape)) * bias * brain
            path = folder / f"{person}_{session}.nii.gz"
            nib.save(nib.Nifti1Image(image.astype(np.float32), standard.affine), path)
            found[person, session] = path
    return found


def _table(references, labels=None):
    labels = labels or {key: key for key in references}
    rows = [{"participant_id": p, "session_id": s} for p, s in references]
    return likeness(rows, [references[labels[key]] for key in references])


def test_everybodys_own_sessions_are_most_alike(references):
    table = _table(references)
    assert tuple(table) == COLUMNS
    assert len(table) == 10
    assert (table["own_correlation"] > table["other_correlation"] + MARGIN).all()
    assert (table["note"] == "").all()
    assert (table["participant_id"] != table["other_participant"]).all()


def test_swapped_sessions_are_named(references):
    first, second = ("sub-02", "ses-2"), ("sub-04", "ses-2")
    labels = {key: key for key in references} | {first: second, second: first}
    noted = (
        _table(references, labels).query("note != ''").set_index(["participant_id", "session_id"])
    )
    # All four sessions miss their other half.
    assert sorted(noted.index) == [(p, s) for p in ("sub-02", "sub-04") for s in ("ses-1", "ses-2")]
    assert noted.loc[first, "other_participant"] == "sub-04"
    assert noted.loc[first, "other_session"] == "ses-1"
    assert "sub-02 ses-2 looks more like sub-04 ses-1" in noted.loc[first, "note"]
    assert "than like its own ses-1" in noted.loc[first, "note"]


def test_whoever_has_one_session_or_none_is_not_noted(references):
    keys = list(references)[1:]
    rows = [{"participant_id": p, "session_id": s} for p, s in keys]
    table = likeness(rows, [None if k == keys[-1] else references[k] for k in keys])
    assert len(table) == 8
    alone = table[table["participant_id"].isin(["sub-01", "sub-05"])]
    assert alone["own_correlation"].isna().all()
    assert (alone["note"] == "").all()
    assert likeness(rows[1:3], [references[k] for k in keys[1:3]]).empty


def test_another_grid_makes_no_difference(references, tmp_path):
    key = ("sub-03", "ses-1")
    image = nib.load(references[key])
    from nilearn.image import resample_img

    other = resample_img(image, np.diag([-3.0, 3, 3]), copy_header=True, force_resample=True)
    nib.save(other, tmp_path / "other.nii.gz")
    table = _table(references | {key: tmp_path / "other.nii.gz"})
    assert (table["note"] == "").all()


def test_whoever_was_bent_like_somebody_else_looks_like_nobody(references, tmp_path):
    """A scan on another person's T1w: displaced details, a boundary that is not seen."""
    key = ("sub-03", "ses-1")
    image = nib.load(references[key])
    shifted = ndimage.shift(image.get_fdata(), (1.5, -1.5, 1), order=1)
    nib.save(nib.Nifti1Image(shifted.astype(np.float32), image.affine), tmp_path / "bent.nii.gz")
    rows = [
        {"participant_id": p, "session_id": s, "boundary_cost": 0.67 if (p, s) == key else 0.43}
        for p, s in references
    ]
    paths = [tmp_path / "bent.nii.gz" if k == key else path for k, path in references.items()]
    table = likeness(rows, paths)
    noted = table[table["note"] != ""]
    assert set(noted["participant_id"]) == {"sub-03"}
    note = noted.set_index("session_id").loc["ses-1", "note"]
    assert "sub-03 ses-1 is unlike its own ses-2" in note
    assert "boundary costs 0.67 in sub-03 ses-1 (other people's sessions 0.43)" in note
    assert "boundary" not in noted.set_index("session_id").loc["ses-2", "note"]
    # Of two people nobody can say what is usual.
    assert not likeness(rows[2:6], paths[2:6])["note"].str.contains("other people's").any()
