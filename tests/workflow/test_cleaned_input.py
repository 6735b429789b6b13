"""A study of scans that another program cleaned, from its files to the page."""

import json

import nibabel
import numpy as np
import pandas as pd
import pytest

from crossfc.table import read_table
from tests.workflow.told import assert_told

pytestmark = pytest.mark.slow
OUTLIERS = [10, 11, 40]


def as_of_xcp_d(derivatives):
    """Make of fMRIPrep's files what XCP-D writes: no mask, no mean, outliers taken out."""
    for bold in sorted(derivatives.rglob("*_desc-preproc_bold.nii.gz")):
        image, start = nibabel.load(bold), bold.name.split("_space-")[0]
        (mask,) = bold.parent.glob(f"{start}_*desc-brain_mask.nii.gz")
        (table,) = bold.parent.glob(f"{start}_desc-confounds_timeseries.tsv")
        inside = np.asarray(nibabel.load(mask).dataobj) > 0
        data = image.get_fdata(dtype=np.float32)
        data = (data - data.mean(axis=-1, keepdims=True)) * inside[..., None]
        outlier = np.isin(np.arange(data.shape[-1]), OUTLIERS)
        made = nibabel.Nifti1Image(data[..., ~outlier], image.affine, image.header)
        nibabel.save(made, bold.with_name(bold.name.replace("preproc", "denoised")))
        motion = read_table(table)[["trans_x", "framewise_displacement"]]
        if "T05" not in start:
            motion.to_csv(
                bold.with_name(f"{start}_motion.tsv"), sep="\t", na_rep="n/a", index=False
            )
        marked = pd.DataFrame({"framewise_displacement": outlier.astype(int)})
        marked.to_csv(bold.with_name(f"{start}_outliers.tsv"), sep="\t", index=False)
        sidecar = bold.with_name(bold.name.replace(".nii.gz", ".json"))
        if sidecar.exists():
            sidecar.rename(sidecar.with_name(sidecar.name.replace("preproc", "denoised")))
        for path in (bold, mask, table):
            path.unlink()
    description = {"Name": "x", "GeneratedBy": [{"Name": "XCP-D", "Version": "0.10.6"}]}
    (derivatives / "dataset_description.json").write_text(json.dumps(description))


def test_cleaned_scans_give_a_page_that_says_what_is_not_known(study):
    as_of_xcp_d(study.folder / "derivatives")
    study.set_config(
        derivatives={"desc": "denoised"}, pipelines={"primary": {}}, robustness={}, primary=None
    )
    refused = study.snakemake("-n")
    assert refused.returncode == 1 and "pipelines.primary.strategy: with derivatives.desc" in (
        refused.stderr
    )
    study.set_config(study="cleaned", pipelines={"primary": {"strategy": "cleaned", "fwhm_mm": 6}})
    done = study.snakemake()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    results = study.folder / "results/cleaned"
    assert_told(results)
    table = read_table(results / "quality/sessions.tsv")
    own = table["participant_id"] == "sub-T05"
    assert table.loc[own, "mean_fd"].isna().all() and table.loc[~own, "mean_fd"].notna().all()
    assert (table["volumes_censored"] >= len(OUTLIERS)).all()
    assert table["notes"].str.contains("3 of 60 volumes had been taken out").all()
    assert table["preprocessed_by"].eq("XCP-D 0.10.6").all()
    assert not table["excluded"].all()
    said = (results / "methods.md").read_text()
    assert "had been cleaned by another program" in said and "degrees of freedom" in said
    assert "in one projection" not in said
