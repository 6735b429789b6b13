"""Whatever stands in a config or a sheet, there is a plan or one sentence per cause.

Configs and sheets are spoilt at random (the same way in every run): keys set to what YAML can
hold, cells, rows, columns and bytes changed. No other exception than `Fault` may come of it, and
every line of one names a key or a file.
"""

import copy
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from crossfc.fault import LONGEST, MOST, Fault
from crossfc.plan import Plan
from crossfc.trial.config import load_schema
from crossfc.trial.document import load_yaml

ROOT = Path(__file__).parent.parent
SCHEMA = load_schema(ROOT / "workflow/schemas/config.schema.yaml")
SHEETS = ("participants", "sessions", "scales", "seeds", "targets")

WORDS = [
    "", " ", "n/a", "NA", "None", "-", ".", "yes", "null", "a b", "a;b", "a,b", "a.b",
    "1e999", "0x10",
    "$(touch spoilt)", "; touch spoilt ;", "' or 1", '"quoted"', "two\nlines", "a\ttab", "\r\n",
    "\0", "\x1b[31m", "\u202ereversed", "\ufeffx", "é", "日本語", "😀", "١٢", "../../etc",
    "/etc/passwd", "/", ".", "..", "a/../../b", "~", "~/x", "$HOME/x", "file:///etc", "s3://b/x",
    "http://127.0.0.1/x", "<script>alert(1)</script>", "{{7*7}}", "{0.__class__}", "{seed}",
    "{participant_id.__class__}", "{wildcards.x}", "{", "}", "{}", "*", "?", "[a", "%s%n",
    "x" * 300, "y" * 5000, "demo\n", "--help", "_", "sub-01", "ses-1",
    "ketamine", "placebo", "TRD", "HV",
    "MADRS", "pgACC", "maps", "pairs", "truth", "config", "CON", "\\", "|", "&&", "#",
    "1", "2", "3",
]  # fmt: skip
NUMBERS = [
    0, -1, 1, 2, 3, 99, 10**6, 10**18, 10**400, -(10**30), 2**63, 0.0, -0.0, 1.5, 1e-300,
    1e308, 3.0000001, 100.5, float("nan"), float("inf"), -float("inf"),
]  # fmt: skip
BYTES = [
    b":",
    b"- ",
    b"{",
    b"&a ",
    b"*a",
    b"!!str",
    b"",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\t",
    b"\n",
    b"\r",
    b'"',
    b"\0",
    b"'",
    b"\xe9",
    b"7",
]
PLAIN = st.sampled_from(WORDS) | st.sampled_from(NUMBERS) | st.sampled_from([None, True, False])
VALUES = st.recursive(
    PLAIN | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WORDS, 1, None]), inner)
    ),
    max_leaves=4,
)


def keys(schema, way=()):
    """Return every key of the schema with its own part of it."""
    for key, inner in schema.get("properties", {}).items():
        yield (*way, key), inner
        yield from keys(inner, (*way, key))
        further = inner.get("additionalProperties")
        if isinstance(further, dict):
            yield (*way, key, "primary"), further
            yield from keys(further, (*way, key, "primary"))


PLACES = dict(keys(SCHEMA))


def fitting(schema):
    """Values of the type that a key asks for, in its range: faults that types do not tell."""
    kinds = schema.get("type", ())
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if kinds & {"integer", "number"}:
        low = max(schema.get("minimum", 0), schema.get("exclusiveMinimum", 0))
        high = schema.get("maximum", 1000 * (1 + low))
        whole = st.integers(int(low), int(high)) if high - low >= 1 else st.just(high)
        return whole if "integer" in kinds else whole | st.floats(low, high)
    if "boolean" in kinds:
        return st.booleans()
    if "array" in kinds:
        return st.lists(fitting(schema.get("items", {})), max_size=3)
    if "object" in kinds:
        return st.dictionaries(st.sampled_from(WORDS), st.sampled_from(WORDS), max_size=2)
    return st.sampled_from(WORDS)


def base(entry):
    sheets = {name: f"{name}.tsv" for name in SHEETS}
    return {
        "study": "small", "entry": entry, "sheets": sheets,
        "groups": {"patients": "TRD", "controls": "HV"},
        "treatments": {"active": "ketamine", "control": "placebo"},
        "covariates": ["age", "sex"],
        "clinical": {"hypotheses": [{"seed": "pgACC", "target": "insulaR"}]},
    }  # fmt: skip


BASES = {
    "derivatives": base("fmriprep") | {"derivatives_dir": "derivatives"},
    "twin": base("fmriprep") | {"derivatives_dir": "derivatives", "twin": {}},
    "twin of effects": base("fmriprep") | {
        "derivatives_dir": "derivatives",
        "twin": {
            "design": {"people": {"TRD": 4, "HV": 3}, "orders": [["ketamine", "placebo"]]},
            "effects": [
                {"seed": "dACC", "target": "SMG", "treatment": "ketamine", "change": 0.3},
                {"seed": "dACC", "target": "SMG", "scale": "MADRS", "change": 0.02},
            ],
        },
    },
    "maps": base("maps") | {"derivatives_dir": "maps"},
    "raw": base("raw") | {"bids_dir": "data"},
    "raw twin": base("raw") | {"bids_dir": "data", "twin": {}},
    "fmriprep": base("raw") | {
        "space": "MNI152NLin2009cAsym",
        "preprocessing": {"tool": "fmriprep-run", "fmriprep": {"fs_license": "license.txt"}},
    },
}  # fmt: skip


def design():
    people, sessions = ["participant_id\tgroup\tsequence\tage\tsex\tt1w\texclude\treason"], [
        "participant_id\tsession_id\ttreatment\tperiod\tscan\tMADRS\texclude\treason"]  # fmt: skip
    for number, group in enumerate(["TRD"] * 4 + ["HV"] * 3, 1):
        person = f"sub-{number:02}"
        order = ("ketamine", "placebo")[:: 1 if number % 2 else -1]
        t1w = f"{person}/ses-1/anat/{person}_ses-1_T1w.nii.gz"
        people.append(f"{person}\t{group}\t{'-'.join(order)}\t{29 + 3 * number}\tF\t{t1w}\tno\tn/a")
        for period, treatment in enumerate(order, 1):
            stem = f"{person}/ses-{period}/func/{person}_ses-{period}_task-rest_bold.nii.gz"
            sessions.append(
                f"{person}\tses-{period}\t{treatment}\t{period}\t{stem}\t{10 + number}\tno\tn/a"
            )
    found = {"participants": people, "sessions": sessions}
    texts = {name: "\n".join(lines) + "\n" for name, lines in found.items()}
    shipped = {name: (ROOT / "config" / f"{name}.tsv").read_text("utf-8") for name in SHEETS[2:]}
    return texts | shipped


DESIGN = design()


def parts(value):
    """Return every place in a structure, as what holds it and its key or index there."""
    found = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in found:
        yield value, key
        if isinstance(inner, dict | list):
            yield from parts(inner)


def spoilt_bytes(draw, raw):
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw) - 1))
        until = at + draw(st.sampled_from([0, 1, 1, 5, 100]))
        raw = raw[:at] + draw(st.sampled_from(BYTES)) + raw[until:] or b"x"
    return raw


@st.composite
def spoilt_configs(draw):
    """Return a sound config with one to three keys set, added or removed."""
    config = copy.deepcopy(BASES[draw(st.sampled_from(sorted(BASES)))])
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            inner, last = draw(st.sampled_from(list(parts(config))))
            inner[last] = draw(VALUES)
            continue
        place = draw(st.sampled_from(sorted(PLACES)))
        *way, last = place
        how = draw(st.sampled_from(["set", "set", "set", "remove", "add"]))
        inner = config
        for key in way:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        if how == "remove":
            inner.pop(last, None)
        else:
            values = fitting(PLACES[place]) if draw(st.booleans()) else VALUES
            inner[draw(st.sampled_from(WORDS)) if how == "add" else last] = draw(values)
    return config


@st.composite
def spoilt_sheets(draw):
    """Return a sheet's name and its bytes, with some cells, rows, columns or bytes changed."""
    name = draw(st.sampled_from(SHEETS))
    raw = DESIGN[name].encode("utf-8")
    if draw(st.integers(0, 7)) == 0:
        return name, spoilt_bytes(draw, raw)
    rows = [line.split("\t") for line in DESIGN[name].splitlines()]
    cells = PLAIN.map(str_of)
    for _ in range(draw(st.integers(1, 3))):
        i, j = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, len(rows[0]) - 1))
        how = draw(
            st.sampled_from(["cell", "cell", "cell", "head", "repeat", "drop", "column", "new"])
        )
        if how in ("cell", "head"):
            row = rows[i if how == "cell" else 0]
            row[min(j, len(row) - 1)] = draw(cells)
        elif how == "repeat":
            rows.append(list(rows[i]))
        elif how == "drop" and len(rows) > 1:
            del rows[i]
        elif how == "column" and len(rows[0]) > 1:
            rows = [row[:j] + row[j + 1 :] or [""] for row in rows]
        elif how == "new":
            words = draw(st.lists(cells, min_size=len(rows), max_size=len(rows)))
            rows = [[*row, word] for row, word in zip(rows, words, strict=True)]
    text = "\n".join("\t".join(row) for row in rows) + "\n"
    return name, text.encode("utf-8", "surrogatepass")


def str_of(value):
    return str(value) if not isinstance(value, int) or abs(value) < 10**400 else "9" * 401


def use(plan):
    """Ask a plan for what the rules ask it for."""
    if plan.trial is None:
        return
    folder = os.path.abspath(plan.config["results_dir"])
    assert os.path.abspath(plan.study_dir).startswith(folder.rstrip("/") + "/")
    for session_folder in plan.connectivity.folders():
        assert os.path.abspath(session_folder).startswith(str(Path(folder) / plan.study_dir.name))
    (
        plan.trial.left(),
        plan.trial.counts(),
        plan.people.participants(),
        plan.people.sessions_of_people(),
    )
    (
        [plan.people.rows(contrast) for contrast in plan.contrasts()],
        plan.clinic.scores(),
        plan.designs(),
        plan.group.analyses(),
        plan.group.families(),
    )
    (
        [plan.group.test_choices(name) for name in plan.group.analyses()],
        plan.clinic.correlation_choices(),
    )
    (
        plan.clinic.correlated_scores(),
        plan.group.data_mb(),
        plan.regions.target_rows(),
        plan.connectivity.pipeline_choices(),
    )
    (
        plan.report.choices(),
        plan.report.contents(),
        plan.clinic.scales(),
        plan.connectivity.folder_pattern(),
        plan.quality_page.contents(),
    )
    (
        plan.preprocess.registrations(),
        plan.preprocess.versions(),
        plan.preprocess.anatomy(),
        plan.preprocess.native_pattern(),
    )
    if plan.config["twin"] is not None and plan.entry != "maps":
        plan.twin.scans(), plan.twin.truth(), plan.twin.planted_changes()
    for pipeline in plan.pipelines:
        for contrast in plan.contrasts():
            plan.group.pair_choices(pipeline, plan.group.folder(contrast))
        for looked_up in (
            lambda p=pipeline: plan.regions.files([p]),
            lambda p=pipeline: plan.group.ready_maps(p),
        ):
            try:
                looked_up()
            except Fault as fault:
                check_words(fault)
    json.dumps(plan.config)


def check_words(fault):
    lines = str(fault).split("\n")
    assert 0 < len(lines) <= MOST + 1
    for line in lines:
        assert line.strip() and len(line) <= LONGEST and line.isprintable(), line
        named = (
            "config key ",
            ".tsv",
            ".yaml",
            ".nii",
            "license",
            ", row 1",
            "derivatives",
            "maps",
            "data",
            "… and ",
        )
        assert any(word in line for word in named), line


def attempt(config):
    try:
        use(Plan(config, ROOT))
    except Fault as fault:
        check_words(fault)
        event("refused")
    else:
        event("planned")


OFTEN = settings(
    derandomize=True, deadline=None, database=None, max_examples=700,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow,
                           HealthCheck.large_base_example, HealthCheck.data_too_large],
)  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "license.txt").write_text("a licence\n")
    for name, text in DESIGN.items():
        (tmp_path / f"{name}.tsv").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", sorted(BASES))
def test_the_studies_that_are_spoilt_are_sound(folder, name):
    plan = Plan(copy.deepcopy(BASES[name]), ROOT)
    assert plan.trial is not None
    use(plan)


@pytest.mark.slow
@OFTEN
@given(config=spoilt_configs())
def test_a_spoilt_config_is_a_plan_or_a_sentence(folder, config):
    attempt(config)


@st.composite
def spoilt_documents(draw):
    """Return a shipped document with some bytes changed."""
    name = draw(st.sampled_from(["config", "ds005917", "strategies"]))
    return spoilt_bytes(draw, (ROOT / "config" / f"{name}.yaml").read_bytes())


@pytest.mark.slow
@OFTEN
@given(content=spoilt_documents())
def test_a_spoilt_document_is_read_or_a_sentence(folder, content):
    path = folder / "study.yaml"
    path.write_bytes(content)
    try:
        load_yaml(path)
    except Fault as fault:
        check_words(fault)


@pytest.mark.slow
@OFTEN
@given(name=st.sampled_from(sorted(BASES)), spoilt=spoilt_sheets())
def test_a_spoilt_sheet_is_a_plan_or_a_sentence(folder, name, spoilt):
    sheet, content = spoilt
    path = folder / f"{sheet}.tsv"
    path.write_bytes(content)
    try:
        attempt(copy.deepcopy(BASES[name]))
    finally:
        path.write_text(DESIGN[sheet], encoding="utf-8")
