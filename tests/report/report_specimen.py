"""A small crossover trial from its scans to every table the page reads, made by crossfc itself.

Only the scans, the sheets and the config are made up here: 10 mm voxels, five minutes, effects at
two places. Everything behind them is what the jobs of a run call, with what the plan gives them, so
that names of columns and keys are those of today's results.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import yaml
from scipy import ndimage

from crossfc import __version__, atomic
from crossfc.bids import dataset_description
from crossfc.clinic.contrast import change_tables, correlation_tables, groups_of
from crossfc.clinic.course import course
from crossfc.clinic.evidence import evidence_table
from crossfc.clinic.first_period import first_period_table
from crossfc.clinic.mixed import mixed_model
from crossfc.clinic.response import paired_response_table, response_table
from crossfc.clinic.sequence import sequence_table
from crossfc.group.analysis import analyse
from crossfc.group.design.options import AnalysisOptions
from crossfc.group.design.pairs import READING, pair_sessions
from crossfc.group.design.side import weight_tables, with_maps
from crossfc.group.edges import edge_rows
from crossfc.group.findings.joint import joint_table
from crossfc.group.sensitivity import sensitivity_table
from crossfc.hypotheses.family import Source, hypothesis_tables
from crossfc.plan import Plan
from crossfc.quality.blinding import blinding_table, effects_by_guess
from crossfc.quality.cluster_robustness import PipelineData, cluster_robustness
from crossfc.quality.exclusion import defective_volumes, quality_table, split
from crossfc.quality.likeness import likeness
from crossfc.quality.motion import excluded_sessions, motion_tables
from crossfc.quality.rating import rating_table
from crossfc.quality.rival import rival_table
from crossfc.quality.robustness import robustness
from crossfc.report.results import Results
from crossfc.report.study import read_results
from crossfc.session import layout
from crossfc.session.connectivity.derivative import connectivity_session
from crossfc.session.connectivity.folder import finished_session
from crossfc.session.connectivity.pipeline import Pipeline
from crossfc.session.displacement import PARAMETERS
from crossfc.table import read_table
from crossfc.trial.left import LEFT_COLUMNS
from crossfc.twin.effect import default_effects, planted_changes
from crossfc.twin.scheme import Scheme
from crossfc.twin.truth import Edge, plant

ROOT = Path(__file__).resolve().parents[2]
ACTIVE, CONTROL = "ketamine", "placebo"
PATIENTS, CONTROLS = 9, 9  # with both sessions
VOXEL_MM, VOLUMES, REPETITION_TIME = 10, 150, 2.0
SPACE = "MNI152NLin2009aSym"
ATTENTION = "fell asleep & left <script>"  # a reason that a page must escape
SCALES = ("MADRS", "SHAPS", "TEPS_A")
SEEDS = {"pgACC": (2, 43, 9), "dACC": (2, 26, 22)}
TARGETS = {"insulaR": [(38, 12, -4)], "SMG": [(-58, -36, 32), (58, -36, 32)]}
# Fisher z without a drug at the places where an effect is planted, and how far around they reach.
BASELINE, REACH_MM = 0.4, 19
PIPELINES = {"primary": {"strategy": "motion"}, "gsr": {"strategy": "motion_gsr"}}
HYPOTHESES = [
    {"seed": "pgACC", "region": "insulaR", "scale": "MADRS", "citation": "Q 1"},
    {"analysis": "drug_TRD", "seed": "pgACC", "region": "insulaR", "direction": "negative"},
    {"analysis": "drug_TRD", "scale": "MADRS", "direction": "negative", "name": "Mood"},
    {"analysis": "drug_TRD", "seed": "dACC", "region": "insulaR"},
]
READ = (
    "config", "analyses", "pipelines", "made", "group_dir", "clinic_dir", "quality_dir",
    "trial_dir", "robustness", "truth", "planted_changes", "scales", "seeds", "targets",
    "covariates", "designs", "design_name", "hypotheses_dir",
)  # fmt: skip


def planted(effect: float, groups: tuple[str, ...]) -> list[Edge]:
    """Return what the scans hold: two drug effects in patients, one of them tied to a score."""
    drug = (effect, 0.0)
    return [
        Edge("pgACC", "insulaR", "falls", BASELINE, tuple(-0.8 * d for d in drug), (0.0, 0.0),
             ties={"MADRS": 0.05 * effect}),
        Edge("dACC", "SMG", "rises", BASELINE, tuple(0.8 * d for d in drug), (0.0, 0.0)),
        Edge("dACC", "insulaR", "stays", BASELINE, (0.0, 0.0), (0.0, 0.0)),
    ]  # fmt: skip


@dataclass
class Specimen:
    """Where the results are, and the arguments that make a page of them."""

    folder: Path
    arguments: dict[str, Any]
    plan: Plan


@dataclass
class Study:
    """The choices of a made-up study, and its folder."""

    folder: Path
    effect: float = 1.0
    groups: tuple[str, ...] = ("TRD", "HV")
    sizes: tuple[int, ...] = (PATIENTS, CONTROLS)
    sequence_known: bool = True
    truth: bool = False
    random: int = 3
    analyses: Sequence[str] | None = None
    pipelines: Mapping[str, Any] = field(default_factory=lambda: PIPELINES)


def make(folder: Path, **choices: Any) -> Specimen:
    """Make a study's scans and run it as the workflow would; ``effect`` 0 makes it null."""
    study = Study(folder, **choices)
    _write_sheets(study)
    plan = Plan(_config(study), ROOT)
    truth, made = _truth(study, plan), Path(plan.study_dir)
    _write_sessions(study, plan, made, truth)
    _run(plan, made)
    if study.truth:
        atomic.write_json(made / "truth.json", truth)
        atomic.write_table(made / "planted_changes.tsv", _changes(study, plan))
    return Specimen(made, _arguments(study, plan, made), plan)


def read(specimen: Specimen) -> Results:
    """Read a specimen as the page does."""
    return read_results(**{key: specimen.arguments.get(key) for key in READ})


# What a user has ----------------------------------------------------------------------------------


def _write_sheets(study: Study) -> None:
    rng = np.random.default_rng(study.random)
    people, sessions = [], []
    labels = [g for g, n in zip(study.groups, study.sizes, strict=False) for _ in range(n)]
    labels += [study.groups[0]] * 2
    for k, group in enumerate(labels):
        # The last two have one session, and none.
        person = f"sub-{k + 1:02d}" if k < len(labels) - 2 else f"sub-{100 - len(labels) + k}"
        order = (ACTIVE, CONTROL) if k % 2 else (CONTROL, ACTIVE)
        sequence = "-".join(order) if study.sequence_known else "n/a"
        people.append([person, group, sequence, int(rng.integers(20, 60))])
        for treatment in (ACTIVE, CONTROL):
            session = f"ses-{treatment[0]}2"
            period = order.index(treatment) + 1 if study.sequence_known else "n/a"
            scan = f"{person}/{session}/func/{person}_{session}_task-rest_bold.nii.gz"
            scores = _scores(rng, group == study.groups[0], treatment)
            excluded = ["yes", ATTENTION] if person == "sub-99" else ["no", "n/a"]
            # Most people guess right; every fifth does not know.
            guess = (treatment, ACTIVE, treatment, CONTROL, "n/a")[k % 5]
            if person != "sub-98" or treatment == ACTIVE:
                own = [person, session, treatment, period, scan, guess]
                sessions.append([*own, *scores, *excluded])
    table = pd.DataFrame(people, columns=["participant_id", "group", "sequence", "age"])
    atomic.write_table(study.folder / "participants.tsv", table)
    columns = ["participant_id", "session_id", "treatment", "period", "scan", "guess", *SCALES]
    table = pd.DataFrame(sessions, columns=[*columns, "exclude", "reason"])
    atomic.write_table(study.folder / "sessions.tsv", table)
    scales = pd.read_csv(ROOT / "config/scales.tsv", sep="\t", keep_default_na=False)
    scales = scales[scales["scale"].isin(SCALES)]
    scales["smallest_change"] = scales["scale"].map({"MADRS": 2}).astype(object).fillna("n/a")
    atomic.write_table(study.folder / "scales.tsv", scales)
    _sheet(study, "seeds", "config/seeds.tsv", "seed", SEEDS, set="aal3_spheres")
    _sheet(study, "targets", "config/targets.tsv", "target", TARGETS)
    strategies = {
        "motion": {
            "columns": list(PARAMETERS),
            "methods": "Six parameters of motion (Friston et al. 1996) were regressed out.",
        },
        "motion_gsr": {
            "columns": [*PARAMETERS, "global_signal"],
            "methods": "Motion and the global signal were regressed out.",
        },
    }
    (study.folder / "strategies.yaml").write_text(yaml.safe_dump(strategies))


def _sheet(study: Study, name: str, given: str, key: str, keep, **where: str) -> None:
    """Keep some rows of a sheet that crossfc brings."""
    table = pd.read_csv(ROOT / given, sep="\t", keep_default_na=False)
    kept = table[key].isin(list(keep))
    for column, value in where.items():
        kept &= table[column] == value
    # Large enough to hold voxels of the coarse grid.
    atomic.write_table(study.folder / f"{name}.tsv", table[kept].assign(radius_mm=9))


def _scores(rng: np.random.Generator, patient: bool, treatment: str) -> list[Any]:
    drug = treatment == ACTIVE
    if not patient:
        return [int(rng.integers(0, 4)), "n/a", "n/a"]
    means = {"MADRS": (28, -8), "SHAPS": (38, -5), "TEPS_A": (30, 5)}
    return [int(base + drug * change + rng.integers(-4, 5)) for base, change in means.values()]


def _config(study: Study) -> dict[str, Any]:
    labels = (*study.groups, None)[:2]
    sheets = ("participants", "sessions", "scales", "seeds", "targets")
    return {
        "study": "made_up",
        "title": "A made-up crossover trial",
        "entry": "fmriprep",
        "space": SPACE,
        "derivatives_dir": str(study.folder / "derivatives"),
        "results_dir": str(study.folder / "results"),
        "sheets": {name: str(study.folder / f"{name}.tsv") for name in sheets},
        "strategies": str(study.folder / "strategies.yaml"),
        "groups": dict(zip(("patients", "controls"), labels, strict=True)),
        "treatments": {"active": ACTIVE, "control": CONTROL},
        "covariates": [{"name": "age", "type": "continuous"}],
        "pipelines": dict(study.pipelines),
        "group": {
            "permutations": 299,
            "cluster_forming_p": 0.005,
            "drug_arrangement": "sign flips",
            "analyses": study.analyses and list(study.analyses),
            "sensitivity": {"repeats": 40, "radius_mm": 20},
        },
        "clinical": {
            "permutations": 999,
            "smallest_fisher_z": 0.2,
            "smallest_correlation": 0.5,
        },
        "hypotheses": [
            {k: v.replace("TRD", study.groups[0]) for k, v in own.items()} for own in HYPOTHESES
        ],
    }


# The sessions -------------------------------------------------------------------------------------


def _truth(study: Study, plan: Plan) -> dict[str, Any]:
    """Plan what is planted in every session, with the twin's formulas."""
    trial = plan.checked_trial()
    sessions = [
        {"participant_id": s.participant_id, "session_id": s.session_id} | dict(s.scores)
        | {"treatment": s.treatment, "period": s.period, "scan": ";".join(s.scans)}
        for s in plan.sessions()
    ]  # fmt: skip
    people = [
        {"participant_id": p.participant_id, "group": p.group, "sequence": p.sequence}
        for p in trial.participants.values()
    ]
    return plant(
        people,
        sessions,
        plan.regions.seed_rows(plan.primary),
        plan.regions.target_rows(),
        groups=(*study.groups, None)[:2],
        treatments=(ACTIVE, CONTROL),
        edges=planted(study.effect, study.groups),
        random_seed=study.random,
    )


def _changes(study: Study, plan: Plan) -> pd.DataFrame:
    """Return what is planted in the contrast, as the job truth writes it."""
    scheme = Scheme.crossover((*study.groups, None)[:2], (ACTIVE, CONTROL))
    edges = planted(study.effect, study.groups)
    effects, contrasts = default_effects(edges, scheme), plan.checked_trial().contrasts
    return pd.DataFrame(planted_changes(effects, edges, contrasts, scheme, arms=False))


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Return a brain mask and its affine."""
    from nilearn.datasets import load_mni152_brain_mask

    image = load_mni152_brain_mask(resolution=VOXEL_MM)
    return np.asarray(image.dataobj) > 0, image.affine


def _near(places, radius: float, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return which voxels of the mask are near to one of the places."""
    mm = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    apart = [((mm - np.array(place)) ** 2).sum(1) for place in places]
    return np.min(apart, axis=0) <= radius**2


def _save(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(data, affine)
    image.set_sform(affine, 4)
    image.set_qform(affine, 4)
    image.header.set_xyzt_units("mm", "sec")
    if data.ndim == 4:
        image.header["pixdim"][4] = REPETITION_TIME
    with nibabel.openers.ImageOpener(path, "wb", compresslevel=1) as file:
        image.to_stream(file)


def _outputs(plan: Plan, made: Path, person: str, session: str) -> dict[str, dict[str, Any]]:
    own = person, session, plan.config["task"], made, SPACE
    return {p: layout.connectivity(*own, p, plan.regions.seeds(p)) for p in plan.pipelines}


def _looked_at(plan: Plan, made: Path, person: str, session: str) -> layout.InspectionFiles:
    folder = layout.session_folder(person, session, made)
    words = plan.config["task"], SPACE, plan.pipelines
    return layout.inspection(person, session, *words, folder)


def _paths(files: layout.InspectionFiles) -> list[Path]:
    of_pipelines = [path for own in files["pipelines"].values() for path in own.values()]
    return [files[kind] for kind in ("outlines", "targets", "carpet", "volumes")] + of_pipelines


def _first_session(plan: Plan, made: Path) -> None:
    """Analyse one scan, of noise: what a session's job writes, and under which keys."""
    session, (mask, affine) = plan.sessions()[0], _grid()
    rng = np.random.default_rng(0)
    volume = np.zeros((*mask.shape, VOLUMES), np.int16)
    volume[mask] = 1000 + 9 * rng.standard_normal((mask.sum(), VOLUMES))
    files = layout.preprocessed(session.scans[0], plan.derivatives_dir, SPACE)
    _save(files["bold"], volume, affine)
    _save(files["mask"], mask.astype(np.uint8), affine)
    files["bold_sidecar"].write_text(json.dumps({"RepetitionTime": REPETITION_TIME}))
    table = pd.DataFrame(0.02 * rng.standard_normal((VOLUMES, 6)), columns=PARAMETERS)
    table["framewise_displacement"], table["dvars"] = 0.2 * rng.random((2, VOLUMES))
    table["global_signal"] = volume[mask].mean(0)
    atomic.write_table(files["confounds"], table)
    run = {key: files[key] for key in ("bold", "mask", "confounds")}
    looked_at = _looked_at(plan, made, session.participant_id, session.session_id)
    looked_at["carpet"].parent.mkdir(parents=True)
    connectivity_session(
        session.participant_id,
        session.session_id,
        [{"scan": session.scans[0], "sidecars": [files["bold_sidecar"]]} | run],
        {k: Pipeline.from_params(v) for k, v in plan.connectivity.pipeline_choices().items()},
        plan.regions.target_rows(),
        _outputs(plan, made, session.participant_id, session.session_id),
        looked_at,
        accept_unoriented=False,
        preprocessed_by="fMRIPrep 23.2.3",
        **plan.config["connectivity"],
    )


def _write_sessions(study: Study, plan: Plan, made: Path, truth: dict[str, Any]) -> None:
    """Write the sessions' folders: those of the first, with maps, edges and motion made up."""
    _first_session(plan, made)
    first = plan.sessions()[0]
    outputs = _outputs(plan, made, first.participant_id, first.session_id)
    records = {p: json.loads(files["qc"].read_text()) for p, files in outputs.items()}
    tables = {p: pd.read_csv(files["relmat"], sep="\t") for p, files in outputs.items()}
    mask, affine = _grid()
    looked_at = _paths(_looked_at(plan, made, first.participant_id, first.session_id))
    for number, session in enumerate(plan.sessions()):
        own = session.participant_id, session.session_id
        planted = truth["sessions"][own[0]][own[1]]
        rng = np.random.default_rng([study.random, number])
        maps = _maps(rng, planted["fisher_z"], mask, affine)
        shown = _scan_measures(study, number, session.treatment)
        if session is not first:
            copies = _paths(_looked_at(plan, made, *own))
            copies[0].parent.mkdir(parents=True)
            for path, copied in zip(looked_at, copies, strict=True):
                if path.is_file():
                    shutil.copy(path, copied)
        texture = np.random.default_rng(int(own[0][4:])).standard_normal(mask.shape)
        reference = 1000 * mask * (1 + 0.2 * ndimage.gaussian_filter(texture, 1.0))
        files = layout.preprocessed(session.scans[0], plan.derivatives_dir, SPACE)
        _save(files["boldref"], reference.astype(np.float32), affine)
        for pipeline, files in _outputs(plan, made, *own).items():
            # Another way of cleaning: the same map, a little nearer to zero.
            share = 1.0 if pipeline == plan.primary else 0.9
            for path, values in zip(files["maps"], maps.values(), strict=True):
                volume = np.full(mask.shape, np.nan, np.float32)
                volume[mask] = share * values
                _save(path, volume, affine)
            edges = tables[pipeline].set_index("seed")
            for seed, values in maps.items():
                for target, places in TARGETS.items():
                    edges.loc[seed, target] = share * values[_near(places, 9, mask, affine)].mean()
            atomic.write_table(files["relmat"], edges.reset_index())
            fd = planted["mean_fd"][session.scans[0]]
            who = {"participant_id": own[0], "session_id": own[1], "scan": session.scans[0]}
            atomic.write_json(files["qc"], records[pipeline] | who | shown | {"mean_fd": fd})
            if session is not first:
                shutil.copy(outputs[pipeline]["timeseries"], files["timeseries"])


def _scan_measures(study: Study, number: int, treatment: str) -> dict[str, Any]:
    """Make up what scans show of arousal and pose; the drug lowers the global signal."""
    rng = np.random.default_rng([study.random, number, 1])
    height = (0.5 if treatment == ACTIVE else 0.8) + 0.1 * rng.random()
    pitch = {"head_pitch": rng.normal(), "head_pitch_source": "pose against the person's T1w"}
    return {"global_signal_sd": height, "unmeasured": {}} | pitch


def _maps(rng, planted: dict[str, float], mask: np.ndarray, affine: np.ndarray):
    """Return the Fisher-z map of every seed: smooth noise, and what is planted."""
    found = {}
    for seed in SEEDS:
        noise = ndimage.gaussian_filter(rng.standard_normal(mask.shape), 8 / VOXEL_MM)
        values = BASELINE + (0.12 * noise / noise.std())[mask]
        for edge, z in planted.items():
            if edge.startswith(f"{seed}-"):
                place = TARGETS[edge.partition("-")[2]]
                values[_near(place, REACH_MM, mask, affine)] += z - BASELINE
        found[seed] = values
    return found


# The jobs of a run --------------------------------------------------------------------------------


def _run(plan: Plan, made: Path) -> None:
    """Do what the jobs of the workflow do, in their order, with what the plan gives them."""
    _trial(plan, made)
    for pipeline in plan.pipelines:
        _pairs(plan, made, pipeline)
        for name in _analyses(plan, pipeline):
            choices = plan.group.test_choices(name)
            analyse(
                name,
                made / "group" / pipeline / "pairs",
                made / "group" / pipeline / name,
                AnalysisOptions.from_params(choices["options"]),
                people=choices["people"],
                atlas={
                    "image": plan.config["group"]["atlas"],
                    "table": plan.config["group"]["atlas_names"],
                },
            )
    if families := plan.group.families():
        for pipeline in plan.pipelines:
            folder = made / "group" / pipeline
            folders = {name: folder / name for family in families for name in family}
            atomic.write_table(folder / "family.tsv", joint_table(families, folders))
    if plan.group.sensitive_analyses():
        wanted = plan.group.sensitivity_choices()
        folders = dict.fromkeys(wanted["analyses"], made / "group" / plan.primary / "pairs")
        table, _ = sensitivity_table(wanted["analyses"], folders, wanted["choices"])
        atomic.write_table(made / "group" / plan.primary / "sensitivity.tsv", table)
    _clinic(plan, made)
    _quality(plan, made)
    primary, *others = plan.pipelines
    folders = {name: made / "group" / name for name in others}
    compared = _analyses(plan, others[0]) if others else []
    table, _ = robustness(made / "group" / primary, folders, compared)
    atomic.write_table(made / "robustness.tsv", table)
    _hypotheses(plan, made)


def _analyses(plan: Plan, pipeline: str) -> list[str]:
    """List the analyses of a pipeline: the primary's all, of another the first, to save time."""
    return plan.group.analyses() if pipeline == plan.primary else plan.group.analyses()[:1]


def _trial(plan: Plan, made: Path) -> None:
    left = pd.DataFrame(plan.trial.left(), columns=LEFT_COLUMNS)
    atomic.write_table(made / "trial/left.tsv", left)
    atomic.write_table(made / "trial/counts.tsv", pd.DataFrame(plan.trial.counts()))
    atomic.write_table(made / "participants.tsv", pd.DataFrame(plan.people.participants()))
    head = dataset_description(plan.config["study"], __version__)
    atomic.write_json(made / "dataset_description.json", head)


def _finished(plan: Plan, made: Path, pipeline: str) -> list[dict[str, Any]]:
    return [
        finished_session(
            row["participant_id"], row["session_id"], plan.config["task"], made, SPACE, pipeline,
            plan.regions.seeds(pipeline),
        )
        for row in plan.people.sessions_of_people()
    ]  # fmt: skip


def _pairs(plan: Plan, made: Path, pipeline: str) -> None:
    (contrast,) = plan.contrasts()
    sessions, out = plan.people.sessions_of_people(), made / "group" / pipeline / "pairs"
    files, choices = _finished(plan, made, pipeline), plan.group.pair_choices(pipeline, "pairs")
    by_session = {
        (row["participant_id"], row["session_id"]): own
        for row, own in zip(sessions, files, strict=True)
    }
    rules = choices["limits"], plan.exclusion.excluding()
    quality = quality_table(sessions, [own["qc"] for own in files], *rules)
    people, left = split(plan.people.rows(contrast), quality)
    edges = edge_rows(sessions, [own["relmat"] for own in files])
    atomic.write_table(out / "edges.tsv", edges)
    for name, table in weight_tables(people, baseline=False).items():
        atomic.write_table(out / name, table)
    pair_sessions(
        with_maps(people, lambda person, session: by_session[person, session]["maps"]),
        plan.regions.seeds(pipeline),
        choices["treatments"],
        choices["groups"],
        pipeline,
        out,
        seed_definitions=plan.regions.seed_rows(pipeline),
        **{name: choices[name] for name in READING},
    )
    atomic.write_table(out / "left.tsv", pd.DataFrame(left, columns=LEFT_COLUMNS))


def _clinic(plan: Plan, made: Path) -> None:
    designs, files = plan.designs(), plan.clinic.change_files()
    scales = list(plan.checked_trial().scales)
    tables = change_tables(plan.clinic.scores(), designs, scales)
    for name in ("change", "scores", "between"):
        atomic.write_table(files[name], getattr(tables, name))
    described = course(plan.clinic.visits(), **plan.clinic.course_design())
    atomic.write_table(files["course"], described)
    scores, groups, criteria = plan.clinic.scores(), groups_of(designs[0]), plan.clinic.criteria()
    atomic.write_table(files["sequences"], sequence_table(scores, designs, scales))
    first = first_period_table(plan.clinic.first_scores(), designs, scales)
    atomic.write_table(files["first_period"], first)
    cells = plan.clinic.course_design()["cells"]
    counted = response_table(plan.clinic.statuses(), criteria, groups, cells)
    atomic.write_table(files["response"], counted)
    compared = plan.clinic.response_pairs(), plan.clinic.response_comparisons()
    paired = paired_response_table(*compared, criteria, groups)
    atomic.write_table(files["response_pairs"], paired)
    pairs, files = made / "group" / plan.primary / "pairs", plan.clinic.correlation_files()
    choices = plan.clinic.correlation_choices()
    found = correlation_tables(
        designs,
        [pairs],
        plan.clinic.correlated_scores(),
        choices["groups"],
        scales,
        n_permutations=choices["permutations"],
        random_seed=choices["seed"],
        smallest=choices["smallest_correlation"],
    )
    atomic.write_table(files["correlation"], found.table)
    atomic.write_table(files["points"], found.points)
    atomic.write_table(files["left"], found.left)
    judged = evidence_table(
        plan.clinic.scores(),
        designs,
        scales,
        plan.clinic.smallest_effects(),
        [pairs],
        read_table(files["correlation"]),
    )
    atomic.write_table(plan.clinic.evidence_file(), judged)
    edges = read_table(pairs / "edges.tsv")
    mixed = mixed_model(edges, designs[0]["treatments"], groups_of(designs[0]))
    atomic.write_table(made / "group" / plan.primary / "mixed.tsv", mixed)


def _quality(plan: Plan, made: Path) -> None:
    files, sessions = plan.quality.files(), plan.people.sessions_of_people()
    rules = plan.exclusion.limits(), plan.exclusion.ratings()
    records = {p: [own["qc"] for own in _finished(plan, made, p)] for p in plan.pipelines}
    tables = {p: quality_table(sessions, records[p], *rules) for p in plan.pipelines}
    own = tables[plan.primary]
    atomic.write_table(files["sessions"], own)
    atomic.write_table(files["excluded"], excluded_sessions(tables))
    atomic.write_table(files["ratings"], rating_table(rules[1]))
    atomic.write_table(files["defects"], defective_volumes(sessions, records[plan.primary]))
    rows = own[["participant_id", "session_id", "boundary_cost"]].to_dict("records")
    references = plan.scans.boldrefs()
    alike = likeness(rows, [references.get(scan) for scan in own["scan"]])
    atomic.write_table(files["likeness"], alike)
    folders = [made / "group" / plan.primary / "pairs"]
    moved = motion_tables(own, plan.designs(), folders)
    pairs = [(seed, target) for seed, target in plan.quality.edges()]
    atomic.write_table(files["rivals"], rival_table(own, plan.designs(), folders, pairs))
    choices = plan.quality.guess_choices()
    guesses, sets = choices["guesses"], (choices["treatments"], choices["groups"])
    atomic.write_table(files["blinding"], blinding_table(guesses, *sets))
    outcomes = pairs, choices["scores"], choices["scales"]
    told = effects_by_guess(guesses, plan.designs(), folders, *outcomes)
    atomic.write_table(files["effects_by_guess"], told)
    atomic.write_table(files["motion"], moved.motion)
    atomic.write_table(files["qcfc"], moved.qcfc)


def _hypotheses(plan: Plan, made: Path) -> None:
    own = plan.hypotheses
    source = Source.read(
        own.pairs(),
        {name: list(folders) for name, folders in own.folders().items()},
        own.tables(),
        own.motion(),
        designs=plan.designs(),
        scores=own.scores(),
        n_permutations=own.choices()["permutations"],
        random_seed=own.choices()["seed"],
    )
    found = hypothesis_tables(own.rows(), source, own.choices()["fd_limits"])
    for name, path in own.files().items():
        atomic.write_table(path, getattr(found, name))
    choices = {name: plan.group.test_choices(name) for name in _analyses(plan, plan.pipelines[-1])}
    data = {
        name: PipelineData(made / "group" / name, {"drug": made / "group" / name / "pairs"})
        for name in plan.pipelines
    }
    motion = read_table(plan.quality.files()["sessions"])
    limits = plan.quality.fd_limits()
    table = cluster_robustness(data, choices, plan.designs(), 26, motion, limits)
    atomic.write_table(plan.quality.robustness_files()["clusters"], table)


def _arguments(study: Study, plan: Plan, made: Path) -> dict[str, Any]:
    contents = plan.report.contents()
    folders = {key: made / name for key, name in contents.pop("folders").items()}
    if study.truth:
        folders |= {"truth": made / "truth.json", "planted_changes": made / "planted_changes.tsv"}
    contents["carpets"] = [made / name for name in contents["carpets"]]
    return (
        contents
        | folders
        | {
            "made": [made],
            "atlas": {
                "image": plan.config["group"]["atlas"],
                "table": plan.config["group"]["atlas_names"],
            },
            "versions": {"crossfc": __version__, "numpy": np.__version__},
        }
    )
