"""What a configuration says of derivatives that another program cleaned, before defaults."""

from typing import Any

from crossfc.trial.strategy import CLEANED

PREPROC = "preproc"


def cleaned_input(config: dict[str, Any]) -> list[str]:
    """Set the pass band of cleaned input to none, and list what would clean it twice.

    Parameters
    ----------
    config : dict
        The configuration before its defaults are filled in. Changed in place: a pipeline of
        strategy ``cleaned`` that names no pass band has none.

    Returns
    -------
    list of str
        One sentence per fault.
    """
    derivatives, pipelines = config.get("derivatives"), config.get("pipelines")
    given = derivatives if isinstance(derivatives, dict) else {}
    desc = given.get("desc", PREPROC)
    further = desc != PREPROC
    if not isinstance(pipelines, dict) and pipelines is not None:
        return []  # the schema says what is wrong
    own = {k: v for k, v in (pipelines or {"primary": {}}).items() if isinstance(v, dict)}
    faults = []
    for name, choices in own.items():
        strategy = choices.get("strategy")
        if strategy == CLEANED:
            choices.setdefault("high_pass_hz", 0)
            choices.setdefault("low_pass_hz", None)
            if not further or config.get("entry") != "fmriprep":
                faults.append(
                    f"config key pipelines.{name}.strategy: {CLEANED} is for scans that another "
                    "program cleaned, and those analysed are fMRIPrep's desc-preproc or its like; "
                    "name them (entry: fmriprep, derivatives.desc: denoised), or choose another "
                    "strategy"
                )
            if choices.get("reference_degrees_of_freedom") is not None:
                faults.append(
                    f"config key pipelines.{name}.reference_degrees_of_freedom: how many degrees "
                    f"of freedom were left by the program that cleaned the scans is not known "
                    f"(strategy {CLEANED}), so Fisher z cannot be brought to one spread; remove it"
                )
        elif further and strategy is None:
            faults.append(
                f"config key pipelines.{name}.strategy: with derivatives.desc: {desc or 'null'} "
                f"name a strategy, so that nothing is taken out twice: {CLEANED} takes out nothing "
                "further, any other what it names"
            )
    if further and config.get("twin"):
        faults.append(
            "config key derivatives.desc: simulated scans (key twin) are desc-preproc; remove it"
        )
    if "smooth" in str(desc).lower() and not given.get("smoothed_mm"):
        faults.append(
            f"config key derivatives.smoothed_mm: desc-{desc} was smoothed; write by how much "
            "(full width at half maximum, mm), and fwhm_mm: 0 in pipelines that are to smooth no "
            "more"
        )
    return faults
