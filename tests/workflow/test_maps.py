"""Ready maps: a lab brings its own, and the group level alone runs. On 30 real contrast maps."""

import json
import shutil

import nibabel
import numpy as np
import pandas
import yaml

from crossfc.report import number
from tests.image import write_image
from tests.report.report_page import Page
from tests.workflow.conftest import copy_product
from tests.workflow.told import assert_told

# One-sample t at these places (mm), computed independently.
KNOWN = {(7, 24, 54): 7.25, (52, -58, 32): 5.99, (-48, 14, 36): 4.95}


def test_real_contrast_maps(tmp_path, root, shared_data):
    study = copy_product(tmp_path / "study", root)
    shutil.unpack_archive(shared_data / "wager2008.tar.gz", study.folder)
    design = study.folder / "design"
    design.mkdir()
    people = [f"sub-{i:02d}" for i in range(1, 31)]
    rows = "".join(f"{p}\thealthy\tn/a\n" for p in people)
    (design / "participants.tsv").write_text("participant_id\tgroup\tsequence\n" + rows)
    (design / "sessions.tsv").write_text("participant_id\tsession_id\ttreatment\tperiod\tscan\n")
    columns = "set\tseed\tkind\tx\ty\tz\tradius_mm"
    (design / "seeds.tsv").write_text(f"{columns}\nnone\treappraisal\tsphere\t0\t0\t0\t5\n")
    for i, person in enumerate(people, 1):
        for kind in ("hdr", "img"):
            source = study.folder / f"wager2008/con_008100{i:02d}.{kind}"
            source.rename(source.with_name(f"{person}.{kind}"))
    config = {
        "study": "wager",
        "entry": "maps",
        "derivatives_dir": "wager2008",
        "sheets": {f"{s}": f"design/{s}.tsv" for s in ("participants", "sessions", "seeds")},
        "groups": {"patients": "healthy"},
        "treatments": {"active": "reappraise", "control": "look"},
        "pipelines": {"primary": {"seed_set": "none"}},
        "maps": {
            "pattern": "{participant_id}.img",
            "level": "contrast",
            "kind": "other",
            "mask_seeds": False,
        },
        "group": {"permutations": 500},
    }
    study.config_path.write_text(yaml.safe_dump(config))

    text = study.snakemake("group").stderr
    assert "sub-01.img" in text and "maps.accept_unoriented" in text

    study.set_config(maps__accept_unoriented=True)
    done = study.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    assert_told(study.folder / "results/wager")
    folder = study.folder / "results/wager/group/maps/drug_healthy"
    image = nibabel.load(folder / "seed-reappraisal_stat-t_statmap.nii.gz")
    image_before = image.get_fdata()
    for place, t in KNOWN.items():
        voxel = np.rint(np.linalg.inv(image.affine) @ [*place, 1])[:3].astype(int)
        assert round(float(image.get_fdata()[tuple(voxel)]), 2) == t
    result = json.loads((folder / "result.json").read_text())
    assert result["degrees_of_freedom"] == 29
    assert not result["sequence_adjusted"]
    clusters = pandas.read_csv(folder / "clusters.tsv", sep="\t")
    assert clusters["p_fwe_cluster"].min() < 0.01
    page = Page(study.folder / "results/wager/report.html")
    assert "30 healthy with both sessions" in page.text
    best = clusters.sort_values("p_fwe_cluster").iloc[0]
    share = f"{100 * best['region_share']:.0f} % of the cluster"
    assert f"({best['region']} ({share}), peak" in page.text
    assert page.raw.count('<tr class="mark">') >= 2 * (clusters["p_fwe_cluster"] < 0.05).sum() > 0
    assert "No scans were analysed" not in page.text
    assert "Ready maps come without records" in page.text

    # An a-priori region of the right side, on a grid of its own: only there is there a t.
    affine = np.diag([1.5, 1.5, 1.5, 1])
    affine[:3, 3] = [20, -90, 0]
    places = nibabel.affines.apply_affine(affine, np.moveaxis(np.indices((40, 60, 40)), 0, -1))
    sphere = np.linalg.norm(places - [52, -58, 32], axis=-1) <= 15
    write_image(study.folder / "region.nii.gz", sphere.astype(np.uint8), affine)
    study.set_config(group__mask="region.nii.gz")
    done = study.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    inside = nibabel.load(folder / "seed-reappraisal_stat-t_statmap.nii.gz").get_fdata()
    there = nibabel.affines.apply_affine(image.affine, np.argwhere(np.isfinite(inside)))
    assert np.linalg.norm(there - [52, -58, 32], axis=1).max() < 15 + 2
    np.testing.assert_array_equal(
        inside[np.isfinite(inside)], image_before[np.isfinite(inside)], strict=True
    )
    assert round(float(np.nanmax(inside)), 2) == KNOWN[52, -58, 32]
    pairs = json.loads((folder.parent / "pairs" / "pairs.json").read_text())
    assert pairs["n_voxels"] == len(there) > 100
    text = Page(study.folder / "results/wager/report.html").text
    assert f"The search volume held {number.whole(len(there))} voxels" in text
    left = " ".join(f"{pairs['left_voxels']['outside the given mask']:,}".split(","))
    assert f"{left} (outside the given mask)" in text


def test_second_trial_from_its_data_set_to_the_group_by_configuration_only(
    tmp_path, root, shared_data
):
    """LSD and placebo: sheets from the real tree, then a lab's own maps per session."""
    study = copy_product(tmp_path / "study", root)
    (study.folder / "data").mkdir()
    shutil.unpack_archive(
        shared_data / "ds003059_LSD-placebo_skeleton.tar.gz", study.folder / "data"
    )
    (study.folder / "data/ds003059-LSD-PLCB").rename(study.folder / "data/ds003059")
    config = study.folder / "config/ds003059.yaml"
    done = study.snakemake("sheets", config=config)
    assert done.returncode == 0, done.stderr

    settings = yaml.safe_load(config.read_text())
    sessions = pandas.read_csv(study.folder / settings["sheets"]["sessions"], sep="\t")
    assert len(sessions) == 30 and sessions["scan"].str.contains(";").all()
    random = np.random.default_rng(0)
    shared = random.standard_normal((12, 14, 12))
    pattern = "{participant_id}_{session_id}_seed-{seed}.nii"
    for row in sessions.itertuples():
        for seed in ("sgACC", "pgACC", "dACC"):
            name = pattern.format(
                participant_id=row.participant_id, session_id=row.session_id, seed=seed
            )
            path = study.folder / settings["derivatives_dir"] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = random.standard_normal(shared.shape)
            affine = np.diag([10.0, 10, 10, 1])
            affine[:3, 3] = (-55, -80, -50)
            effect = np.zeros(shared.shape)
            effect[8:10, 8:10, 4:6] = 3.0 if row.treatment == "LSD" else 0.0
            values = 0.15 * (shared + noise + effect)  # in the range of Fisher z
            nibabel.save(nibabel.Nifti1Image(values.astype("f4"), affine), path)
    settings["maps"] = settings.get("maps", {}) | {"pattern": pattern}
    settings["group"] = {"permutations": 199}
    config.write_text(yaml.safe_dump(settings))
    done = study.snakemake(config=config)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    results = study.folder / "results" / settings["study"]
    assert_told(results)
    made = {p.name for p in (results / "group/maps").iterdir() if p.name.startswith("drug_")}
    assert made == {"drug_HV", "drug_HV_pooled", "drug_HV_by_subregion"}
    analysis = results / "group/maps/drug_HV"
    result = json.loads((analysis / "result.json").read_text())
    assert not result["sequence_adjusted"]
    assert all(seed["p_fwe_voxel_min"] < 0.05 for seed in result["per_seed"].values())
    page = Page(results / "report.html")
    assert result["n"] == {"HV": 15} and "15 HV with both sessions" in page.text
    assert page.all("article", id=f"analysis-{analysis.name}")
    for seed, said in result["per_seed"].items():
        assert (
            said["p_fwe_cluster_min"] >= 0.05 or f"connectivity of {seed} was higher" in page.text
        )
    # What needs the regions of every session says so in one sentence.
    done = study.snakemake("clinical_correlation", config=config)
    text = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in text
    assert "ready maps (entry maps) come without" in text


def test_pattern_that_cannot_be_filled_in(tmp_path, root):
    study = copy_product(tmp_path / "study", root)
    study.config_path.write_text(
        yaml.safe_dump(
            {
                "study": "lab",
                "entry": "maps",
                "derivatives_dir": "maps",
                "sheets": {s: f"config/{s}.tsv" for s in ("participants", "sessions")},
                "groups": {"patients": "TRD", "controls": "HV"},
                "treatments": {"active": "ketamine", "control": "placebo"},
                "maps": {"pattern": "{participant_id_seed-{seed}.nii"},
            }
        )
    )
    done = study.snakemake("-n")
    text = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in text
    assert "config key maps.pattern: '{participant_id_seed-{seed}.nii' cannot be filled in" in text
