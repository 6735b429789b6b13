"""What a pipeline does to scans, in words; without anything that planning has not."""

from collections.abc import Mapping
from typing import Any

from crossfc.report import number


def band(choices: Mapping[str, Any]) -> str:
    """Describe the pass band in words."""
    high, low = choices.get("high_pass_hz"), choices.get("low_pass_hz")
    if high and low:
        return f"frequencies outside {number.general(high)}–{number.general(low)} Hz"
    if high:
        return f"frequencies below {number.general(high)} Hz"
    if low:
        return f"frequencies above {number.general(low)} Hz"
    return ""


def difference(choices: Mapping[str, Any], primary: Mapping[str, Any]) -> str:
    """Describe how a pipeline differs from the primary one."""
    words = {
        "strategy": "confound strategy",
        "high_pass_hz": "high-pass (Hz)",
        "low_pass_hz": "low-pass (Hz)",
        "censor_fd_mm": "censoring above FD (mm)",
        "censor_minimum_run": "shortest kept stretch (volumes)",
        "censored_filter": "filter around censored volumes",
        "fwhm_mm": "smoothing FWHM (mm)",
        "seed_set": "seed set",
        "region_weights": "voxels of regions weighted by",
        "reference_degrees_of_freedom": "Fisher z brought to degrees of freedom",
    }
    out = []
    for key, value in choices.items():
        if value != primary.get(key):
            shown = "none" if value is None else value
            out.append(f"{words.get(key, key)} {shown}")
    return ", ".join(out)
