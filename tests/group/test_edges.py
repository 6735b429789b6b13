"""The long table of edges."""

import numpy as np
import pandas
import pytest

from crossfc import atomic
from crossfc.group.edges import edge_rows
from crossfc.table import read_table

SESSIONS = [
    {"participant_id": f"sub-{i}", "group": "TRD", "session_id": "ses-1", "treatment": "ketamine"}
    for i in range(3)
]


@pytest.fixture
def tables(tmp_path):
    paths = []
    for i in range(3):
        path = tmp_path / f"{i}.tsv"
        table = pandas.DataFrame(
            {
                "seed": ["pgACC", "dACC"],
                "insulaR": [0.1 * i, 0.2],
                "pgACC": [np.nan, 0.3 + i],
                "dACC": [0.3 + i, np.nan],
                "lost": [np.nan, np.nan if i else 0.5],
            }
        )
        atomic.write_table(path, table)
        paths.append(path)
    return paths


def edges_of(table) -> list[str]:
    return sorted(set(table["seed"] + "-" + table["target"]))


def test_edges_are_long_and_each_stands_once(tables, tmp_path):
    table = edge_rows(SESSIONS, tables)
    # pgACC-dACC and dACC-pgACC are one edge; a seed with itself is none.
    assert edges_of(table) == ["dACC-insulaR", "dACC-lost", "dACC-pgACC", "pgACC-insulaR"]
    assert len(table) == 12
    own = table[(table["participant_id"] == "sub-2") & (table["target"] == "insulaR")]
    assert dict(zip(own["seed"], own["fisher_z"], strict=True)) == {"pgACC": 0.2, "dACC": 0.2}
    atomic.write_table(tmp_path / "edges.tsv", table)
    assert read_table(tmp_path / "edges.tsv")["fisher_z"].isna().sum() == 2


def test_regions_of_one_name_and_other_values_are_two_edges(tables):
    table = pandas.read_csv(tables[0], sep="\t")
    table.loc[table["seed"] == "dACC", "pgACC"] = 0.9
    atomic.write_table(tables[0], table)
    assert "pgACC-dACC" in edges_of(edge_rows(SESSIONS, tables))
