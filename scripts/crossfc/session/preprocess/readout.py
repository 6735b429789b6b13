"""The readout of echo-planar images: how far along which axis an off-resonance shifts signal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossfc.fault import Fault
from crossfc.session.sidecar import is_number, shown

_FAT_PPM = 3.4  # what fat is off from water
_MHZ_PER_TESLA = 42.577
# A readout of an image of a head takes some tens of milliseconds.
_LONGEST_S = 1.0


@dataclass(frozen=True)
class Readout:
    """The readout of an echo-planar image.

    Attributes
    ----------
    direction : str
        PhaseEncodingDirection: i, j or k, with a minus where it runs to lower index.
    total_s : float
        Total readout time as FSL and BIDS define it, s: signal that is off by 1 / total_s Hz moves
        by one voxel.
    source : str
        The fields of the sidecar that the time is from.
    """

    direction: str
    total_s: float
    source: str

    @property
    def axis(self) -> int:
        """The voxel axis along which phase is encoded."""
        return "ijk".index(self.direction[0])

    @property
    def voxels_per_hz(self) -> float:
        """Shift of the signal towards higher index that 1 Hz makes, voxels."""
        return -self.total_s if self.direction.endswith("-") else self.total_s


def read_readout(sidecar: Mapping[str, Any], shape: Sequence[int], image: object) -> Readout:
    """Read direction and duration of the readout from a sidecar.

    The duration is TotalReadoutTime, or else EffectiveEchoSpacing times the number of voxels along
    the phase-encoding axis less one, or else dcm2niix's estimates of either for Philips scanners,
    or else from WaterFatShift: fat is off by 3.4 ppm, and lands so many voxels away.

    Parameters
    ----------
    sidecar : mapping
        Merged JSON of the image.
    shape : sequence of int
        Shape of the image.
    image : path
        Named in messages.

    Returns
    -------
    Readout

    Raises
    ------
    Fault
        If direction or duration are missing or cannot be.
    """
    direction = sidecar.get("PhaseEncodingDirection")
    if direction not in ("i", "j", "k", "i-", "j-", "k-"):
        said = "no PhaseEncodingDirection"
        if direction is not None:
            said = f"PhaseEncodingDirection {shown(direction)}"
        raise Fault(
            f"the sidecar of {image} has {said}, which its field maps need; add it (i, j or k, "
            "with a minus where phase runs to lower index), or set preprocessing.field_maps: ignore"
        )
    lines = shape["ijk".index(direction[0])] - 1
    for name, factor in (
        ("TotalReadoutTime", 1),
        ("EffectiveEchoSpacing", lines),
        ("EstimatedTotalReadoutTime", 1),
        ("EstimatedEffectiveEchoSpacing", lines),
    ):
        if name not in sidecar:
            continue
        value = sidecar[name]
        if not is_number(value) or not 0 < value * factor <= _LONGEST_S:
            hint = ""
            if is_number(value) and _LONGEST_S < value * factor <= 1000 * _LONGEST_S:
                hint = ", which looks like milliseconds"
            raise Fault(
                f"the sidecar of {image} has {name} {shown(value)}{hint}; give seconds, or set "
                "preprocessing.field_maps: ignore"
            )
        return Readout(direction, float(value * factor), name)
    total_s = _from_water_fat_shift(sidecar)
    if total_s is not None:
        return Readout(direction, total_s, "WaterFatShift")
    raise Fault(
        f"the sidecar of {image} has neither TotalReadoutTime nor EffectiveEchoSpacing (nor, of a "
        "Philips scanner, WaterFatShift with ImagingFrequency or MagneticFieldStrength), so it "
        "does not tell how far the field shifts the image; add TotalReadoutTime (s), or set "
        "preprocessing.field_maps: ignore"
    )


def _from_water_fat_shift(sidecar: Mapping[str, Any]) -> float | None:
    """Return the readout time of a Philips scan, s, if its sidecar tells it."""
    shift, tesla = sidecar.get("WaterFatShift"), sidecar.get("MagneticFieldStrength")
    mhz = sidecar.get("ImagingFrequency")
    if not is_number(mhz) and is_number(tesla):
        assert isinstance(tesla, int | float)
        mhz = tesla * _MHZ_PER_TESLA
    if not (is_number(shift) and is_number(mhz)):
        return None
    assert isinstance(shift, int | float) and isinstance(mhz, int | float)
    if not (shift > 0 and mhz > 0):
        return None
    total = shift / (mhz * _FAT_PPM)
    # From the first line to the last there is one step fewer than there are lines.
    train = sidecar.get("EPIFactor")
    if is_number(train) and isinstance(train, int | float) and train > 0:
        total *= train / (train + 1)
    return float(total) if total <= _LONGEST_S else None
