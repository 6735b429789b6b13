"""Write the report, a page that answers the study's questions."""

from importlib.metadata import version
from pathlib import Path
from platform import python_version

from crossfc.jobs.job import job

PACKAGES = ("numpy", "scipy", "pandas", "nibabel", "nilearn", "numba", "statsmodels", "matplotlib")

with job(snakemake):
    from crossfc import __version__
    from crossfc.report.page import write_report

    output = Path(snakemake.output.page)
    study = dict(snakemake.params.study)
    folders = study.pop("folders")
    atlas = dict(zip(("image", "table"), snakemake.input.atlas, strict=False))
    carpets = [output.parent / name for name in study.pop("carpets")]
    write_report(
        output,
        **study,
        blinding=snakemake.params.blinding,
        preregistration=snakemake.params.preregistration,
        checklists=output.parent / "checklists",
        manuscript=output.parent,
        atlas=atlas or None,
        made=[Path(path) for path in snakemake.input.made],
        **{key: output.parent / name for key, name in folders.items()},
        carpets=carpets,
        versions={"crossfc": __version__, "Python": python_version()}
        | {name: version(name) for name in PACKAGES},
    )
