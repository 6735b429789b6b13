"""Every file and every column that crossfc writes is described, and no other."""

from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crossfc import atomic
from crossfc.bids import BIDSIGNORE
from crossfc.bundle.folder import write_bundle
from crossfc.clinic.carryover import edge_carryover, score_carryover
from crossfc.clinic.cells import CellDesign, cell_model
from crossfc.clinic.change import change_between_groups
from crossfc.clinic.occasion import occasion_table
from crossfc.clinic.score import paired_scores
from crossfc.group.design.people import people_table
from crossfc.group.design.side import weight_tables
from crossfc.group.edges import edge_rows
from crossfc.group.findings.joint import joint_table
from crossfc.group.findings.pairs_of_groups import pairs_table
from crossfc.outputs import Column, Output, document, outputs, sidecar
from crossfc.plan import Plan
from crossfc.provenance import Provenance, Versions
from crossfc.quality.exclusion import quality_table
from crossfc.report.checklist import write_checklist
from crossfc.report.cobidas import cobidas
from crossfc.report.consort import consort
from crossfc.report.methods import Methods
from crossfc.table import read_table
from crossfc.trial.document import load_yaml
from tests.clinic.test_change import TREATMENTS
from tests.clinic.test_several import GROUPS, several
from tests.report.report_specimen import ROOT, read

# What is written where there is a run, not by the functions that make the specimen.
OF_RUNS = {
    *("report.html", "methods.md", "references.bib", "README", ".bidsignore", "provenance.json"),
    *("quality.html", "people/<person>.html"),
}
SHEETS = "trial/sheets/"


def test_a_pattern_holds_what_it_stands_for():
    column = Column("mean_<group>_<treatment>", "mean", "Fisher z")
    assert column.holds("mean_TRD_ketamine") and not column.holds("loo_mean_TRD_ketamine")
    table = Output("a/<analysis>/x.tsv", "a table", (column, Column("mean_TRD_b", "another")))
    assert table.is_at("a/drug_TRD/x.tsv") and not table.is_at("a/b/c/x.tsv")
    assert table.column("mean_TRD_b").description == "another"
    assert table.column("mean_TRD_c") is column and table.column("sd") is None
    assert Output("s/*_qc.json", "a record").is_at("s/sub-1_desc-a_qc.json")


def test_a_sidecar_describes_the_columns_that_a_table_has():
    table = Output("x.tsv", "A table.", (Column("n", "People."), Column("sd_<x>", "SD.", "mm")))
    assert sidecar(table, ["sd_left", "n", "else"]) == {
        "Description": "A table.",
        "sd_left": {"Description": "SD.", "Units": "mm"},
        "n": {"Description": "People."},
    }


def test_the_document_has_every_file_and_column():
    told = document(outputs())
    for output in outputs():
        assert f"## `{output.path}`" in told and output.description in told
        for column in output.columns:
            assert f"| `{column.name}` | {column.description} | {column.unit} |" in told


@pytest.fixture(scope="module")
def written(found, tmp_path_factory) -> dict[str, list[str]]:
    """Every file of a study, from its folder, and the columns of tables."""
    files = {str(p.relative_to(found.folder)): p for p in found.folder.rglob("*") if p.is_file()}
    names = ["drug_TRD", "drug_TRD_pooled"]
    folders = {name: found.folder / "group/primary" / name for name in names}
    family = tmp_path_factory.mktemp("family") / "family.tsv"
    atomic.write_table(family, joint_table([names], folders))
    files["group/primary/family.tsv"] = family
    lists = tmp_path_factory.mktemp("checklists")
    of_study = read(found)
    rows = {"cobidas": cobidas(of_study, Methods([], [], None), {}, None)}
    rows["consort_crossover"] = consort(of_study, None)
    for name, own in rows.items():
        write_checklist(lists / f"{name}.tsv", own)
        files[f"checklists/{name}.tsv"] = lists / f"{name}.tsv"
    # Trials of one occasion and two periods have no such tables.
    further = {
        "occasions": occasion_table([], [], ["TRD"], ["MADRS"])[0],
        "carryover": score_carryover([], [], ["MADRS"], ["low"]),
        "edge_carryover": edge_carryover([], [], {}, ["low"]),
    }
    clinic = tmp_path_factory.mktemp("clinic")
    for name, table in further.items():
        atomic.write_table(clinic / f"{name}.tsv", table)
        files[f"clinic/{name}.tsv"] = clinic / f"{name}.tsv"
    # Of a trial that is no crossover of two treatments the mixed model has other columns.
    mixed = tmp_path_factory.mktemp("mixed") / "mixed.tsv"
    edges = read_table(found.folder / "group/primary/pairs/edges.tsv")
    weights = [("ketamine", None, 1.0), ("placebo", None, -1.0)]
    design: CellDesign = {"groups": ["TRD"], "n_periods": 2,
                          "contrasts": [{"contrast": "drug", "weights": weights}]}  # fmt: skip
    atomic.write_table(mixed, cell_model(edges, design))
    files["group/other/mixed.tsv"] = mixed
    # Trials of three and more groups have a table, and columns of a table, of their own.
    pairs = family.with_name("pairs_of_groups.tsv")
    atomic.write_table(pairs, pairs_table({"drug": names}, folders))
    files["group/primary/pairs_of_groups.tsv"] = pairs
    files |= _bundle(found, [*folders.values()], tmp_path_factory.mktemp("shared") / "bundle")
    columns = {
        name: path.read_text().split("\n")[0].split("\t") if name.endswith(".tsv") else []
        for name, path in files.items()
    }
    scores = several(np.random.default_rng(0))
    table = change_between_groups(scores, TREATMENTS, GROUPS, ["MADRS"])
    columns["clinic/between_groups.tsv"] += list(table.columns)
    for path, more in _of_other_designs(found, tmp_path_factory.mktemp("design")).items():
        columns[path] = [*columns.get(path, ()), *more]
    return columns


def _of_other_designs(found, folder) -> dict[str, list[str]]:
    """Return the columns that trials of more periods, occasions and contrasts have besides."""
    first = found.plan.people.sessions_of_people()[0]
    func = found.folder / first["participant_id"] / first["session_id"] / "func"
    edges = func.glob("*desc-primary_relmat.tsv")
    [relmat] = (path for path in edges if "_stat-pearson_" not in path.name)
    [record] = func.glob("*desc-primary_qc.json")
    session = first | {"occasion": "day2"}
    limits = found.plan.config["exclusion"]
    person = {"participant_id": "sub-T01", "group": "TRD", "sequence": "a-b-c", "period_2": 0.5,
              "sessions": ["ses-1"], "weights": [1.0]}  # fmt: skip
    baseline = person | {"baseline_sessions": ["ses-0"], "baseline_weights": [1.0]}
    score = person | {"scale": "MADRS", "active": 9, "control": 8, "baseline": 7}
    design = Plan(load_yaml(ROOT / "config/twin_williams.yaml"), ROOT)
    sheets = {"participants": "participant_id\tgroup\tsequence\nsub-1\tHV\tn/a\n",
              "sessions": "participant_id\tsession_id\ttreatment\tperiod\tscan\n"}  # fmt: skip
    for name, text in sheets.items():
        (folder / f"{name}.tsv").write_text(text)
    ready = {
        **{"study": "x", "entry": "maps", "maps": {"level": "contrast", "pattern": "{seed}"}},
        "sheets": {name: str(folder / f"{name}.tsv") for name in sheets},
        **{"groups": ["HV"], "treatments": ["a", "b"]},
        **{"derivatives_dir": str(folder), "results_dir": str(folder)},
    }
    tables = {
        "group/primary/pairs/edges.tsv": edge_rows([session], [relmat]),
        "quality/sessions.tsv": quality_table([session], [record], limits),
        "group/primary/pairs/people.tsv": people_table(
            [person], TREATMENTS, {"patients": "TRD"}, ["period_2"]
        ),
        "group/primary/pairs/baseline.tsv": weight_tables([baseline], baseline=True)[
            "baseline.tsv"
        ],
        "clinic/scores.tsv": paired_scores(pd.DataFrame([score]), ["TRD"], ["MADRS"], ["period_2"]),
    }
    found_columns = {path: list(table.columns) for path, table in tables.items()}
    counts = [*design.trial.counts(), *Plan(ready, ROOT).trial.counts()]
    found_columns["trial/counts.tsv"] = [column for row in counts for column in row]
    return found_columns | {"group/primary/pairs/baseline.npy": []}


def _bundle(found, analyses, out) -> dict[str, Path]:
    """Write the bundle of a specimen; return its files but for the sidecars of maps."""
    methods, record = out.with_name("methods.md"), out.with_name("provenance.json")
    methods.write_text("## Design\n")
    # What a run records; only the names of its parts are looked at here.
    atomic.write_json(record, dict.fromkeys(Provenance.__annotations__ | Versions.__annotations__))
    sources = {
        "evidence": str(found.folder / "clinic/evidence.tsv"),
        "sessions": str(found.folder / "quality/sessions.tsv"),
        "methods": str(methods),
        "provenance": str(record),
    }
    options = found.plan.bundle.options()
    write_bundle(out, analyses, sources, options, found.plan.bundle.people(), "0.1.0")
    there = [path for path in out.rglob("*") if path.is_file()]
    return {
        f"bundle/{path.relative_to(out)}": path
        for path in there
        if path.suffix != ".json" or path.parent == out
    }


def test_every_file_and_column_is_described_once(written):
    described = outputs()
    for path, columns in written.items():
        kinds = [output for output in described if output.is_at(path)]
        assert len(kinds) == 1, f"{path} is described {len(kinds)} times"
        for column in columns:
            assert kinds[0].column(column), f"{path}: the column {column} is not described"


def test_nothing_is_described_that_nobody_writes(written):
    for output in outputs():
        tables = [columns for path, columns in written.items() if output.is_at(path)]
        of_runs = output.path in OF_RUNS or output.path.startswith(SHEETS)
        assert bool(tables) != of_runs, output.path
        if of_runs:
            continue
        held = {output.column(name) for columns in tables for name in columns}
        unwritten = [column.name for column in output.columns if column not in held]
        assert not unwritten, f"{output.path}: nobody writes {', '.join(unwritten)}"


def test_what_bids_has_no_name_for_is_left_out_of_its_validation(written):
    """Below a study's folder only sessions, and what BIDS itself has there, are judged."""
    ignored = BIDSIGNORE.splitlines()
    of_bids = {"participants.tsv", "dataset_description.json", "README", ".bidsignore"}
    for path in written:
        first = path.split("/")[0]
        known = any(fnmatch(first, pattern) for pattern in ignored)
        assert known or first in of_bids or first.startswith("sub-"), path
