"""The checked configuration: its keys, and what each holds.

`crossfc.trial.config.check` returns it, with all defaults filled in. What the keys mean says
``workflow/schemas/config.schema.yaml`` (and config/README.md, which is made of it); a test holds
the keys here against the schema.
"""

from typing import Literal, NotRequired, TypedDict

from crossfc.trial import limit


class DeclaredCovariate(TypedDict):
    """An entry of the key ``covariates`` with its type."""

    name: str
    type: NotRequired[Literal["categorical", "continuous"]]


class AcceptedDerivatives(TypedDict):
    """The key ``derivatives``."""

    desc: str | None
    smoothed_mm: float
    fmriprep_dir: str | None
    components_dir: str | None
    accept_unoriented: bool
    accept_fmriprep_versions: list[str]


class GroupMapping(TypedDict):
    """The key ``dataset.group``: a column of the data set, and its values to labels of groups."""

    column: str | None
    values: dict[str, str]


class SessionMapping(TypedDict):
    """A session below the key ``dataset.sessions``: its treatment, or the column that tells it.

    The treatment is ``n/a`` before all treatment. Treatment and occasion are None where the tables
    of the data set, which should tell them, do not.
    """

    treatment: NotRequired[str | None]
    column: NotRequired[str]
    period: NotRequired[int]
    occasion: NotRequired[str | None]


class SessionSource(TypedDict):
    """The key ``dataset.session_source``: what tells the sessions that have no key of their own."""

    label: str | None
    tables: list[str] | None
    columns: dict[str, str]
    treatments: dict[str, str]
    occasions: dict[str, str]
    order: str | None


class SequenceMapping(TypedDict):
    """The key ``dataset.sequence``: a column for each period, and their values to treatments.

    Or one column of whole orders, and its values to orders such as ``A-B``.
    """

    columns: NotRequired[list[str]]
    column: NotRequired[str]
    values: dict[str, str]


class ScanMapping(TypedDict):
    """The key ``dataset.scan``: run numbers, and the entities that a scan must have."""

    runs: list[int] | None
    entities: dict[str, str | None]


class DatasetMapping(TypedDict):
    """The key ``dataset``: how the sheets are read from a BIDS data set."""

    participants: str
    phenotype: list[str]
    listing: str | None
    group: GroupMapping
    sessions: dict[str, SessionMapping]
    session_source: NotRequired[SessionSource]
    sequence: SequenceMapping
    scan: ScanMapping
    scales: dict[str, str]
    covariates: list[str]


class PipelineChoices(TypedDict):
    """A pipeline below the key ``pipelines``; frequencies in Hz, lengths in mm."""

    strategy: str
    high_pass_hz: float
    low_pass_hz: float | None
    censor_fd_mm: float | None
    censor_minimum_run: int
    censored_filter: Literal["interpolate", "exact"]
    fwhm_mm: float
    seed_set: str
    region_weights: Literal["overlap", "grey_matter"]
    reference_degrees_of_freedom: float | None


class ConnectivityChoices(TypedDict):
    """The key ``connectivity``."""

    minimum_voxel_signal: float
    minimum_voxel_tsnr: float
    minimum_seed_coverage: float
    minimum_seed_tsnr: float
    minimum_residual_degrees_of_freedom: int


class PhysiologyChoices(TypedDict):
    """The key ``physiology``."""

    cardiac: Literal["automatic", "pulse", "ecg"]


class ExclusionChoices(limit.ExclusionLimits):
    """The key ``exclusion``: limits, and the path of a table of ratings."""

    ratings: str | None


class SensitivityChoices(TypedDict):
    """The key ``group.sensitivity``.

    ``radius_mm`` is that of the sphere in which an effect is planted, ``sizes`` are the changes in
    it for which power is told, ``repeats`` counts the null studies that it is planted into.
    """

    radius_mm: float
    sizes: list[float]
    repeats: int


class GroupChoices(TypedDict):
    """The key ``group``."""

    analyses: list[str] | None
    given: list[str]
    permutations: int
    seed: int
    cluster_forming_p: float
    connectivity: Literal[6, 18, 26]
    tfce: bool
    tail: bool
    blocks: str | None
    block_exchange: Literal["within", "whole"]
    drug_arrangement: Literal["automatic", "sign flips", "re-randomisation"]
    families: list[list[str]]
    sensitivity: SensitivityChoices | None
    threads: int
    memory_gb: float
    mask: str | None
    atlas: str
    atlas_names: str


class ConfirmatoryHypothesis(TypedDict):
    """An entry of the key ``hypotheses``."""

    name: NotRequired[str]
    analysis: NotRequired[str]
    seed: NotRequired[str]
    region: NotRequired[str]
    scale: NotRequired[str]
    group: NotRequired[str]
    contrast: NotRequired[str]
    direction: NotRequired[Literal["positive", "negative"]]
    citation: NotRequired[str]


class RobustnessChoices(TypedDict):
    """The key ``robustness``."""

    seed_sets: list[str]
    maximum_mean_fd_mm: list[float]


class Hypothesis(TypedDict):
    """An entry of the key ``clinical.hypotheses``."""

    seed: str
    target: str
    scales: NotRequired[list[str]]
    citation: NotRequired[str]


class ClinicalChoices(TypedDict):
    """The key ``clinical``."""

    permutations: int
    bootstrap: int
    seed: int
    groups: list[str] | None
    smallest_fisher_z: float | None
    smallest_correlation: float | None
    hypotheses: list[Hypothesis]


class BlindingChoices(TypedDict):
    """The key ``blinding``: the file that says what the codes of treatments stand for."""

    file: str


class ReportChoices(TypedDict):
    """The key ``report``."""

    labels: dict[str, str]
    participant_ids: bool


class BundleChoices(TypedDict):
    """The key ``bundle``."""

    license: str | None
    smallest_group: int


class FmriprepChoices(TypedDict):
    """The key ``preprocessing.fmriprep``."""

    image: str
    runner: Literal["apptainer", "singularity"]
    fs_license: str | None
    templateflow_dir: str | None
    work_dir: str
    anatomical_reference: Literal["first-lex", "unbiased"]
    reconall: bool
    ignore: list[str]
    options: list[str]
    threads: int
    omp_threads: int
    memory_gb: float
    hours: float


class PreprocessingChoices(TypedDict):
    """The key ``preprocessing``."""

    tool: Literal["native", "fmriprep-run"]
    resolution_mm: float
    slice_timing: Literal["require", "skip"]
    field_maps: Literal["use", "ignore", "refuse"]
    accept_unoriented: bool
    poor_boundary_cost: float
    left_right: Literal["warn", "refuse", "skip"]
    seed: int
    fmriprep: FmriprepChoices


class MapChoices(TypedDict):
    """The key ``maps``."""

    pattern: str
    names: dict[str, str]
    kind: Literal["fisher_z", "correlation", "other"] | None
    level: Literal["session", "contrast"]
    zero_is_missing: bool
    accept_unoriented: bool
    fwhm_mm: float
    mask_seeds: bool


class TwinDesign(TypedDict):
    """The key ``twin.design``: how many people of each group, in which orders, who leaves."""

    people: dict[str, int]
    orders: str | list[list[str]]
    before: list[str]
    dropouts: float
    scales: list[str] | None


class TwinEffect(TypedDict):
    """A row of the key ``twin.effects``: a change in Fisher z, and where it holds.

    With ``scale`` the change is per point of the score.
    """

    seed: str
    target: str
    change: float
    treatment: NotRequired[str]
    occasion: NotRequired[str]
    group: NotRequired[str]
    period: NotRequired[int]
    scale: NotRequired[str]


class TwinChoices(TypedDict):
    """The key ``twin``."""

    volumes: int
    repetition_time: float
    resolution_mm: int
    design: TwinDesign | None
    effects: list[TwinEffect] | None
    strengths: dict[str, float]
    period_sd: float
    seed: int


class Configuration(TypedDict):
    """A checked configuration.

    ``sheets`` are paths by the kind of sheet (participants, sessions, scales, seeds, targets).
    ``groups`` are labels by role (patients, controls; `crossfc.trial.role`), in this order, and so
    are ``treatments`` (active, control) unless they are a list, the reference first; ``unused`` are
    lists of labels (groups, treatments). ``contrasts`` hold weights by name, treatment and, where
    the weight is not that of the main occasion, by occasion.
    """

    study: str
    title: str
    entry: Literal["raw", "fmriprep", "maps"]
    bids_dir: str
    derivatives_dir: str | None
    results_dir: str
    sheets: dict[str, str]
    groups: dict[str, str | None]
    treatments: dict[str, str] | list[str]
    occasions: list[str]
    main_occasion: str | None
    contrasts: dict[str, dict[str, float | dict[str, float]]]
    sets: dict[str, list[str]]
    baseline_occasion: str | None
    baseline: Literal["none", "period", "difference"] | None
    unused: dict[str, list[str]]
    covariates: list[str | DeclaredCovariate]
    task: str
    scans_may_differ_in: list[str]
    space: str
    res: str | None
    derivatives: AcceptedDerivatives
    dataset: NotRequired[DatasetMapping]
    strategies: str
    primary: str
    pipelines: dict[str, PipelineChoices]
    connectivity: ConnectivityChoices
    physiology: PhysiologyChoices
    exclusion: ExclusionChoices
    group: GroupChoices
    clinical: ClinicalChoices
    hypotheses: list[ConfirmatoryHypothesis]
    blinding: BlindingChoices | None
    preregistration: str | None
    robustness: RobustnessChoices
    report: ReportChoices
    bundle: BundleChoices
    preprocessing: PreprocessingChoices
    maps: MapChoices
    twin: TwinChoices | None
