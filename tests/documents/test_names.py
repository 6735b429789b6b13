"""Paths, keys of the configuration, files of results and links that documents name are there."""

import re
from pathlib import Path

import pytest
import yaml

from crossfc.outputs import outputs
from crossfc.trial.config import load_schema
from tests.documents.block import documents

CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Where a path may begin: in the repository, or (as architecture.md has it) a part of the package.
BEGINNINGS = (
    "",
    "scripts/crossfc/",
    "scripts/",
    "workflow/",
    "docs/",
    "config/",
)
# What a reader makes, or has: no part of the repository.
OF_READERS = {
    *("config/my_trial/config.yaml", "config/ratings.tsv", "config/practice/config.yaml"),
    *("config/practice/participants.tsv", "config/practice/sessions.tsv", "data/practice"),
    *("config/practice/ratings.tsv", "logs/CITATION.md", "task-rest_bold.json"),
}
# Made by `make`, and no part of the repository either.
MADE = {"results/<study>/logs/", "benchmarks/latest.json", "site/"}


def files_of_results(root) -> list[re.Pattern]:
    """The names of docs/outputs.md as patterns, with `<word>` and `*` for anything."""
    names = [own.path for own in outputs(root / "workflow/schemas/outputs.yaml")]
    return [re.compile(re.sub(r"<[^>]*>|\\\*", ".*", re.escape(name))) for name in names]


@pytest.fixture(scope="module")
def texts(root) -> dict[str, str]:
    found = documents(root)
    return {name: re.sub(r"(?ms)^ *```.*?^ *```", "", text) for name, text in found.items()}


def slugs(text: str) -> set[str]:
    """The anchors of a document's headings, as forges make them."""
    heads = re.findall(r"^#{1,6} (.+?)\s*$", re.sub(r"(?ms)^```.*?^```", "", text), re.MULTILINE)
    plain = [re.sub(r"[`*]|\]\([^)]*\)|\[", "", head) for head in heads]
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in plain}


def test_relative_links_and_their_anchors_lead_somewhere(root):
    more = {name: (root / name).read_text() for name in ("config/README.md", "CHANGELOG.md")}
    for name, text in (documents(root) | more).items():
        for link in LINK.findall(re.sub(r"(?ms)^ *```.*?^ *```", "", text)):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (root / name).parent / path if path else root / name
            assert target.exists(), f"{name}: {link}"
            if anchor:
                assert anchor in slugs(target.read_text()), f"{name}: {link}"


def is_path(code: str) -> bool:
    """Test whether code in a document is a path: it has an ending, or a slash at its end."""
    ending = re.search(r"\.(py|smk|yaml|tsv|json|md|html|j2|nii\.gz|bib|cff|lock|toml|npy)$", code)
    return bool(re.fullmatch(r"[\w*<{][\w./*<>{}-]+", code)) and bool(ending or code.endswith("/"))


def test_paths_are_there_or_are_described_results(root, texts):
    described = files_of_results(root)
    missing = []
    of_results = [own.pattern.rsplit("/", 1)[-1] for own in described]
    for name, text in texts.items():
        # One is generated; the other names parts of the package in the context of its sentences.
        if name in ("docs/outputs.md", "docs/architecture.md"):
            continue
        for code in sorted({code for code in CODE.findall(text) if is_path(code)}):
            path = re.sub(r"^results/<study>/", "", code)
            if code in OF_READERS | MADE or path in ("results/<study>/", ""):
                continue
            pattern = re.sub(r"<[^>]*>|\{[^}]*\}|…", "*", code)
            here = any(any(root.glob(f"{own}{pattern}".rstrip("/"))) for own in BEGINNINGS)
            made = any(own.fullmatch(path) for own in described)
            made |= any(re.fullmatch(own, path) for own in of_results)
            folder = code.endswith("/") and any(
                own.pattern.replace("\\", "").startswith(path.replace("<primary>", ".*"))
                or re.match(re.sub(r"<[^>]*>|\*", "[^/]*", path), own.pattern.replace("\\", ""))
                for own in described
            )
            if not (here or made or folder or is_told(code)):
                missing.append(f"{name}: {code}")
    assert not missing, missing


def is_told(code: str) -> bool:
    """Test whether a name is of another's files, or of a folder that any study may have."""
    of_others = {
        *("dataset_description.json", "participants.tsv", "sessions.tsv", "my_study.yaml"),
        *("phenotype/", "sub-01/ses-1/func/", "sub-01/anat/", "data/", "derivatives/", ".crossfc/"),
        *("unblinding.tsv", "results/<study>/", "analysis_plan.json", "analysis_plan.md"),
        *("scales.tsv", "logs/slurm/", "logs/sheets.log", "README.md", "people/", "checklists/"),
        *("logs/", "results/", "site/"),
        # Parts of described names, which the test of the tutorial finds.
        *("group/<pipeline>/pairs/", "group/primary/drug_MDD/"),
        "sub-*/ses-*/func/*_boldmap.nii.gz",
    }
    # A name without a folder stands in the context of one that was named before.
    return code in of_others or "/" not in code or code.startswith(("*_", "results/ds005917/"))


def test_keys_of_the_configuration_are_there(root, texts):
    schema = load_schema(root / "workflow/schemas/config.schema.yaml")
    key = re.compile(r"[a-z_]+(\.([a-z_]+|<name>))+")
    asked = 0
    for name, text in texts.items():
        for code in CODE.findall(text):
            if not key.fullmatch(code) or is_path(code):
                continue
            first = code.split(".")[0]
            if first not in schema["properties"]:
                continue
            asked += 1
            assert resolves(schema, code.split(".")), f"{name}: {code}"
    assert asked > 50


def resolves(schema: dict, way: list[str]) -> bool:
    """Follow a key through the schema; of an object with any names, any word will do."""
    for choice in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if not way:
            return True
        inner = choice.get("properties", {}).get(way[0])
        if inner is None and isinstance(choice.get("additionalProperties"), dict):
            inner = choice["additionalProperties"]
        if inner is not None and resolves(inner, way[1:]):
            return True
    return not way


def test_a_key_that_is_not_there_is_told(root):
    schema = load_schema(root / "workflow/schemas/config.schema.yaml")
    assert resolves(schema, ["pipelines", "<name>", "fwhm_mm"])
    assert not resolves(schema, ["pipelines", "<name>", "fwhm"])
    assert not resolves(schema, ["group", "permutation"])


def test_how_to_cite_is_what_the_citation_file_says(root):
    said = yaml.safe_load((root / "CITATION.cff").read_text())
    text = (root / "docs/cite.md").read_text()
    authors = [
        own.get("name") or f"{own['given-names']} {own['family-names']}" for own in said["authors"]
    ]
    plain, entry = text.split("```bibtex")[0].replace("\n> ", " "), text.split("```bibtex")[1]
    for own in (*authors, said["title"], f"Version {said['version']}", said["license"]):
        assert own in plain, own
    assert f"version = {{{said['version']}}}" in entry and said["title"] in entry
    assert all(author in entry for author in authors)
    assert said.get("doi") is None or said["doi"] in text


def test_every_page_of_the_site_is_in_its_menu(root):
    site = yaml.safe_load((root / "mkdocs.yml").read_text())
    pages = re.findall(r": (\S+\.md)", yaml.safe_dump(site["nav"], width=1000))
    own = {path.name for path in (root / "docs").glob("*.md")}
    outside = {"index.md", "configuration.md", "changelog.md", "contributing.md"}
    assert sorted(pages) == sorted(own | outside)
    assert Path(root / site["hooks"][0]).is_file()
