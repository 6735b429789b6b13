"""The plan of a study: the files that each job reads and writes, as Snakemake's rules ask for them.

The plan itself uses only names and sheets. Whether a scan exists, and whether the header of a raw
scan can be used, is checked only when a job that needs it is planned. So the clinical arm runs
without any image.
"""

from collections.abc import Callable
from typing import Any

from crossfc.fault import Gathering
from crossfc.plan.blinding import Blinding
from crossfc.plan.bundle import Bundle
from crossfc.plan.clinic import Clinic
from crossfc.plan.connectivity import Connectivity
from crossfc.plan.exclusion import Exclusion
from crossfc.plan.fmriprep import Fmriprep
from crossfc.plan.group import Group
from crossfc.plan.hypotheses import Hypotheses
from crossfc.plan.people import People
from crossfc.plan.place import Places
from crossfc.plan.preprocess import Preprocess
from crossfc.plan.preregistration import Preregistration
from crossfc.plan.quality import Quality
from crossfc.plan.quality_page import QualityPage
from crossfc.plan.recording import Recordings
from crossfc.plan.region import Regions
from crossfc.plan.report import Report
from crossfc.plan.scan import Scans
from crossfc.plan.study import Study
from crossfc.plan.twin import Twin


class Plan(Study):
    """A study and its stages; each stage lists what its jobs read, write and depend on.

    Parameters
    ----------
    *given, **named
        See `crossfc.plan.study.Study`.

    Attributes
    ----------
    regions, scans, recordings, people, exclusion, places
        Shared by several stages: seeds and targets, files of scans, recordings of pulse and
        breathing, rows of people, what excludes sessions, and the folders that are filled.
    twin, preprocess, fmriprep, connectivity, group, clinic, quality, hypotheses, report, bundle
        The stages.
    quality_page
        The pages of the stage quality.
    preregistration, blinding
        The analysis plan and what the study does otherwise; what codes of treatments stand for.
    """

    def __init__(self, *given: Any, **named: Any):
        self.regions = Regions(self)
        self.scans = Scans(self)
        self.people = People(self)
        self.exclusion = Exclusion(self)
        self.twin = Twin(self, self.scans, self.regions)
        self.preprocess = Preprocess(self, self.scans)
        self.recordings = Recordings(self, self.scans)
        self.connectivity = Connectivity(self, self.scans, self.regions, self.recordings)
        self.group = Group(self, self.regions, self.people, self.exclusion)
        self.clinic = Clinic(self, self.regions, self.people)
        self.quality = Quality(self, self.regions, self.clinic)
        self.quality_page = QualityPage(
            self,
            self.regions,
            self.connectivity,
            self.preprocess,
            self.quality,
            self.exclusion,
        )
        self.hypotheses = Hypotheses(
            self, self.regions, self.people, self.group, self.clinic, self.quality
        )
        self.places = Places(self, self.scans, self.twin)
        self.fmriprep = Fmriprep(self, self.scans)
        self.report = Report(
            self,
            self.regions,
            self.people,
            self.group,
            self.clinic,
            self.connectivity,
            self.preprocess,
            self.quality,
            self.hypotheses,
        )
        self.preregistration = Preregistration(
            self, self.regions, self.people, self.group, self.hypotheses, self.report
        )
        self.blinding = Blinding(self)
        self.bundle = Bundle(self, self.group, self.clinic, self.quality, self.blinding)
        super().__init__(*given, **named)

    def check(self) -> None:
        """Refuse sheets and a configuration that do not fit each other, all faults at once."""
        gathering = Gathering()
        for stage in (
            self.clinic,
            self.group,
            self.hypotheses,
            self.connectivity,
            self.preprocess,
            self.twin,
            self.preregistration,
            self.blinding,
            self.report,
        ):
            gathering.call(stage.check)
        gathering.raise_all()

    def checks(self) -> list[Callable[[], object]]:
        """List the checks of folders and scans that are made while the jobs of `all` are planned.

        Each raises a Fault. A run makes those that its jobs need, and stops at the first; told
        together, all can be corrected together.
        """
        return [
            self.places.require_own,
            self.require_scans,
            self.group.require_sound_maps,
            self.preprocess.require_sound,
            self.connectivity.require_sound,
        ]
