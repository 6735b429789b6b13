"""Write the sheets of a study from its BIDS data set: checked as a trial, then both or none."""

import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from crossfc.fault import Fault
from crossfc.trial.configuration import Configuration
from crossfc.trial.dataset import Table, read_dataset
from crossfc.trial.design import Trial, check_sheets
from crossfc.trial.mapping import OWN_REASONS
from crossfc.trial.predecessor import Predecessor, replace_both
from crossfc.trial.scale import Scale, read_scales
from crossfc.trial.session import OPTIONAL_SESSION_COLUMNS, SESSION_COLUMNS
from crossfc.trial.sheet import Sheet, format_sheet, read_sheet

# Makes the content of the two sheets, and notes for the log.
Source = Callable[[Configuration, dict[str, Scale]], tuple[Table, Table, list[str]]]


def write_sheets(config: Configuration, source: Source = read_dataset) -> tuple[list[str], Trial]:
    """Write participants.tsv and sessions.tsv from the data set and the config's ``dataset`` key.

    The new sheets are first checked as a trial; then both are written, or none. Existing sheets
    may be broken or missing. Exclusions that people wrote into them (``exclude`` yes with a
    reason) and columns that they added are kept. A sheet whose content would not change is not
    written; of any other existing sheet, a copy is kept beside the new one.

    Parameters
    ----------
    config : dict
        A checked configuration.
    source : function
        What the sheets are made from; a twin's design in place of a data set.

    Returns
    -------
    said : list of str
        Sentences for the log: what was written, and what in the data set is not used.
    trial : Trial
        The trial in the new sheets, without seeds and targets.

    Raises
    ------
    Fault
        If the mapping does not fit the data set, the new sheets would not be a valid trial, or
        they cannot be written.
    """
    if source is read_dataset and "dataset" not in config:
        raise Fault(
            "config key dataset: `sheets` needs it to know which session is which treatment; "
            "see config/README.md"
        )
    _check_places(config)
    scales = _scales(config)
    people, sessions, said = source(config, scales)
    texts: dict[Path, str] = {}
    before: dict[str, Predecessor] = {}
    for name, (columns, rows), keys, allowed in (
        ("participants", people, ("participant_id",), None),
        ("sessions", sessions, ("participant_id", "session_id"), set(scales)),
    ):
        path = Path(config["sheets"][name])
        before[name] = Predecessor(path, keys)
        before[name].hand_over(rows, OWN_REASONS)
        before[name].keep_columns(columns, rows, allowed)
        said += before[name].notes
        texts[path] = format_sheet(columns, rows)
    new, trial = _checked(texts, config, scales)
    changed = {
        path: text
        for (path, text), old in zip(texts.items(), before.values(), strict=True)
        if old.text is None or old.text.replace("\r\n", "\n") != text
    }
    try:
        copies = replace_both(changed)
    except OSError as error:
        raise Fault(
            f"{' and '.join(map(str, changed))}: cannot be written ({error.strerror}), both are as "
            "they were; make room, or check the permissions of their folder"
        ) from None
    for (path, sheet), old in zip(new.items(), before.values(), strict=True):
        written = "written" if path in changed else "unchanged"
        said.append(f"{path}: {written}, {len(sheet.rows)} rows")
        if copies.get(path) is not None:
            said.append(f"{path}: what lay there is kept as {copies[path]}")
            said += [f"{path}: {difference}" for difference in old.differences(sheet)]
    return said, trial


def _check_places(config: Configuration) -> None:
    """Refuse to overwrite files that are not the sheets of people and sessions of this study."""
    root, mapping = Path(config["bids_dir"]), config.get("dataset")
    tables = [root / mapping["participants"]] if mapping else []
    for pattern in mapping["phenotype"] if mapping else ():
        # An invalid pattern is reported elsewhere.
        with suppress(ValueError, NotImplementedError):
            tables += root.glob(pattern) if pattern else []
    taken = {f"table {path.name} of {root}": path for path in tables}
    taken |= {f"sheet of {key}": Path(config["sheets"][key]) for key in ("scales", "seeds")}
    taken |= {"sheet of targets": Path(config["sheets"]["targets"])}
    own = {key: Path(config["sheets"][key]) for key in ("participants", "sessions")}
    for key, path in own.items():
        if path.is_dir():
            raise Fault(f"config key sheets.{key}: {path} is a folder; name a file")
        for what, other in taken.items():
            if path.resolve() == other.resolve():
                raise Fault(
                    f"config key sheets.{key}: {path} is the {what}, which `sheets` would write "
                    "over; choose another path"
                )
    if own["participants"].resolve() == own["sessions"].resolve():
        raise Fault("config key sheets: participants and sessions are one file; name two")


def _scales(config: Configuration) -> dict[str, Scale]:
    """Read the sheet of scales; its faults are ignored if the config asks for no scores."""
    try:
        return read_scales(
            config["sheets"]["scales"], (*SESSION_COLUMNS, *OPTIONAL_SESSION_COLUMNS)
        )
    except Fault:
        mapping = config.get("dataset")
        if mapping is None or mapping["scales"]:
            raise
        return {}


def _checked(
    texts: dict[Path, str], config: Configuration, scales: dict[str, Scale]
) -> tuple[dict[Path, Sheet], Trial]:
    """Check the new sheets as a trial, before they are written.

    Raises
    ------
    Fault
        If they are not a valid trial. The sentences name people and sessions and not only rows,
        because the file does not exist yet.
    """
    sheets: dict[Path, Sheet] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (path, text) in enumerate(texts.items()):
            file = Path(folder) / f"{number}.tsv"
            file.write_text(text, encoding="utf-8")
            sheet = read_sheet(file, ("participant_id",))
            sheets[path] = replace(sheet, path=Path(f"the new {path}"))
    people, sessions = sheets.values()
    try:
        return sheets, check_sheets(people, sessions, scales, config)
    except Fault as fault:
        said = str(fault)
        for sheet in (people, sessions):
            for row in sheet.rows:
                whose = " ".join(filter(None, (row["participant_id"], row.get("session_id"))))
                said = re.sub(
                    rf"({re.escape(str(sheet.path))}, row {row.number})(?!\d)",
                    rf"\1 ({whose})",
                    said,
                )
        raise Fault(f"nothing was written, as it would be no sound trial:\n{said}") from None
