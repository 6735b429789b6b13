"""Spaces: which of the labels in file names mean one in which MNI coordinates hold.

Seeds and targets are MNI152 coordinates. In another space the same numbers are another place: in
a person's own space (T1w) 7 to 38 mm off. The versions of MNI152 differ from each other by some
millimetres at most (Evans et al. 2012, NeuroImage 62:911-922), which smoothing and the size of a
seed cover; what is further off, or of other brains, is refused.
"""

import re

from crossfc.trial.sheet import did_you_mean

# Averages of adults, aligned to MNI152, as BIDS 1.10 and TemplateFlow spell them.
MNI = (
    "MNI152NLin2009cAsym",
    "MNI152NLin2009cSym",
    "MNI152NLin2009bAsym",
    "MNI152NLin2009bSym",
    "MNI152NLin2009aAsym",
    "MNI152NLin2009aSym",
    "MNI152NLin6Asym",
    "MNI152NLin6ASym",
    "MNI152NLin6Sym",
    "MNI152Lin",
    # SPM12's and CAT12's: 549 adults, normalised to MNI152.
    "IXI549Space",
)
# Words that name no version; ready maps of other programs come with no better one.
UNVERSIONED = ("MNI152", "MNI")

_WHY = {
    r"(T1w|T2w|anat|individual|native)": "is the space of each person's own head",
    r"(func|boldref|bold|scanner|orig)": "is the space of each scan",
    r"fs(native|average.*|LR)|onavg.*": "is a surface; crossfc analyses volumes",
    r"(MNI)?(Pediatric.*|Infant.*)|NIHPD.*|UNC.*|dHCP.*|.*[Nn]eonat.*": "is a template of children",
    r"OASIS.*|.*NKI.*": "is a template whose coordinates are not MNI's",
    r"Talairach.*": "is another system of coordinates than MNI152",
    r"(MNI)?(305|Colin27)|MNI(305|Colin27).*|ICBM452.*": (
        "is an older template, some millimetres from MNI152"
    ),
}


def problem(space: str, *, unversioned: bool = False) -> str | None:
    """Explain why MNI coordinates do not hold in a space.

    Parameters
    ----------
    space : str
        A label, as in the entity ``space`` of a file's name.
    unversioned : bool
        Take the words MNI152 and MNI as well.

    Returns
    -------
    str or None
        What follows the label in a sentence; None where they hold.
    """
    known = MNI + (UNVERSIONED if unversioned else ())
    if space in known:
        return None
    why = next((why for name, why in _WHY.items() if re.fullmatch(name, space)), None)
    if why is None:
        why = "is no MNI152 template of adults that crossfc knows"
        why += did_you_mean(space, known)
    return f"{why}; seeds and targets are MNI152 coordinates"
