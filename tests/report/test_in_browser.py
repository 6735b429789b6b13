"""The page in a headless Chromium: what a reader sees, reaches and prints."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.report.browser import browser, chromium, kept, violations
from tests.report.report_page import page_of
from tests.report.test_blinded import BLIND

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium here")
needs_axe = pytest.mark.skipif(
    "CROSSFC_AXE" not in os.environ, reason="no axe-core here (CROSSFC_AXE names axe.min.js)"
)


@pytest.fixture(scope="module")
def tab(found_page):
    """The page, opened from the disk."""
    with browser() as running:
        yield running.open(found_page.path)


def _bottom(tab, selector):
    """Return where the last element that fits the selector ends, in pixels of the page."""
    return tab.evaluate(
        f"Math.max(...[...document.querySelectorAll('{selector}')]"
        ".map(e => e.getBoundingClientRect().bottom + scrollY))"
    )


def test_the_first_screen_holds_question_answers_and_picture(tab, found_results):
    kept(tab, "first_screen_1440")
    for selector in (".first .lines li", ".main-picture svg", ".who"):
        assert 0 < _bottom(tab, selector) <= 900
    answers = tab.evaluate("document.querySelectorAll('.first .lines li').length")
    assert answers == len(found_results.hypotheses)
    picture = "document.querySelector('.main-picture svg').getBoundingClientRect()"
    assert tab.evaluate(f"{picture}.width") > 200 and tab.evaluate(f"{picture}.height") > 60


def test_a_phone_shows_question_and_answers_first(found_page):
    with browser() as running:
        tab = running.open(found_page.path, 390, 844)
        kept(tab, "first_screen_390")
        assert 0 < _bottom(tab, "h1") < _bottom(tab, ".first .lines li") <= 844


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_is_cut_off_nor_wider_than_the_window(found_page, width):
    with browser() as running:
        tab = running.open(found_page.path, width)
        tab.evaluate("document.getElementById('open-all').click()")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        # Wide tables scroll in a box of their own; nothing else may stick out of the page.
        outside = tab.evaluate(
            "[...document.querySelectorAll('main *')].filter(e => {"
            " if (e.parentElement.closest('.box, svg, canvas, pre') || e.matches('.hidden'))"
            "   return false;"
            " const r = e.getBoundingClientRect();"
            f" return r.width && (r.right > {width} + 1 || r.left < -1);"
            "}).map(e => e.tagName + '.' + e.className).slice(0, 5)"
        )
        assert outside == []
        kept(tab, f"open_{width}")


def test_it_asks_nobody_and_nothing_fails(found_page):
    with browser() as running:
        tab = running.open(found_page.path)
        tab.evaluate("document.getElementById('open-all').click()")
        tab.evaluate("document.getElementById('viewer-open').click()")
        tab.wait("document.querySelector('[data-fact=value]').textContent")
        assert tab.messages == []
        own = found_page.path.resolve().as_uri()
        assert [url for url in tab.requests if not url.startswith(("data:", "blob:"))] == [own]


def test_contents_lead_to_what_they_name(tab):
    links = tab.evaluate("[...document.querySelectorAll('nav.toc a')].map(a => a.hash.slice(1))")
    assert len(links) > 8 and len(set(links)) == len(links)
    tab.evaluate("document.getElementById('close-all').click()")
    # Without waiting for the page to glide there.
    tab.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    for anchor in links:
        top, below, height = tab.evaluate(
            f"(async () => {{const to = document.getElementById('{anchor}');"
            f"document.querySelector('nav.toc a[href=\"#{anchor}\"]').click();"
            "await new Promise(r => setTimeout(r, 30));"
            "const r = to.getBoundingClientRect(), all = document.documentElement.scrollHeight;"
            "return [r.top, all - scrollY - innerHeight, r.height]})()"
        )
        # At the top of the window, or as near as the end of the page allows.
        assert -2 <= top < 60 or below < 2, anchor
        assert height > 0, anchor
    tab.evaluate("scrollTo(0, 0)")


def test_every_chart_names_its_points_by_the_keyboard(tab):
    tab.evaluate("document.getElementById('open-all').click()")
    charts = tab.evaluate(
        "[...document.querySelectorAll('main svg.chart')].map((svg, n) => {svg.id = 'chart' + n;"
        " return [svg.id, [...svg.querySelectorAll('title')].map(t => t.textContent)]})"
        ".filter(own => own[1].length)"
    )
    assert len(charts) > 10
    tip = "document.querySelector('.tip')"
    for chart, names in charts:
        tab.evaluate(f"document.getElementById('{chart}').focus()")
        assert tab.evaluate("document.activeElement.id") == chart
        seen = []
        for _ in names:
            tab.press("ArrowRight")
            seen.append(tab.evaluate(f"{tip}.hidden ? '' : {tip}.textContent"))
        assert seen == names
        left = tab.evaluate(f"{tip}.getBoundingClientRect().left")
        assert 0 <= left < tab.evaluate(f"{tip}.getBoundingClientRect().right") <= 1440
    tab.press("Escape")
    assert tab.evaluate(f"{tip}.hidden")
    assert tab.messages == []


def test_printed_pages(found_page, tmp_path):
    with browser() as running:
        tab = running.open(found_page.path)
        screens = tab.evaluate("document.documentElement.scrollHeight") / 900
        tab.pdf(tmp_path / "page.pdf")
    assert screens < 20
    pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "page.pdf").read_bytes()))
    assert 3 < pages < 25
    if folder := os.environ.get("CROSSFC_ARTEFACTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "page.pdf", Path(folder) / "page.pdf")


@needs_axe
def test_axe_has_nothing_to_say(tab, found, tmp_path):
    assert violations(tab) == []
    tab.evaluate("document.getElementById('open-all').click()")
    tab.evaluate("document.getElementById('viewer-open').click()")
    tab.wait("document.querySelector('[data-fact=value]').textContent")
    assert violations(tab) == []
    with browser() as running:
        blinded = page_of(found, tmp_path / "blinded.html", blinding=BLIND)
        assert violations(running.open(blinded.path)) == []
