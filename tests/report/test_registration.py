"""The page shows registrations that fit poorly and links all of them."""

import json

import pytest
from matplotlib import pyplot

from crossfc.report.page import write_report
from crossfc.report.registration import WORST, registrations


def _person(dice, warnings=()):
    return {"dice": dice, "correlation": 0.8, "jacobian_min": 0.21, "warnings": list(warnings)}


def _run(refined=True, warnings=(), cost=0.451):
    measured = {"dice_template": 0.953, "coverage_of_brain": 0.97, "boundary_refined": refined}
    measured |= {"dice": 0.934, "boundary_cost_taken": cost}
    measured |= {"left_right": "as the header says", "boundary_cost_mirrored": 0.84}
    measured |= {"boundary_cost_start": 0.475, "boundary_cost": 0.451}
    measured |= {"boundary_displacement_mm": 1.04}
    return {"Registration": measured, "Warnings": list(warnings)}


@pytest.fixture
def rows(tmp_path):
    said = {f"sub-{i:02d}": _person(0.99 - i / 100) for i in range(6)}
    said["sub-00"] = _person(0.99, ["the deformation is folded somewhere; look at the figure"])
    said["sub-01_task-rest_bold"] = _run()
    said["sub-02_task-rest_bold"] = _run(refined=False, cost=0.62)
    folder = tmp_path / "pre processed"
    folder.mkdir()
    figure = pyplot.figure(figsize=(1, 1))
    for name, content in said.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
        figure.savefig(folder / f"{name}.png")
    pyplot.close(figure)
    return [
        {
            "title": name,
            "picture": f"pre processed/{name}.png",
            "sidecar": f"pre processed/{name}.json",
        }
        for name in said
    ]


def test_warned_ones_come_first_then_the_worst_of_each_kind(rows, tmp_path):
    found = registrations(rows, tmp_path)
    titles = [one.title.split("_")[0] + ("_bold" if "_" in one.title else "") for one in found]
    # The run whose boundary costs most before the other, whatever its brain's mask overlaps.
    assert titles[:5] == ["sub-00", "sub-02_bold", "sub-05", "sub-01_bold", "sub-04"]
    assert len(found) == len(rows)
    assert [bool(one.source) for one in found] == [True] * WORST + [False] * (len(rows) - WORST)
    by_title = {one.title: one.numbers for one in found}
    said = by_title["sub-01_task-rest_bold"]
    assert "boundary's cost 0.45, 0.47 before" in said
    assert "moved the brain by 1.0 mm" in said
    assert "left and right as the header says (cost of the mirrored T1w 0.84)" in said
    assert "overlap by 0.934" in said
    assert "0.953" not in said  # that of the T1w's own mask says nothing of the run
    assert "not refined" in by_title["sub-02_task-rest_bold"]


def test_what_was_not_made_is_not_shown(rows, tmp_path):
    (tmp_path / rows[0]["picture"]).unlink()
    (tmp_path / rows[1]["sidecar"]).unlink()
    assert len(registrations(rows, tmp_path)) == len(rows) - 2


def test_the_page_has_them(rows, tmp_path):
    config = {"study": "s", "groups": {"patients": "a"}, "pipelines": {"primary": {}}}
    config |= {"treatments": {"active": "drug", "control": "placebo"}, "entry": "raw"}
    write_report(
        tmp_path / "report.html", config=config, made=[], pipelines=["primary"], registrations=rows
    )
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png") == WORST
    assert '<a href="pre%20processed/sub-03.png">sub-03</a>' in page
    assert "sub-00:</strong> the deformation is folded" in page
    write_report(tmp_path / "report.html", config=config, made=[], pipelines=["primary"])
    assert "Registrations" not in (tmp_path / "report.html").read_text()
