"""Pages of made-up studies, written once."""

import pytest

from crossfc.report.results import Results
from tests.report.report_page import Page, page_of
from tests.report.report_specimen import Specimen, make, read


@pytest.fixture(scope="session")
def found(tmp_path_factory) -> Specimen:
    """A study with a strong effect in two seeds."""
    return make(tmp_path_factory.mktemp("found"), effect=1.0, truth=True, carpets=6)


@pytest.fixture(scope="session")
def null(tmp_path_factory) -> Specimen:
    """A study without any effect."""
    return make(tmp_path_factory.mktemp("null"), effect=0.0, truth=True, random=11)


@pytest.fixture(scope="session")
def found_page(found, tmp_path_factory) -> Page:
    """Its page."""
    return page_of(found, tmp_path_factory.mktemp("pages") / "found.html")


@pytest.fixture(scope="session")
def null_page(null, tmp_path_factory) -> Page:
    """Its page."""
    return page_of(null, tmp_path_factory.mktemp("pages") / "null.html")


@pytest.fixture(scope="session")
def found_results(found) -> Results:
    """Results with effects."""
    return read(found)


@pytest.fixture(scope="session")
def null_results(null) -> Results:
    """Results without."""
    return read(null)
