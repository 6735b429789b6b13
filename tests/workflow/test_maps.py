"""Ready maps: a lab brings its own, and the group level alone runs. On 30 real contrast maps."""

import json
import shutil

import nibabel
import numpy as np
import pandas
import yaml

from tests.workflow.conftest import copy_product

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
        "maps": {"pattern": "{participant_id}.img", "level": "contrast", "mask_seeds": False},
        "group": {"permutations": 500},
    }
    study.config_path.write_text(yaml.safe_dump(config))

    text = study.snakemake("group").stderr
    assert "sub-01.img" in text and "maps.accept_unoriented" in text

    study.set_config(maps__accept_unoriented=True)
    done = study.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    folder = study.folder / "results/wager/group/maps/drug_healthy"
    image = nibabel.load(folder / "seed-reappraisal_stat-t_statmap.nii.gz")
    for place, t in KNOWN.items():
        voxel = np.rint(np.linalg.inv(image.affine) @ [*place, 1])[:3].astype(int)
        assert round(float(image.get_fdata()[tuple(voxel)]), 2) == t
    result = json.loads((folder / "result.json").read_text())
    assert result["degrees_of_freedom"] == 29
    assert not result["sequence_adjusted"]
    clusters = pandas.read_csv(folder / "clusters.tsv", sep="\t")
    assert clusters["p_fwe_cluster"].min() < 0.01
    assert (study.folder / "results/wager/report.html").stat().st_size > 10_000
