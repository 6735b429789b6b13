"""The cost of the workflow besides the science: the digital twin, run as by `make demo`.

Science is the CPU time of the jobs' scripts after their imports. Overhead is the rest: Snakemake,
polling, and the start, imports and end of every process.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("Snakefile", "workflow", "scripts", "config", "envs", "profiles", "uv.lock")


def measure() -> dict[str, float]:
    """Run the twin once on two cores, and add up CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            (Path(folder) / name).symlink_to(ROOT / name)
        lines = Path(folder) / "meter.tsv"
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"METER": str(lines), "PYTHONPATH": str(ROOT / "benchmarks/meter")}
        before = _children()
        subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all"],
            cwd=folder,
            check=True,
            capture_output=True,
            env=environment,
        )
        total = _children() - before
        science = snakemake = starts = 0.0
        for line in lines.read_text().splitlines():
            name, own, children, imports = line.split("\t")
            if name == "__main__.py":
                snakemake += float(own)
            else:
                science += float(own) + float(children) - float(imports)
                starts += float(imports)
    return {
        "twin_cpu_seconds": total,
        "twin_science_cpu_seconds": science,
        "twin_snakemake_cpu_seconds": snakemake,
        "twin_starts_and_imports_cpu_seconds": starts,
        "twin_overhead_share": 1 - science / total,
    }


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    for key, value in measure().items():
        print(f"{key:40s} {value:10.4g}")
