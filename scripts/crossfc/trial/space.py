"""Decide by the label of a space whether MNI coordinates can be used in it.

Seeds and targets are MNI152 coordinates. In another space the same numbers are another place: in a
person's own space (T1w) 7 to 38 mm away. The versions of MNI152 differ from each other by some
millimetres at most (Evans et al. 2012, NeuroImage 62:911-922), which is small compared with
smoothing and the size of a seed. Spaces that differ more, or that are averages of other brains
(such as children's), are refused.
"""

import re

from crossfc.trial.sheet import did_you_mean

# Templates of adults aligned to MNI152, as spelt in BIDS 1.10 and TemplateFlow.
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
    # Template of SPM12 and CAT12: 549 adults, normalised to MNI152.
    "IXI549Space",
)
# Labels without a version, which are accepted for ready maps of other programs.
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
    """Explain why MNI coordinates cannot be used in a space.

    Parameters
    ----------
    space : str
        A label, as in the entity ``space`` of a file name.
    unversioned : bool
        Accept the labels MNI152 and MNI as well.

    Returns
    -------
    str or None
        A phrase to follow the label in a sentence; None if MNI coordinates can be used.
    """
    known = MNI + (UNVERSIONED if unversioned else ())
    if space in known:
        return None
    why = next((why for name, why in _WHY.items() if re.fullmatch(name, space)), None)
    if why is None:
        why = "is no MNI152 template of adults that crossfc knows"
        why += did_you_mean(space, known)
    return f"{why}; seeds and targets are MNI152 coordinates"
