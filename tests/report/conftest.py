"""Pages of made-up studies, run and written once."""

import pytest

from crossfc.report.results import Results
from tests.report.report_page import Page, page_of
from tests.report.report_specimen import PIPELINES, Specimen, make, read

ANALYSES = [
    *("drug_TRD", "drug_TRD_pooled", "drug_TRD_by_subregion", "drug_HV", "drug_HV_pooled"),
    *("drug_HV_by_subregion", "group_by_drug", "group_by_drug_pooled"),
    *("group_by_drug_by_subregion", "carryover", "change_MADRS"),
]


@pytest.fixture(scope="session")
def found(tmp_path_factory) -> Specimen:
    """A study with a strong effect in two seeds."""
    return make(tmp_path_factory.mktemp("found"), truth=True, analyses=ANALYSES)


@pytest.fixture(scope="session")
def null(tmp_path_factory) -> Specimen:
    """A study without any effect."""
    primary = {"primary": PIPELINES["primary"]}
    few = [name for name in ANALYSES if "pooled" not in name]
    return make(
        tmp_path_factory.mktemp("null"), effect=0.0, truth=True, random=11, analyses=few,
        pipelines=primary,
    )  # fmt: skip


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
