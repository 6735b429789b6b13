"""Blinded running: what the codes of treatments stand for, once a file says so."""

from pathlib import Path
from typing import TYPE_CHECKING

from crossfc.fault import Fault, raise_all
from crossfc.plan.study import Stage
from crossfc.trial.sheet import did_you_mean, read_sheet

if TYPE_CHECKING:
    from crossfc.report.unblinding import Blinding as Record

_COLUMNS = ["code", "treatment"]


class Blinding(Stage):
    """Blinded running: what the codes of treatments stand for, once a file says so.

    The sheets name treatments by codes. As long as the file of the config key ``blinding`` does not
    exist the run is blinded. No result depends on it, but the page.
    """

    # What codes stand for, as read with the sheets; None as long as nothing says it.
    _named: dict[str, str] | None = None

    def check(self) -> None:
        """Refuse codes that name something else too, and a file that does not fit the codes."""
        if self.config["blinding"] is not None:
            trial = self.study.checked_trial()
            others = {
                "group": set() if trial.arms else set(trial.groups),
                "scale": set(trial.scales),
                "occasion": set(self.config["occasions"]),
                "seed": {own.name for rows in trial.seed_sets.values() for own in rows},
                "target": {own.name for own in trial.targets},
            }
            raise_all(
                [
                    f"config key blinding: the code {code} is the label of a {kind} too, and the "
                    "page could not tell them apart; rename one of them"
                    for code in trial.treatments
                    for kind, labels in others.items()
                    if code in labels
                ]
            )
            self._named = self._names()

    @property
    def is_blind(self) -> bool:
        """Whether the run is blinded, and nothing says yet what the codes stand for."""
        blinding = self.config["blinding"]
        return blinding is not None and not Path(blinding["file"]).is_file()

    def record(self) -> "Record | None":
        """Return the codes and, if the file exists, what they stand for; None if nobody asks."""
        blinding = self.config["blinding"]
        if blinding is None:
            return None
        return {
            "codes": self.study.checked_trial().treatments,
            "names": self._named,
            "file": Path(blinding["file"]).name,
        }

    def _names(self) -> dict[str, str] | None:
        """Read what each code stands for; None as long as there is no file.

        Raises
        ------
        Fault
            One sentence for each row that does not fit the codes.
        """
        assert self.config["blinding"] is not None  # both callers ask for it
        path = self.config["blinding"]["file"]
        if not Path(path).is_file():
            return None
        sheet, codes = read_sheet(path, _COLUMNS, _COLUMNS), self.study.checked_trial().treatments
        names: dict[str, str] = {}
        faults = []
        for row in sheet.rows:
            code, name = row["code"], row.get("treatment")
            if code not in codes:
                faults.append(
                    f"{sheet.at(row, 'code')}: {code!r} is none of the treatments "
                    f"{', '.join(codes)} of the sheets{did_you_mean(code, codes) or '; correct it'}"
                )
            elif code in names:
                faults.append(f"{sheet.at(row, 'code')}: {code} stands there twice; remove one row")
            elif name is None:
                faults.append(f"{sheet.at(row, 'treatment')}: is empty; name the treatment")
            elif "-" in name:
                faults.append(
                    f"{sheet.at(row, 'treatment')}: {name!r} has a hyphen, which joins the "
                    "treatments of a sequence; write the name without it"
                )
            elif name in names.values():
                faults.append(
                    f"{sheet.at(row, 'treatment')}: {name} has two codes; each code is another "
                    "treatment, correct it"
                )
            elif name in codes:
                faults.append(
                    f"{sheet.at(row, 'treatment')}: {name} is a code itself; name the treatment"
                )
            else:
                names[code] = name
        raise_all(faults)
        if missing := [code for code in codes if code not in names]:
            raise Fault(f"{path}: has no row for {', '.join(missing)}; add it")
        return names
