"""A finished session is there with all its files, or the group says which one is not."""

import pytest

from crossfc.fault import Fault
from crossfc.session import layout
from crossfc.session.connectivity.folder import finished_session

PLACE = "sub-01", "ses-a", "rest"


def test_finished_session_names_what_the_layout_names(tmp_path):
    place = *PLACE, tmp_path, "MNI", "primary", ["x", "y"]
    named = layout.connectivity(*place)
    files = [*named["maps"], named["timeseries"], named["relmat"], named["qc"]]
    files[0].parent.mkdir(parents=True)
    for path in files:
        path.write_text("{}")
    assert finished_session(*place) == named
    for path in files:
        path.unlink()
        with pytest.raises(Fault, match=f"{path.name} does not exist.*remove the folder"):
            finished_session(*place)
        path.write_text("{}")
