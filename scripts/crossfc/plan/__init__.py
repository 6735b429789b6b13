"""The plan of a study: which files each job reads and writes. The rules ask, this answers.

Only names and sheets are looked at. Whether a scan exists, and whether the header of a raw one can
be used, is asked when a job that needs it is planned: the clinical arm runs without any image.
"""

from typing import Any

from crossfc.plan.clinic import Clinic
from crossfc.plan.connectivity import Connectivity
from crossfc.plan.fmriprep import Fmriprep
from crossfc.plan.group import Group
from crossfc.plan.people import People
from crossfc.plan.place import Places
from crossfc.plan.preprocess import Preprocess
from crossfc.plan.quality import Quality
from crossfc.plan.region import Regions
from crossfc.plan.report import Report
from crossfc.plan.scan import Scans
from crossfc.plan.study import Study
from crossfc.plan.twin import Twin


class Plan(Study):
    """A study and its stages, each of which says what its jobs read, write and depend on.

    Parameters
    ----------
    *given, **named
        See `crossfc.plan.study.Study`.

    Attributes
    ----------
    regions, scans, people, places
        What several stages ask: seeds and targets, files of scans, rows of people, folders filled.
    twin, preprocess, fmriprep, connectivity, group, clinic, quality, report
        The stages.
    """

    def __init__(self, *given: Any, **named: Any):
        self.regions = Regions(self)
        self.scans = Scans(self)
        self.people = People(self)
        self.twin = Twin(self, self.scans, self.regions)
        self.preprocess = Preprocess(self, self.scans)
        self.connectivity = Connectivity(self, self.scans, self.regions)
        self.group = Group(self, self.regions, self.people)
        self.clinic = Clinic(self, self.regions)
        self.places = Places(self, self.scans, self.twin)
        self.quality = Quality(self)
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
        )
        super().__init__(*given, **named)

    def check(self) -> None:
        """Refuse sheets and configuration that do not fit each other."""
        for stage in (self.clinic, self.group, self.connectivity, self.preprocess):
            stage.check()
