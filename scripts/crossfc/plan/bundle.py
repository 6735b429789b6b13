"""The bundle: what is shared of a study's results, and under which conditions."""

from pathlib import Path
from typing import TYPE_CHECKING

from crossfc.fault import Fault
from crossfc.plan.blinding import Blinding
from crossfc.plan.clinic import Clinic
from crossfc.plan.group import Group
from crossfc.plan.quality import Quality
from crossfc.plan.study import Stage, Study

if TYPE_CHECKING:
    from crossfc.bundle.options import BundleOptions


class Bundle(Stage):
    """The bundle: what is shared of a study's results, and under which conditions."""

    def __init__(
        self, study: Study, group: Group, clinic: Clinic, quality: Quality, blinding: Blinding
    ):
        super().__init__(study)
        self._group = group
        self._clinic = clinic
        self._quality = quality
        self._blinding = blinding

    def analyses(self) -> list[str]:
        """List the folders of the analyses of the primary pipeline."""
        primary = self.study.primary
        return [self.study.file("group", primary, name) for name in self._group.analyses_made()]

    def evidence(self) -> list[str]:
        """List the table of evidence, if the study has one."""
        return [self._clinic.evidence_file()] if self._clinic.has_evidence else []

    def sessions(self) -> list[str]:
        """List the table of the quality of sessions, if the study has one."""
        return [self._quality.files()["sessions"]] if self.study.has_edges else []

    def templates(self) -> list[Path]:
        """List the template of the README."""
        return sorted((self.study.home / "workflow" / "bundle").glob("*.j2"))

    def people(self) -> list[str]:
        """List the identifiers of all people of the sheets; none of them may be in the bundle."""
        return sorted(self.study.checked_trial().participants)

    def options(self) -> "BundleOptions":
        """Return what the bundle says besides the results.

        Raises
        ------
        Fault
            If treatments are codes, and nothing says yet what they stand for.
        """
        codes: dict[str, str] = {}
        blinding = self._blinding.record()
        if blinding is not None:
            if blinding["names"] is None:
                raise Fault(
                    f"config key blinding: {blinding['file']} does not say yet what the codes of "
                    "treatments stand for, and the maps of a bundle show directions; ask for the "
                    "bundle when it does"
                )
            codes = blinding["names"]
        return {
            "title": self.config["title"] or self.config["study"],
            # Ready maps are of no pipeline.
            "primary": "" if self.study.entry == "maps" else self.study.primary,
            "groups": self.study.checked_trial().groups,
            "license": self.config["bundle"]["license"],
            "smallest_group": self.config["bundle"]["smallest_group"],
            "codes": codes,
        }
