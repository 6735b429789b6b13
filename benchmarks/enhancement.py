"""Threshold-free cluster enhancement, compared with the package `tfce`, which is also exact.

`tfce` 0.1.0 (Gaser, https://github.com/ChristianGaser/tfce) builds the tree of components by
union-find and integrates each piece in closed form, as eTFCE does (Chen et al. 2026,
arXiv:2603.03004); crossfc passes through the heights in order. The two programs share no code, and
agree up to the rounding of single precision, in which `tfce` returns its values. `tfce` is
installed into a separate folder and runs in a separate Python process: crossfc does not depend on
it.

    python benchmarks/enhancement.py
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PACKAGE = "tfce==0.1.0"
MAPS = 12
SMOOTH = 2.0  # voxels (standard deviation): a little more than 6 mm full width at half maximum

# The script that runs `tfce`: it reads maps, enhances them, and prints the cost per map.
_OPPONENT = """
import json, sys, time
import numpy as np
import tfce
volumes = np.load(sys.argv[1])
tfce.tfce(volumes[0], connectivity=int(sys.argv[3]))
started = time.process_time()
found = np.stack([tfce.tfce(v, connectivity=int(sys.argv[3]), n_jobs=1) for v in volumes])
spent = time.process_time() - started
np.save(sys.argv[2], found)
print(json.dumps(1e3 * spent / len(volumes)))
"""


def measure() -> dict[str, float]:
    """Measure milliseconds per map (one thread) of both programs, and how far their maps differ."""
    from nilearn.datasets import load_mni152_brain_mask
    from scipy import ndimage

    from crossfc.group.inference.tfce import Enhancer

    mask = load_mni152_brain_mask(resolution=2).get_fdata() > 0
    random = np.random.default_rng(0)
    volumes = np.zeros((MAPS, *mask.shape), dtype=np.float32)
    for volume in volumes:
        noise = ndimage.gaussian_filter(random.standard_normal(mask.shape), SMOOTH)
        volume[mask] = (noise / noise[mask].std())[mask]
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        _fetch(folder)
        np.save(Path(folder) / "maps.npy", volumes)
        for connectivity in (6, 26):
            enhancer = Enhancer(mask, connectivity)
            heights = np.ascontiguousarray(volumes[:, mask])
            enhancer.map(heights[0])
            started = time.process_time()
            own = np.stack([enhancer.map(each) for each in heights])
            spent = 1e3 * (time.process_time() - started) / MAPS
            theirs, cost = _opponent(folder, connectivity)
            apart = np.abs(own - theirs[:, mask]).max() / np.abs(own).max()
            found |= {
                f"ours_ms_{connectivity}_neighbours": spent,
                f"tfce_ms_{connectivity}_neighbours": cost,
                f"largest_difference_{connectivity}_neighbours": float(apart),
            }
            if apart > 1e-6:
                raise RuntimeError(f"the two integrals differ by {apart:.2g} of the largest value")
    return found


def _fetch(folder: str) -> None:
    """Install the other package into a folder that no other program uses."""
    here = [sys.executable, "-m", "pip", "install"]
    command = [*here, "--quiet", "--no-deps", "--target", folder, PACKAGE]
    subprocess.run(command, check=True, capture_output=True)


def _opponent(folder: str, connectivity: int) -> tuple[np.ndarray, float]:
    environment = os.environ | {"PYTHONPATH": folder}
    command = [sys.executable, "-c", _OPPONENT, "maps.npy", "enhanced.npy", str(connectivity)]
    done = subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return np.load(Path(folder) / "enhanced.npy"), json.loads(done.stdout)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
    for key, value in measure().items():
        print(f"{key:40s} {value:12.4g}")
