"""What the file names of a data set tell: its BOLD images by person, session, task and space."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from crossfc.bids import DERIVED, parse_name
from crossfc.fault import Fault
from crossfc.trial.label import some
from crossfc.trial.tree import IMAGE, Tree, read_tree

# The label of desc of preprocessed series, which are what is analysed of derivatives.
_PREPROCESSED = "preproc"


class Image(NamedTuple):
    """A BOLD image by its name.

    Attributes
    ----------
    person, session : str
        Such as ``sub-01`` and ``ses-1``; the session is empty without a session folder.
    run : tuple of (str, str)
        The entities of its run, sorted: all but those that preprocessing adds.
    space, res : str or None
        Where a preprocessed image lies.
    """

    person: str
    session: str
    run: tuple[tuple[str, str], ...]
    space: str | None
    res: str | None

    def entity(self, key: str) -> str | None:
        """Return the label of an entity of the run."""
        return dict(self.run).get(key)


@dataclass(frozen=True)
class Survey:
    """The BOLD images of a data set.

    Attributes
    ----------
    tree : Tree
    preprocessed : bool
        Whether they are fMRIPrep's, as their names tell.
    images : list of Image
    """

    tree: Tree
    preprocessed: bool
    images: list[Image]

    def runs(self) -> list[Image]:
        """Return one image of each run, as a preprocessed run may lie in several spaces."""
        return list({(i.person, i.session, i.run): i for i in self.images}.values())

    def labels(self, entity: str) -> Counter[str]:
        """Count the runs by their label of an entity; runs without it are left out."""
        found = (image.entity(entity) for image in self.runs())
        return Counter(label for label in found if label is not None)

    def places(self) -> Counter[tuple[str | None, str | None]]:
        """Count the preprocessed images by space and resolution."""
        return Counter((image.space, image.res) for image in self.images)

    def sessions(self) -> Counter[str]:
        """Count the people of each session that has a folder with files."""
        return Counter(session for _, session in self.tree.sessions)


def survey(root: Path, listing: str | None = None) -> Survey:
    """Look at the names of a data set's files; no file is opened but the listing.

    Parameters
    ----------
    root : path
    listing : str, optional
        A file below ``root`` with one path per line; see `crossfc.trial.tree.read_tree`.

    Raises
    ------
    Fault
        As `crossfc.trial.tree.read_tree`.
    """
    tree = read_tree(root, listing)
    raw: list[Image] = []
    preprocessed: list[Image] = []
    for path in tree.files:
        if not path.name.endswith(tuple(f"_bold{ending}" for ending in IMAGE)):
            continue
        if len(path.parts) not in (3, 4) or path.parts[-2] != "func":
            continue
        try:
            entities, _, _ = parse_name(path.name)
        except Fault:
            continue  # such as ._sub-01_…, which macOS creates
        session = path.parts[1] if len(path.parts) == 4 else ""
        own = {k: v for k, v in entities.items() if k not in (*DERIVED, "sub", "ses")}
        place = entities.get("space"), entities.get("res")
        image = Image(path.parts[0], session, tuple(sorted(own.items())), *place)
        if not any(key in entities for key in DERIVED):
            raw.append(image)
        elif entities.get("desc") == _PREPROCESSED:
            preprocessed.append(image)
    return Survey(tree, bool(preprocessed) and not raw, preprocessed or raw)


def content(found: Survey) -> list[str]:
    """Say in a few words what a data set has: tasks, and the spaces of what is preprocessed."""
    tasks = (f"{label} ({count(n, 'run')})" for label, n in found.labels("task").most_common())
    said = [f"task {some(tasks, 6) or 'in no name'}"]
    if found.preprocessed:
        places = (
            f"{location(*where)} ({count(n, 'image')})" for where, n in found.places().most_common()
        )
        said.append(f"space {some(places, 6)}")
    return said


def location(space: str | None, res: str | None) -> str:
    """Name the space and resolution of an image, as in its name."""
    if space is None:
        return "of each scan"
    return space if res is None else f"{space} res-{res}"


def count(number: int, what: str) -> str:
    """Count things in words: ``1 run``, ``2 runs``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
