"""Tables come back as they were written: what is missing is missing, and labels are words."""

import pandas as pd

from crossfc import atomic
from crossfc.table import read_table


def test_labels_stay_words_and_only_n_a_is_missing(tmp_path):
    table = pd.DataFrame(
        {
            "participant_id": ["01", "02", "nan"],
            "group": ["None", None, "NA"],
            "seed": ["1", "2", "null"],
            "occasion": ["01", "02", "02"],
            "value": [0.1, float("nan"), -2.5],
            "note": ["", "n/a", "words"],
        }
    )
    atomic.write_table(tmp_path / "table.tsv", table)
    back = read_table(tmp_path / "table.tsv")
    assert back["participant_id"].tolist() == ["01", "02", "nan"]
    assert back["group"].tolist()[::2] == ["None", "NA"] and back["group"].isna()[1]
    assert back["seed"].tolist() == ["1", "2", "null"]
    assert back["occasion"].tolist() == ["01", "02", "02"]
    assert back["value"].tolist()[::2] == [0.1, -2.5] and back["value"].isna()[1]
    assert back["note"].isna().tolist() == [True, True, False] and back["note"][2] == "words"
