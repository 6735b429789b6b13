"""The viewer: its data are those of the maps, and a reader finds them there without a network."""

import json
import re

import nibabel
import numpy as np
import pandas as pd
import pytest

from crossfc.group.findings.region import Atlas
from crossfc.report import slices
from crossfc.report.display_name import displayed
from crossfc.report.number import fixed
from crossfc.report.viewer import MOST_BYTES, viewer
from tests.report.browser import browser, chromium
from tests.report.test_packed_volume import numbers, unpacked

ANALYSIS, SEED = "drug_TRD", "pgACC"


@pytest.fixture(scope="module")
def shown(found, found_results):
    """The viewer of the study with effects."""
    return viewer(found_results, found.arguments["atlas"])


@pytest.fixture(scope="module")
def data(shown):
    """What its script reads."""
    return json.loads(shown.data)


@pytest.fixture(scope="module")
def image(found):
    """The map of one seed."""
    path = found.folder / f"group/primary/{ANALYSIS}/seed-{SEED}_stat-t_statmap.nii.gz"
    return nibabel.load(path)


def _map(data, analysis=ANALYSIS, seed=SEED):
    (section,) = [one for one in data["analyses"] if one["name"] == analysis]
    (found,) = [one for one in section["maps"] if one["name"] == seed]
    return found


def _grid(data, one):
    inside = data["insides"][one["inside"]]
    grid = data["grids"][inside["grid"]]
    voxels = numbers(inside["voxels"], int(np.prod(grid["shape"])))
    return grid, np.reshape(voxels, grid["shape"]) > 0


def test_every_map_of_the_primary_pipeline_is_there(found, shown, data):
    names = {(a["name"], one["name"]) for a in data["analyses"] for one in a["maps"]}
    files = (found.folder / "group/primary").glob("*/seed-*_stat-[tF]_statmap.nii.gz")
    assert names == {(path.parent.name, path.name[5:].partition("_")[0]) for path in files}
    assert set(shown.maps) == names
    assert shown.left_out == []


def test_values_are_those_of_the_image_on_its_grid(data, image):
    one = _map(data)
    grid, inside = _grid(data, one)
    assert grid["shape"] == list(image.shape)
    assert np.array(grid["to_mm"]) == pytest.approx(image.affine[:3])
    assert np.array(grid["from_mm"]) == pytest.approx(np.linalg.inv(image.affine)[:3])
    values = image.get_fdata()
    assert (inside == np.isfinite(values)).all()
    read = unpacked(one["values"], inside, data["step"])
    assert data["step"] == 0.01
    assert np.abs(read - values)[inside].max() <= 0.00501


def test_clusters_have_the_p_of_the_tables(found_results, data):
    for analysis in found_results.analyses:
        for row in analysis.clusters.to_dict("records"):
            one = _map(data, analysis.name, row["seed"])
            grid, _ = _grid(data, one)
            labels = np.reshape(numbers(one["clusters"], np.prod(grid["shape"])), grid["shape"])
            place = [row["x"], row["y"], row["z"], 1]
            label = labels[tuple(np.rint(np.array(grid["from_mm"]) @ place).astype(int))]
            assert label > 0
            assert one["p"][label - 1] == analysis.p_of(row)
            assert one["significant"][label - 1] == (row["p_fwe_cluster"] < 0.05)


def test_regions_are_the_atlas_s(found, data):
    grid, _ = _grid(data, _map(data))
    which = numbers(grid["labels"], int(np.prod(grid["shape"])))
    atlas = Atlas(found.arguments["atlas"]["image"], found.arguments["atlas"]["table"])
    voxels = np.indices(grid["shape"]).reshape(3, -1).T
    places = voxels @ np.array(grid["to_mm"])[:, :3].T + np.array(grid["to_mm"])[:, 3]
    for n in range(0, len(places), 53):
        assert grid["regions"][which[n]] == atlas.name(*places[n])


def test_every_listed_peak_can_be_reached(found, data):
    for analysis in data["analyses"]:
        peaks = pd.read_csv(
            found.folder / "group/primary" / analysis["name"] / "peaks.tsv", sep="\t"
        )
        for one in analysis["maps"]:
            own = peaks[peaks["seed"] == one["name"]]
            assert [peak["at"] for peak in one["peaks"]] == own[["x", "y", "z"]].values.tolist()
            for peak, stat in zip(one["peaks"], own["stat"], strict=True):
                assert f"= {fixed(stat)};" in peak["words"]


def test_the_scale_is_that_of_the_pictures(data, found_results):
    analysis = next(a for a in found_results.analyses if a.name == ANALYSIS)
    told = next(a for a in data["analyses"] if a["name"] == ANALYSIS)
    paths = [analysis.statmap(seed, "t") for seed in analysis.seeds]
    assert told["threshold"] == analysis.threshold()
    assert told["top"] == slices.scale_limit(paths, analysis.threshold())
    assert told["scale"] == "t (ketamine − placebo)"


def test_where_room_is_short_values_are_coarser_and_then_maps_are_left_out(
    found, found_results, shown, data
):
    atlas = found.arguments["atlas"]
    values = sum(len(one["values"]) for a in data["analyses"] for one in a["maps"])
    whole = len(shown.data)
    coarser = viewer(found_results, atlas, most_bytes=whole - values // 8)
    assert coarser.step in ("0.02", "0.05")
    assert len(coarser.data) <= whole - values // 8
    assert coarser.maps == shown.maps and coarser.left_out == []
    fewer = viewer(found_results, atlas, most_bytes=whole - 3 * values // 4)
    assert fewer.step == "0.1"
    assert len(fewer.data) <= whole - 3 * values // 4
    assert 0 < len(fewer.maps) < len(shown.maps)
    assert fewer.maps == shown.maps[: len(fewer.maps)]
    assert len(fewer.left_out) == len(shown.maps) - len(fewer.maps)
    assert viewer(found_results, atlas, most_bytes=1000) is None


def test_the_page_says_where_the_viewer_is_and_what_it_holds(found_page, shown):
    assert found_page.all("a", href="#viewer")
    assert f"{len(shown.maps)} maps on the template" in found_page.text
    assert "Values are rounded to 0.01." in found_page.text
    assert len(found_page.all("figure", **{"data-map": " "})) == len(shown.maps)
    # Without a script nothing but a sentence is seen.
    assert "hidden" in found_page.all("button", id="viewer-open")[0]
    assert "hidden" in found_page.all("div", id="viewer-panel")[0]
    assert "This part needs JavaScript. The pictures above show the same maps." in found_page.text
    assert len(found_page.raw) < MOST_BYTES


def test_display_names_change_sentences_beside_the_script_and_nothing_in_it(found_page):
    named = displayed(found_page.raw, {"pgACC": "perigenual ACC"})
    scripts = re.compile("<script.*?</script>", re.DOTALL)
    assert scripts.findall(named) == scripts.findall(found_page.raw)
    # What follows the viewer is read as before.
    behind = found_page.raw[found_page.raw.index('id="viewer-data"') :]
    assert "perigenual ACC" not in behind and "pgACC" in scripts.sub("", behind)
    assert "perigenual ACC" in scripts.sub("", named[named.index('id="viewer-data"') :])


# In a browser -------------------------------------------------------------------------------------

needs_chromium = pytest.mark.skipif(chromium() is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def tab(found_page):
    """The page, opened from the disk."""
    with browser() as running:
        yield running.open(found_page.path)


def _fact(tab, name):
    return tab.evaluate(f"document.querySelector('[data-fact={name}]').textContent")


def _place(tab):
    told = _fact(tab, "place").replace("−", "-")
    return np.array([float(v) for v in re.findall(r"[-\d.]+", told)])


def _open(tab):
    """Open the viewer by the keyboard, unless it is open."""
    if tab.evaluate("document.getElementById('viewer-panel').hidden"):
        tab.evaluate("document.getElementById('viewer-open').focus()")
        tab.press("Enter")
        tab.wait("document.querySelector('[data-fact=value]').textContent")


@needs_chromium
def test_nothing_is_read_before_it_is_opened_nor_from_elsewhere(tab, found_page):
    assert tab.evaluate("document.getElementById('viewer-analysis').length") == 0
    _open(tab)
    assert tab.evaluate("document.getElementById('viewer-analysis').length") > 1
    assert tab.messages == []
    own = found_page.path.resolve().as_uri()
    assert [url for url in tab.requests if not url.startswith("data:")] == [own]


@needs_chromium
def test_keys_move_the_cross_and_the_value_is_that_of_the_image(tab, image, found):
    _open(tab)
    size = np.abs(np.diag(image.affine))[:3]
    atlas = Atlas(found.arguments["atlas"]["image"], found.arguments["atlas"]["table"])
    moves = [
        (0, "ArrowLeft", (0, -1, 0)), (0, "ArrowUp", (0, 0, 1)), (0, "PageUp", (1, 0, 0)),
        (1, "ArrowLeft", (-1, 0, 0)), (1, "PageDown", (0, -1, 0)), (2, "ArrowDown", (0, -1, 0)),
        (2, "ArrowRight", (1, 0, 0)), (2, "PageDown", (0, 0, -1)),
    ]  # fmt: skip
    values = image.get_fdata()
    for cut, key, step in moves:
        before = _place(tab)
        tab.evaluate(f"document.querySelectorAll('#viewer .cut canvas')[{cut}].focus()")
        tab.press(key)
        place = _place(tab)
        assert place == pytest.approx(before + np.array(step) * size)
        voxel = np.linalg.inv(image.affine)[:3] @ [*place, 1]
        value = values[tuple(np.rint(voxel).astype(int))]
        shown = _fact(tab, "value")
        if np.isnan(value):
            assert shown == "outside the search volume"
        else:
            assert float(shown.replace("−", "-")) == pytest.approx(value, abs=0.00501)
        assert _fact(tab, "region") == (atlas.name(*place) or "an unnamed region")
    assert tab.messages == []


@needs_chromium
def test_a_peak_of_the_list_is_reached(tab, found):
    _open(tab)
    chosen = tab.evaluate(
        "(async () => {const peak = document.querySelectorAll('#viewer-peaks button')[1];"
        "peak.click(); return peak.textContent + ' ' + peak.getAttribute('aria-pressed')})()"
    )
    assert chosen.endswith(" true")
    peaks = pd.read_csv(found.folder / f"group/primary/{ANALYSIS}/peaks.tsv", sep="\t")
    peak = peaks[peaks["seed"] == SEED].iloc[1]
    assert _place(tab) == pytest.approx(peak[["x", "y", "z"]].astype(float))
    assert _fact(tab, "value") == fixed(peak["stat"])
    assert _fact(tab, "cluster").startswith("corrected p")


@needs_chromium
def test_a_cut_is_drawn_as_the_picture_is(tab, image, found_results):
    """Left is left: the pixels are those of the page's own drawing, template and map."""
    _open(tab)
    tab.evaluate("document.querySelectorAll('#viewer-peaks button')[0].click()")
    analysis = next(a for a in found_results.analyses if a.name == ANALYSIS)
    volume = slices.Volume.load(analysis.statmap(SEED, "t"))
    top = slices.scale_limit([analysis.statmap(s, "t") for s in analysis.seeds], None)
    at = _place(tab)
    for axis, name in enumerate("xyz"):
        drawn = slices._panel(volume, name, at[axis], analysis.threshold(), top).astype(int)
        height, width = drawn.shape[:2]
        pixels = tab.evaluate(
            f"(() => {{const c = document.querySelectorAll('#viewer .cut canvas')[{axis}];"
            f"const s = document.createElement('canvas'); s.width = {width}; s.height = {height};"
            f"const d = s.getContext('2d'); d.drawImage(c, 0, 0, {width}, {height});"
            f"return Array.from(d.getImageData(0, 0, {width}, {height}).data)}})()"
        )
        seen = np.reshape(pixels, (height, width, 4))
        inside = (seen[..., 3] == 255) & (drawn[..., 3] == 255)
        assert inside.mean() > 0.3
        off = np.abs(seen - drawn)[..., :3].max(axis=-1)[inside]
        # The template is coarser here, and cross and outline lie above it.
        assert np.median(off) < 4
        assert (off > 25).mean() < 0.08
        mirrored = np.abs(seen[:, ::-1] - drawn)[..., :3].max(axis=-1)[inside]
        assert (mirrored > 25).mean() > 2 * (off > 25).mean()


@needs_chromium
def test_another_map_and_threshold(tab, found_results):
    _open(tab)
    tab.evaluate(
        "(() => {const s = document.getElementById('viewer-analysis'); s.value = 'group_by_drug';"
        "document.querySelector('[data-fact=value]').textContent = '';"
        "s.dispatchEvent(new Event('change'));})()"
    )
    tab.wait("document.querySelector('[data-fact=value]').textContent")
    analysis = next(a for a in found_results.analyses if a.name == "group_by_drug")
    told = "document.getElementById('viewer-threshold-value').textContent"
    assert tab.evaluate(told) == fixed(analysis.threshold())
    tab.evaluate("document.getElementById('viewer-threshold').focus()")
    tab.press("ArrowRight")
    assert float(tab.evaluate(told)) > analysis.threshold()
    tab.evaluate("document.getElementById('viewer-threshold-reset').click()")
    assert tab.evaluate(told) == fixed(analysis.threshold())
    assert tab.messages == []


@needs_chromium
def test_without_scripts_a_sentence_says_where_the_maps_are(found_page):
    with browser() as running:
        tab = running.open(found_page.path, scripts=False)
        seen = "getComputedStyle(document.getElementById('{}')).display"
        assert tab.evaluate(seen.format("viewer-without")) != "none"
        assert tab.evaluate(seen.format("viewer-open")) == "none"
        assert tab.evaluate(seen.format("viewer-panel")) == "none"
