"""Results of a blinded run with the names of treatments in place of their codes.

Only words are replaced: labels in cells, in names of columns and in the records of analyses. Every
number, the direction of every contrast, and the files stay as they were computed.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict

import pandas as pd

from crossfc.group.findings.readout import column_label
from crossfc.report.results import Analysis, ContrastData, Results


class Blinding(TypedDict):
    """The codes of a blinded run, and what they stand for; None as long as it is blinded.

    ``file`` is the name of the file that says, or is going to say, what they stand for.
    """

    codes: list[str]
    names: dict[str, str] | None
    file: str


# Columns whose cells are labels of treatments, of orders of them, or of cells of a contrast.
_LABELS = ("treatment", "reference", "sequence", "guess", "active_label", "control_label")
# Columns and keys that hold sentences in which labels stand.
_SENTENCES = ("reason", "left", "because", "unadjusted_because", "title", "question")
# Keys that are names of files and folders, or that are no words of labels.
_KEPT = ("name", "contrast", "analysis", "notes", "pipeline", "folder")


def sentence(results: Results, blinding: Blinding) -> str:
    """Say what the codes stand for, and which way contrasts are computed."""
    names = blinding["names"] or {}
    told = "; ".join(f"{code} is {name}" for code, name in names.items())
    contrasts = "; ".join(dict.fromkeys(view.difference for view in results.views()))
    return (
        f"Unblinded by {blinding['file']}: {told}. Every number is as it was computed under codes, "
        f"and so is the direction of what is compared: {contrasts}. Sheets, tables and names of "
        "files beside this page keep the codes."
    )


def unblinded(results: Results, names: Mapping[str, str]) -> Results:
    """Return results with the names of treatments in place of their codes.

    Parameters
    ----------
    results : Results
        As read from the files of a blinded run.
    names : mapping
        Code to treatment.

    Returns
    -------
    Results
        The same numbers; the configuration is as it was.
    """
    words = Words(names, arms=bool(results.design.get("arms")))
    frames = {
        name: words.frame(value)
        for name, value in vars(results).items()
        if isinstance(value, pd.DataFrame)
    }
    if results.design.get("arms") and "analysis" in frames["hypotheses"]:
        # Analyses of arms have the labels of arms in their names, by which they are put in words.
        own = frames["hypotheses"]
        frames["hypotheses"] = own.assign(analysis=own["analysis"].map(words.analysis_name))
    return replace(
        results,
        **frames,
        analyses=[words.analysis(own) for own in results.analyses],
        pairs=words.record(results.pairs),
        designs=[words.record(design) for design in results.designs],
        design_name=words.label(results.design_name, article=True),
        of_contrast={
            name: ContrastData(words.frame(data.paired), words.record(data.pairs), data.folder)
            for name, data in results.of_contrast.items()
        },
    )


class Words:
    """What replaces codes by names.

    Parameters
    ----------
    names : mapping
        Code to treatment.
    arms : bool
        Whether treatments are the groups too.
    """

    def __init__(self, names: Mapping[str, str], *, arms: bool) -> None:
        self._names, self._arms = dict(names), arms
        longest = sorted(names, key=len, reverse=True)
        self._code = "(?:" + "|".join(map(re.escape, longest)) + ")"

    def _replaced(self, pattern: str, text: str) -> str:
        return re.sub(pattern, lambda found: self._names[found[0]], text)

    def label(self, text: str, *, article: bool = False) -> str:
        """Replace codes in a label: ``A-B``, ``mean of A day2 and A day10``.

        Parameters
        ----------
        text : str
        article : bool
            The text is a sentence of crossfc's own, in which the word A or a may be an article.
        """
        if article:
            text = self._capital(text)
        nouns = "(?! diagnostic| two-| three-| four-| single-| Williams| Latin| comparison)"
        after = "(?![A-Za-z0-9])" + (nouns if article else "")
        first = rf"(?<![A-Za-z0-9_-]){self._code}{after}"
        return self._replaced(rf"{first}|(?<=-){self._code}(?![A-Za-z0-9])", text)

    def _capital(self, text: str) -> str:
        """Replace a code at the beginning, where a sentence has it with a capital."""
        for code, name in self._names.items():
            if re.match(
                re.escape(code[:1].upper() + code[1:]) + "(?! diagnostic)[^A-Za-z0-9]", text
            ):
                return name[:1].upper() + name[1:] + text[len(code) :]
        return text

    def reason(self, text: str) -> str:
        """Replace codes in a reason, where crossfc itself has put them.

        A reason may be in the words of a user, in which a letter may be anything.
        """
        return self._replaced(
            rf"(?<=under ){self._code}(?![A-Za-z0-9])"
            rf"|(?<=\(){self._code}(?=( [^()]*)?\) is excluded)", text
        )  # fmt: skip

    def frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Replace codes in the cells and in the names of the columns of a table."""
        found = frame.rename(columns={c: self.column(str(c)) for c in frame.columns})
        labels = (*_LABELS, *(("group",) if self._arms else ()))
        for column in found.columns:
            how = self.label if column in labels else self.reason
            if column in (*labels, *_SENTENCES):
                found[column] = [
                    how(cell) if isinstance(cell, str) else cell for cell in found[column]
                ]
        return found

    def column(self, name: str) -> str:
        """Replace codes in the name of a column: ``mean_TRD_A``, ``carryover_B_p``."""
        if start := re.match("(loo_)?mean_", name):

            def named(found: re.Match[str]) -> str:
                # A group (of arms) stands there as it is, a side as part of the name of a column.
                own = self._names[found[0]]
                return own if found.start() == start.end() else column_label(own)

            return re.sub(rf"(?<=_){self._code}(?=_|$)", named, name)
        numbers = "estimate|low|high|df|p|detectable"
        return self._replaced(rf"(?<=^carryover_){self._code}(?=_(?:{numbers})$)", name)

    def record(self, record: Mapping[str, Any], key: str = "") -> dict[str, Any]:
        """Replace codes in a record: in labels, in sentences, and in keys that are labels."""
        return {
            self._names.get(name, name): self._value(value, name) for name, value in record.items()
        }

    def _value(self, value: Any, key: str) -> Any:
        if key in _KEPT:
            return value
        if isinstance(value, Mapping):
            return self.record(value)
        if isinstance(value, list | tuple):
            return [self._value(inner, key) for inner in value]
        if not isinstance(value, str):
            return value
        if key in ("title", "question"):
            return self.label(value, article=True)
        return self.label(value) if key in _RECORDED else self._names.get(value, value)

    def analysis_name(self, name: Any) -> Any:
        """Replace codes in the name of an analysis of arms: ``time_A``."""
        if not isinstance(name, str):
            return name
        return self._replaced(rf"(?<=_){self._code}(?=_|$)", name)

    def analysis(self, analysis: Analysis) -> Analysis:
        """Replace codes in an analysis: its record and its tables."""
        record: Any = self.record(analysis.record)
        return replace(
            analysis,
            record=record,
            clusters=self.frame(analysis.clusters),
            cells=self.frame(analysis.cells),
            peaks=self.frame(analysis.peaks),
        )


# Keys of records and designs whose values are labels of treatments or sides.
_RECORDED = ("active", "control", "effect", "crossed", "group", "groups", "labels", "set_labels")
