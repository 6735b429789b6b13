"""The digest of a rule's code sees what its script can do, wherever it is written, and no words."""

import itertools
import re
import shutil
from pathlib import Path

import pytest

from crossfc.jobs import code

FAULT = """
class Fault(ValueError):
    def __init__(self, message):
        super().__init__(str(message))

def raise_all(faults):
    if faults:
        raise Fault("\\n".join(faults))
"""
BASE = {
    "rule.py": """
        from crossfc.jobs.job import job, note

        with job(snakemake):
            from crossfc import image
            from crossfc.mask import brain as brain_of

            note(snakemake, f"{image.mean(brain_of(3))} was found")
            print("done")
        """,
    "other.py": """
        from crossfc.mask import edge

        edge(2)
        """,
    "crossfc/__init__.py": '__version__ = "1"\n',
    "crossfc/fault.py": FAULT,
    "crossfc/jobs/__init__.py": "",
    "crossfc/jobs/job.py": """
        def job(snakemake): ...
        def note(snakemake, text): ...
        """,
    "crossfc/mask.py": '''
        """Masks."""

        from dataclasses import dataclass

        from crossfc import __version__
        from crossfc.fault import Fault, raise_all

        LIMIT = 0.5
        FACTOR = 2.0

        @dataclass(frozen=True)
        class Mask:
            """A mask."""

            inside: float
            name: str = "brain"

            def size(self) -> float:
                return self.inside * FACTOR

        def brain(value: float, least: float = LIMIT) -> Mask:
            """Return a mask."""
            # Not too small.
            if value < least:
                raise Fault(f"{value} is too small; choose another")
            faults = [f"{value} is odd"] if value % 2 else []
            if value < 0:
                faults.append("it is negative")
            raise_all(faults)
            print(__version__)
            return Mask(value)

        def edge(value):
            return value - 1
        ''',
    "crossfc/image.py": """
        import numpy as np

        def mean(mask):
            return _halved(mask.size(), 3)

        def _halved(value, depth):
            return np.array(value) if not depth else _quartered(value, depth - 1)

        def _quartered(value, depth):
            return _halved(value / 2, depth)
        """,
}
_numbers = itertools.count()


def text_of(text: str) -> str:
    lines = text.strip("\n").split("\n")
    start = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    return "\n".join(line[start:] for line in lines) + "\n"


@pytest.fixture
def written(tmp_path):
    """Write a package with changed files, and give its folder: None takes a file away."""

    def write(files=None, edits=()):
        folder = tmp_path / f"version{next(_numbers)}"
        contents = {k: text_of(v) for k, v in (BASE | (files or {})).items() if v is not None}
        for path, old, new in edits:
            assert contents[path].count(old) == 1, (path, old)
            contents[path] = contents[path].replace(old, new)
        for path, text in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        return folder

    return write


def digests(folder: Path) -> tuple[str, str]:
    return code.digest(folder / "rule.py"), code.digest(folder / "other.py")


def edit(path, old, new):
    return pytest.param([(path, old, new)], id=f"{old.strip()[:30]} -> {new.strip()[:30]}")


@pytest.mark.parametrize(
    "edits",
    [
        edit("crossfc/__init__.py", '"1"', '"2"'),
        edit("crossfc/mask.py", '"""Masks."""', '"""Masks of brains."""'),
        edit("crossfc/mask.py", '"""A mask."""', '"""One mask."""'),
        edit("crossfc/mask.py", '    """Return a mask."""\n', ""),
        edit("crossfc/mask.py", "# Not too small.", "# Large enough."),
        edit(
            "crossfc/mask.py", "value: float, least: float = LIMIT) -> Mask", "value, least=LIMIT)"
        ),
        edit("crossfc/mask.py", "inside: float", "inside: int | None"),
        edit("crossfc/mask.py", "is too small; choose another", "is not large enough"),
        edit("crossfc/mask.py", "is odd", "cannot be halved"),
        edit("crossfc/mask.py", "it is negative", "it is below zero"),
        edit("crossfc/jobs/job.py", "def job(snakemake): ...", "def job(snakemake): return 1"),
        edit("rule.py", "was found", "is what came out"),
        edit("rule.py", '"done"', '"finished"'),
        edit("rule.py", "import brain as brain_of", "import brain"),
        edit("crossfc/image.py", "import numpy as np", "import numpy as np\nimport re"),
    ],
)
def test_what_is_no_result_changes_no_digest(written, edits):
    if "brain as" in edits[0][1]:
        edits = [*edits, ("rule.py", "brain_of(3)", "brain(3)")]
    assert digests(written(edits=edits)) == digests(written())


@pytest.mark.parametrize(
    ("path", "old", "new", "changes"),
    [
        ("crossfc/mask.py", "value % 2", "value % 3", (True, False)),
        ("crossfc/mask.py", "LIMIT = 0.5", "LIMIT = 0.6", (True, False)),  # a default argument
        ("crossfc/mask.py", "FACTOR = 2.0", "FACTOR = 3.0", (True, False)),  # of a method
        ("crossfc/mask.py", "inside: float", "outside: float", (True, False)),
        ("crossfc/mask.py", 'str = "brain"', 'str = "head"', (True, False)),
        ("crossfc/mask.py", "inside: float", "inside: ClassVar[float]", (True, False)),
        ("crossfc/mask.py", "(frozen=True)", "(frozen=False)", (True, False)),
        ("crossfc/mask.py", "value - 1", "value - 2", (False, True)),
        ("crossfc/image.py", "value / 2", "value / 3", (True, False)),
        ("crossfc/image.py", "np.array", "np.asarray", (True, False)),
        ("crossfc/image.py", "import numpy as np", "import cupy as np", (True, False)),
        ("rule.py", "brain_of(3)", "brain_of(4)", (True, False)),
        ("rule.py", "import brain as", "import edge as", (True, False)),
    ],
)
def test_what_a_rule_can_reach_changes_its_digest_only(written, path, old, new, changes):
    before, after = digests(written()), digests(written(edits=[(path, old, new)]))
    assert tuple(a != b for a, b in zip(before, after, strict=True)) == changes


MOVED = {
    # `_quartered` and `_halved` need each other, over two modules.
    "crossfc/image.py": """
        from crossfc import halves as parts

        def mean(mask):
            return parts._halved(mask.size(), 3)

        def _quartered(value, depth):
            return parts._halved(value / 2, depth)
        """,
    "crossfc/halves.py": """
        from numpy import array

        def _halved(value, depth):
            from crossfc.image import _quartered
            return array(value) if not depth else _quartered(value, depth - 1)
        """,
}


def test_a_moved_function_changes_nothing(written):
    assert digests(written(MOVED)) == digests(written())
    far = [("crossfc/image.py", "value / 2", "value / 3")]
    assert digests(written(MOVED, far))[0] != digests(written())[0]
    assert digests(written(MOVED, far)) == digests(written({}, far))


def test_a_renamed_module_and_one_that_hands_on_change_nothing(written):
    renamed = {"crossfc/mask.py": None, "crossfc/deep/__init__.py": ""}
    renamed |= {"crossfc/deep/inside.py": BASE["crossfc/mask.py"]}
    rule = BASE["rule.py"].replace("crossfc.mask", "crossfc.deep.inside")
    other = BASE["other.py"].replace("crossfc.mask", "crossfc.deep.inside")
    before = digests(written())
    assert digests(written(renamed | {"rule.py": rule, "other.py": other})) == before
    handed_on = {"crossfc/mask.py": "from crossfc.deep.inside import brain, edge"}
    assert digests(written(renamed | handed_on)) == before


def test_two_functions_of_one_name_that_change_places(written):
    both = {
        "rule.py": "from crossfc import a, b\na.fit(1)\nb.fit(2)\n",
        "crossfc/a.py": "def fit(x):\n    return x + 1\n",
        "crossfc/b.py": "def fit(x):\n    return x * 2\n",
    }
    swapped = {"crossfc/a.py": both["crossfc/b.py"], "crossfc/b.py": both["crossfc/a.py"]}
    before = digests(written(both))
    assert digests(written(both | swapped))[0] != before[0]
    # With those who call them, it is a move.
    rule = "from crossfc import a, b\nb.fit(1)\na.fit(2)\n"
    assert digests(written(both | swapped | {"rule.py": rule})) == before


def test_a_local_name_is_no_function_of_the_package(written):
    local = {
        "crossfc/image.py": """
            from crossfc import mask as shape

            def mean(mask):
                shape = mask.size()
                return [edge for edge in (shape, 1)], (lambda edge: edge)(2)

            def edge():
                return shape.edge(1)
            """
    }
    before = digests(written(local))
    changed = [("crossfc/mask.py", "value - 1", "value - 2")]
    assert digests(written(local, changed))[0] == before[0]
    changed = [("crossfc/image.py", "shape.edge(1)", "shape.edge(2)")]
    assert digests(written(local, changed)) == before


@pytest.mark.parametrize(
    "mean",
    [
        "import crossfc.extra\ndef mean(mask):\n    return crossfc.extra.used()",
        "def mean(mask):\n    import crossfc.extra as e\n    return e.used()",
        "def mean(mask):\n    def inner():\n        return used()\n"
        "    from crossfc.extra import used\n    return inner()",
        "from crossfc.extra import *\ndef mean(mask):\n    return used()",
        "from crossfc import extra\ndef mean(mask):\n    return getattr(extra, 'us' + 'ed')()",
        "from crossfc import extra\ndef mean(mask):\n    return run(extra)",
        "from crossfc import extra\nTABLE = {'a': extra.used}\ndef mean(mask):\n    return TABLE",
        "from crossfc import extra\nclass A:\n    b = extra.used\ndef mean(mask):\n    return A",
        "from crossfc import extra\nclass A(extra.Base): ...\ndef mean(mask):\n    return A",
        "from crossfc import extra\n@extra.decorated\ndef mean(mask): ...",
        "from crossfc import extra\ndef mean(mask, f=extra.used): ...",
        "from crossfc.extra import used\ndef mean(mask):\n    return map(used, mask)",
        "from importlib import import_module\n"
        "def mean(mask):\n    return import_module('crossfc.' + mask)",
        "def mean(mask):\n    return start('crossfc.extra')",
        "def mean(mask):\n    return globals()['f']\ndef f():\n"
        "    from crossfc.extra import used\n    return used()",
        "from crossfc.extra import used\n"
        "def mean(mask):\n    global used\n    used = used or mask\n    return used",
        "try:\n    from crossfc.extra import used\nexcept ImportError:\n    used = None\n"
        "def mean(mask):\n    return used()",
        "from .extra import used\ndef mean(mask):\n    return used()",
        "from crossfc.deep import inside\ndef mean(mask):\n    return inside()",
        "import crossfc.deep\ndef mean(mask):\n    return crossfc.deep.inside.real",
    ],
)
def test_every_way_to_reach_a_function(written, mean):
    extra = """
        def used(): return _behind()
        def _behind(): return 1
        def decorated(function): return _behind()
        class Base:
            def method(self): return _behind()
        """
    files = {
        "crossfc/image.py": mean,
        "crossfc/extra.py": extra,
        # The folder's own name for a function is that of a module in it.
        "crossfc/deep/__init__.py": "from crossfc.extra import used as inside",
        "crossfc/deep/inside.py": "",
    }
    before = digests(written(files))
    after = digests(
        written(files, [("crossfc/extra.py", "_behind(): return 1", "_behind(): return 2")])
    )
    assert after[0] != before[0] and after[1] == before[1]


@pytest.mark.parametrize(
    "statement",
    [
        "TABLE['a'] = 1",
        "mask.LIMIT = 1",
        "numpy.seterr(all='raise')",
        "_ = numpy.seterr(all='raise')",
        "TABLE += [1]",
        "if numpy: mask.LIMIT = 1",
        "@registered\ndef f(): return 1",
        "_ = registered(1)",
        "class A(Hooked): x = 1",
        "class A: TABLE.append(1)",
        "def f(x=registered(1)): ...",
    ],
)
def test_what_a_module_does_on_import_counts_for_all_that_import_it(written, statement):
    """Also where nothing of the module is used."""
    effects = """
        import numpy
        from crossfc import mask
        TABLE = []
        def registered(x):
            TABLE.append(x)
            return x
        class Hooked:
            def __init_subclass__(cls): TABLE.append(cls)
        """
    image = BASE["crossfc/image.py"].replace("import numpy as np", "import numpy as np\n{}")
    unused = {
        "crossfc/image.py": image.replace("{}", "        from crossfc.effects import TABLE"),
        "crossfc/effects.py": effects,
    }
    before = digests(written(unused))
    files = unused | {"crossfc/effects.py": text_of(effects) + statement + "\n"}
    after = digests(written(files))
    assert after[0] != before[0] and after[1] == before[1]
    harmless = text_of(effects) + "import re\nWORD = re.compile('a')\ndef f(): return 1\n"
    assert digests(written(unused | {"crossfc/effects.py": harmless})) == before


def test_a_function_that_looks_where_it_lies_changes_when_it_moves(written):
    here = {
        "rule.py": "from crossfc.a import folder\nfolder()\n",
        "crossfc/a.py": "def folder():\n    return __file__\n",
    }
    moved = {"rule.py": here["rule.py"].replace("crossfc.a", "crossfc.b"), "crossfc/a.py": None}
    moved["crossfc/b.py"] = here["crossfc/a.py"]
    assert digests(written(here | moved))[0] != digests(written(here))[0]


def test_definitions_tell_what_changed(written):
    before = code.read(written() / "rule.py").definitions
    after = code.read(
        written(edits=[("crossfc/mask.py", "FACTOR = 2.0", "FACTOR = 3.0")]) / "rule.py"
    ).definitions
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == ["crossfc.mask.FACTOR"]
    assert "crossfc.mask.edge" not in before and "crossfc.image._quartered" in before
    assert code.definitions(code.digest(written() / "rule.py")) == before


# The package itself -------------------------------------------------------------------------------


def of_rules(folder: Path) -> dict[str, str]:
    by_hand = ("why", "compare", "reference")
    scripts = sorted(p for p in folder.glob("*.py") if p.stem not in by_hand)
    return {path.stem: code.digest(path) for path in scripts}


@pytest.fixture(scope="module")
def own(root):
    return of_rules(root / "scripts")


@pytest.fixture
def scripts(root, tmp_path):
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(root / "scripts", tmp_path / "scripts", ignore=ignored))


def edited(scripts, path, old, new):
    file = scripts / path
    text = file.read_text()
    assert text.count(old) == 1, (path, old)
    file.write_text(text.replace(old, new))


def changed(own, scripts) -> set[str]:
    return {rule for rule, digest in of_rules(scripts).items() if own[rule] != digest}


def test_words_and_machinery_of_the_package(own, scripts):
    edited(scripts, "crossfc/__init__.py", "__version__ =", '__version__ = "9" +')
    for path in (scripts / "crossfc/jobs").rglob("*.py"):
        path.write_text(path.read_text() + "\n_EDITED = 1\nprint(_EDITED)\n")
    for path in scripts.rglob("*.py"):
        text = re.sub(r'(raise Fault\(\s*f?")', r"\1Well, ", path.read_text())
        path.write_text(re.sub(r'^( +|)"""(?=[A-Z])', r'\1"""Well: ', text, flags=re.MULTILINE))
    assert changed(own, scripts) == set()


def test_a_moved_module_of_the_package(own, scripts):
    """All that name it are adjusted; the folder of faults moves as well."""
    for old, new in (("session.connectivity.smoothing", "group.smooth"), ("bids", "trial.bids")):
        source, target = (f"crossfc/{name.replace('.', '/')}.py" for name in (old, new))
        (scripts / source).rename(scripts / target)
        for path in scripts.rglob("*.py"):
            path.write_text(path.read_text().replace(f"crossfc.{old} ", f"crossfc.{new} "))
    assert changed(own, scripts) == set()


@pytest.mark.parametrize(
    ("path", "old", "new", "rules"),
    [
        (
            "crossfc/session/connectivity/smoothing.py",
            "_TRUNCATE = 4.0",
            "_TRUNCATE = 5.0",
            {"connectivity_session", "sensitivity"},
        ),
        ("crossfc/provenance.py", 'RECORD = "', 'RECORD = "" + "', set()),
        ("crossfc/provenance.py", '"machine": machine(),', '"host": machine(),', {"provenance"}),
        ("crossfc/expansion.py", "values**2", "values**3", {"preprocess_session", "twin_session"}),
        ("fmriprep_scan.py", "wanted.res)", "wanted.res or 1)", {"fmriprep_scan"}),
    ],
)
def test_an_edited_line_of_the_package(own, scripts, path, old, new, rules):
    edited(scripts, path, old, new)
    assert changed(own, scripts) == rules


def test_nothing_of_the_package_reads_what_digests_leave_out(root):
    """Annotations and docstrings, at run time; and no message of a fault is searched."""
    words = r"__annotations__|get_type_hints|get_annotations|__doc__|inspect\.signature"
    for path in (root / "scripts/crossfc").rglob("*.py"):
        if (root / "scripts/crossfc/jobs") not in path.parents:
            assert not re.search(words, path.read_text()), path
