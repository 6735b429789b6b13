"""The report: what the page is made from, and the choices that results depend on."""

from pathlib import Path
from typing import Any

from crossfc.fault import raise_all
from crossfc.plan import quality_page
from crossfc.plan.clinic import Clinic
from crossfc.plan.connectivity import Connectivity
from crossfc.plan.group import Group
from crossfc.plan.hypotheses import Hypotheses
from crossfc.plan.people import People
from crossfc.plan.preprocess import Preprocess
from crossfc.plan.quality import Quality
from crossfc.plan.region import Regions
from crossfc.plan.study import Stage, Study
from crossfc.report import citation
from crossfc.report.display_name import ambiguous
from crossfc.session.preprocess import fmriprep
from crossfc.trial import regions
from crossfc.trial.path import told
from crossfc.trial.sheet import did_you_mean

# The checklists of `crossfc.report.page.write_report`.
CHECKLISTS = ("cobidas", "consort_crossover")
MANUSCRIPT = ("methods.md", "references.bib")
# Files that the rule trial makes.
_TRIAL = ("trial/left.tsv", "trial/counts.tsv")


class Report(Stage):
    """The report: what the page is made from, and the choices that results depend on."""

    def __init__(
        self,
        study: Study,
        regions: Regions,
        people: People,
        group: Group,
        clinic: Clinic,
        connectivity: Connectivity,
        preprocess: Preprocess,
        quality: Quality,
        hypotheses: Hypotheses,
    ):
        super().__init__(study)
        self._regions = regions
        self._people = people
        self._group = group
        self._clinic = clinic
        self._connectivity = connectivity
        self._preprocess = preprocess
        self._quality = quality
        self._hypotheses = hypotheses

    def check(self) -> None:
        """Refuse display names of what the study does not have, or that cannot be told apart."""
        trial, labels = self.study.checked_trial(), self.config["report"]["labels"]
        known = [
            *(*trial.groups, *trial.treatments, *self.config["occasions"], *trial.scales),
            *(contrast.name for contrast in trial.contrasts),
            *(region.name for rows in trial.seed_sets.values() for region in rows),
            *regions.names(trial.targets),
        ]
        faults = [
            f"config key report.labels: {code!r} is no group, treatment, occasion, contrast, "
            f"scale, seed or target of the study{did_you_mean(code, known) or '; remove it'}"
            for code in labels
            if code not in known
        ]
        faults += [
            f"config key report.labels: {code!r} is a word that the page itself uses, so that a "
            "display name would come into other sentences; give it another code in the sheets, "
            f"such as {code}X, or no display name"
            for code in ambiguous(labels, self.study.home / "workflow" / "report")
        ]
        raise_all(faults)

    def templates(self) -> list[Path]:
        """List what the page is written with, and the references that its methods text cites."""
        folder = self.study.home / "workflow" / "report"
        ends = ("j2", "css", "js")
        written = [path for end in ends for path in sorted(folder.glob(f"*.{end}"))]
        own = [path for path in written if path.name not in quality_page.TEMPLATES]
        return [*own, folder / citation.FILE]

    def choices(self) -> dict[str, Any]:
        """Return the part of the configuration that results depend on.

        Locations of files, cores and memory do not affect results and are left out, and so is how
        results are shared. So moving a data set does not rerun the report.
        """
        places = {"bids_dir", "derivatives_dir", "results_dir", "sheets", "dataset"}
        places |= {"preregistration", "blinding", "bundle"}
        means = {"threads", "memory_gb"}
        group: dict[str, Any] = {k: v for k, v in self.config["group"].items() if k not in means}
        for key in ("atlas", "atlas_names", *(["mask"] if group["mask"] else [])):
            group[key] = told(group[key], self.study.home)
        found: dict[str, Any] = {k: v for k, v in self.config.items() if k not in places}
        found["group"] = group
        groups = self.config["groups"]
        if isinstance(self.config["treatments"], list) or len(groups) > 2:
            # A study that lists its treatments, or three and more groups, has no roles of groups.
            found["groups"] = [label for label in groups.values() if label]
        if (rated := self.config["exclusion"]["ratings"]) is not None:
            found["exclusion"] = found["exclusion"] | {"ratings": told(rated, self.study.home)}
        found["strategies"] = told(found["strategies"], self.study.home)
        found["preprocessing"] = dict(found["preprocessing"])
        del found["preprocessing"]["fmriprep"]
        if self.study.preprocessing_tool == "fmriprep-run":
            found["preprocessing"]["fmriprep"] = fmriprep.description(dict(self.config))
        return found

    def contents(self) -> dict[str, Any]:
        """Return what the page is made from: paths of the results, and plain structures."""
        folders = {"clinic_dir": "clinic", "trial_dir": "trial"}
        if self.study.has_images:
            folders["group_dir"] = "group"
        if self.study.has_edges:
            folders |= {"quality_dir": "quality", "robustness": "robustness.tsv"}
        if self._hypotheses.results():
            folders["hypotheses_dir"] = "hypotheses"
        if self.config["twin"]:
            folders |= {"truth": "truth.json", "planted_changes": "planted_changes.tsv"}
        by_fmriprep = self.study.preprocessing_tool == "fmriprep-run"
        trial = self.study.checked_trial()
        seeds = trial.seed_sets[self._regions.seed_set(self.study.primary)]
        return {
            # For the reader of the page it makes no difference who started fMRIPrep.
            "config": self.choices() | ({"entry": "fmriprep"} if by_fmriprep else {}),
            "analyses": self._group.analyses() if self.study.has_images else [],
            "pipelines": self.study.pipelines,
            "scales": self._clinic.scales(),
            "seeds": [
                self._regions.placed(row.as_row("seed")) for row in seeds if self.study.has_images
            ],
            # Studies with ready maps, or with the clinical arm alone, use no targets.
            "targets": [
                self._regions.placed(row.as_row("target"))
                for row in trial.targets
                if self.study.has_edges
            ],
            "strategies": self.study.strategies,
            "covariates": self._people.covariates(),
            "designs": self.study.designs(),
            "design_name": trial.name,
            "hypotheses": self._hypotheses.words(),
            "carpets": self._connectivity.volume_tables(),
            "registrations": self._preprocess.registrations(),
            "folders": folders,
        }

    def checklists(self) -> list[str]:
        """List the checklists that are written beside the page."""
        return [self.study.file("checklists", f"{name}.tsv") for name in CHECKLISTS]

    def manuscript(self) -> list[str]:
        """List the methods text and its bibliography, which are written beside the page."""
        return [self.study.file(name) for name in MANUSCRIPT]

    def job_labels(self) -> list[str]:
        """List the jobs of this study that do not belong to one person, by the names of logs."""
        found = ["sheets", "trial", "truth", "twin_dataset", "derivative_dataset", "fmriprep_image"]
        found += ["report", "provenance"]
        if scored := bool(self.study.checked_trial().scales):
            found.append("clinical_change")
            found += ["clinical_carryover"] if self._clinic.has_carryover else []
        found += ["hypotheses"] if self._hypotheses.results() else []
        found += ["clinical_evidence"] if self._clinic.has_evidence else []
        if self.study.has_edges:
            found += ["quality_group", "quality_pages", "robustness"]
            found.append(f"mixed_model/{self.study.primary}")
            found += ["clinical_correlation"] if scored else []
            found += ["edge_carryover"] if self._clinic.has_carryover else []
        if self.study.has_images:
            for pipeline in self.study.pipelines:
                for contrast in self.study.contrasts():
                    found.append(f"pair_sessions/{pipeline}_{self._group.folder(contrast)}")
                found += [f"group_test/{pipeline}_{name}" for name in self._group.analyses()]
                found += [f"group_family/{pipeline}"] if self._group.families() else []
                found += [f"pairs_of_groups/{pipeline}"] if self._group.pairs_of_groups() else []
            if self._group.sensitive_analyses():
                found.append(f"sensitivity/{self.study.primary}")
        return found

    def inputs(self) -> list[str]:
        """List all files that the page is made from."""
        trial = [*_TRIAL, "participants.tsv", "dataset_description.json", ".bidsignore", "README"]
        found = [self.study.file(name) for name in trial] + self._preprocess.results()[:1]
        if self.study.has_images:
            for name in self.study.pipelines:
                found += [self._group.pairs(name, contrast) for contrast in self.study.contrasts()]
        found += self._clinic.results() + self._group.results() + self._quality.results()
        found += self._hypotheses.results()
        truth = ("truth.json", "planted_changes.tsv") if self.config["twin"] else ()
        return found + [self.study.file(name) for name in truth]

    def atlas(self) -> list[str]:
        """List image and table of the atlas, which the viewer of maps reads; [] without images."""
        group = self.config["group"]
        return [group["atlas"], group["atlas_names"]] if self.study.has_images else []
