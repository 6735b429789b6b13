"""A job reruns when its content changed, and for nothing else: asserted from the dry run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import yaml

from crossfc import atomic
from crossfc.plan import Plan
from tests.workflow.conftest import copy_product

GROUP = {
    **{"pair_sessions": 2, "group_test": 6, "sensitivity": 1, "robustness": 1, "hypotheses": 1},
}
# What another number of permutations reruns.
TESTS = {"group_test": 6, "sensitivity": 1, "robustness": 1, "hypotheses": 1}
PAGE = {"report", "provenance", "all"}
CLINIC = {"clinical_change", "clinical_evidence", "report", "provenance", "all"}
AFTER = {
    *("mixed_model", "quality_group", "quality_pages", "clinical_correlation", "clinical_evidence"),
    *("report", "provenance", "all"),
}


def by_rule(jobs) -> dict[str, int]:
    counts: dict[str, int] = {}
    for job, n in jobs.items():
        counts[job.split()[0]] = counts.get(job.split()[0], 0) + n
    return counts


def sessions_of(jobs) -> list[str]:
    return sorted(job.split()[1] for job in jobs if job.startswith("connectivity_session"))


def test_nothing_to_do(study):
    assert not study.would_run()


def test_edited_provenance_makes_a_new_record_only(study):
    study.edit("scripts/crossfc/provenance.py", '"machine": machine(),', '"host": machine(),')
    assert by_rule(study.would_run()) == {"provenance": 1, "all": 1}


def test_what_makes_no_difference_reruns_nothing(study):
    """All at once; where one of them counts, `why` names it.

    Threads, memory, the lock, time stamps, a comment, the version, a docstring, the sentence of a
    fault, machinery, words of sidecars, and a function that moved.
    """
    study.set_config(group__threads=2, group__memory_gb=0.5)
    (study.folder / "uv.lock").write_text((study.folder / "uv.lock").read_text() + "\n")
    study.edit(
        "scripts/crossfc/group/design/pairs.py",
        '"""Pairs of sessions',
        '# why not\n"""Pairs of two',
    )
    study.edit("scripts/crossfc/__init__.py", '__version__ = "', '__version__ = "9.')
    study.edit(
        "scripts/crossfc/session/connectivity/smoothing.py",
        '"""Smoothing inside a mask',
        '"""Smoothing, inside it',
    )
    study.edit(
        "scripts/crossfc/group/design/volume.py",
        "carries no orientation (",
        "says nothing of directions (",
    )
    study.edit("scripts/crossfc/jobs/job.py", "_STORAGE = {", "_EDITED = 1\n_STORAGE = {")
    study.edit("workflow/schemas/outputs.yaml", "Volumes that are no measurement.", "Of no use.")
    study.edit("scripts/crossfc/group/findings/map_sidecar.py", "g of the effect", "g")
    # A function of every session's job and the twin's.
    (study.folder / "scripts/crossfc/expansion.py").rename(
        study.folder / "scripts/crossfc/session/powers.py"
    )
    for path in (study.folder / "scripts").rglob("*.py"):
        text = path.read_text()
        if "crossfc.expansion" in text:
            path.write_text(text.replace("crossfc.expansion", "crossfc.session.powers"))
    for path in study.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts and "results" not in path.parts:
            path.touch()
    assert not study.would_run()


def test_words_of_the_pages_rerun_the_pages_only(study):
    """The title, the name of a hypothesis, a seed's citation, and templates."""
    study.set_config(title="Another title")
    (stated,) = study.config["hypotheses"]
    study.set_config(hypotheses=[stated | {"name": "Memory", "citation": "A 2020"}])
    path = study.folder / "config/seeds.tsv"
    path.write_text(path.read_text().replace("Rolls et al. 2020", "Rolls, Huang et al. 2020"))
    template = next((study.folder / "workflow/report").glob("page*.j2"))
    template.write_text(template.read_text() + "\n")
    pages = {"report": 1, "provenance": 1, "all": 1}
    assert by_rule(study.would_run()) == pages | {"quality_pages": 1}


def test_the_template_of_a_person_reruns_the_quality_pages_only(study):
    template = study.folder / "workflow/report/session.html.j2"
    template.write_text(template.read_text() + "\n")
    assert by_rule(study.would_run()) == {"quality_pages": 1, "all": 1}


def test_a_changed_reference_reruns_the_report_only(study):
    study.edit("workflow/report/references.json", "in Neuroinformatics", "in Informatics")
    assert by_rule(study.would_run()) == {"report": 1, "provenance": 1, "all": 1}


def test_fresh_clone_beside_old_results_reruns_nothing(study, root):
    # A clone gives every file of the product a new time stamp, in another order.
    for name in ("Snakefile", "workflow", "scripts", "config", "envs", "profiles"):
        target = study.folder / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    for name in reversed(("Snakefile", "workflow", "scripts", "config", "envs", "profiles")):
        source = root / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, study.folder / name, copy_function=shutil.copy, ignore=ignore)
        else:
            shutil.copy(source, study.folder / name)
    assert not study.would_run()


def test_copied_data_set_reruns_nothing(study):
    derivatives = study.folder / "derivatives"
    shutil.copytree(derivatives, study.folder / "copy", copy_function=shutil.copy)
    shutil.rmtree(derivatives)
    (study.folder / "copy").rename(derivatives)
    assert not study.would_run()


def test_moved_data_set_with_a_link_in_its_place_reruns_nothing(study):
    (study.folder / "derivatives").rename(study.folder / "elsewhere")
    (study.folder / "derivatives").symlink_to("elsewhere")
    assert not study.would_run()


def test_changed_scan_reruns_that_session_and_the_group(study):
    func = study.folder / "derivatives/sub-T02/ses-placebo/func"
    (bold,) = func.glob("*preproc_bold.nii.gz")
    image = nibabel.load(bold)
    data = np.asarray(image.dataobj).copy()
    data[..., 5] += 3
    atomic.save_image(bold, nibabel.Nifti1Image(data, image.affine, image.header))
    jobs = study.would_run()
    assert sessions_of(jobs) == ["T02/placebo"]
    rules = by_rule(jobs)
    assert {k: rules.get(k) for k in GROUP} == GROUP
    assert set(rules) == {"connectivity_session", *GROUP, *AFTER}


def test_older_input_reruns_its_session(study):
    """What rsync -a, tar or git-annex put in its place has the time stamp that it had elsewhere."""
    stamp = os.stat(study.config_path).st_mtime - 10**8
    func = "derivatives/sub-{}/ses-{}/func"
    (bold,) = (study.folder / func.format("T02", "placebo")).glob("*preproc_bold.nii.gz")
    (other,) = (study.folder / func.format("T03", "placebo")).glob("*preproc_bold.nii.gz")
    shutil.copy(other, bold)
    (table,) = (study.folder / func.format("H01", "ketamine")).glob("*timeseries.tsv")
    text = table.read_text()
    # Not one byte more or less.
    table.write_text(text[:-2] + ("1" if text[-2] != "1" else "2") + text[-1])
    for path in (bold, table):
        os.utime(path, (stamp, stamp))
    jobs = study.would_run()
    assert sessions_of(jobs) == ["H01/ketamine", "T02/placebo"]
    assert {k: by_rule(jobs).get(k) for k in GROUP} == GROUP


def test_results_without_snakemakes_folder(study):
    """Whether it was lost or left behind: what results were made of lies beside them."""
    shutil.rmtree(study.folder / ".snakemake")
    study.set_config(group__permutations=199)
    assert by_rule(study.would_run()) == TESTS | {"report": 1, "provenance": 1, "all": 1}


def test_results_and_data_that_were_copied_to_another_place(study):
    # File by file in no order of theirs, each with a new time stamp.
    for name, place in {"results": "elsewhere/of/results", "derivatives": "data"}.items():
        shutil.copytree(study.folder / name, study.folder / place, copy_function=shutil.copy)
        shutil.rmtree(study.folder / name)
    shutil.rmtree(study.folder / ".snakemake")
    study.set_config(results_dir="elsewhere/of/results", derivatives_dir="data")
    study.set_config(title="Another")
    pages = {"report": 1, "quality_pages": 1}
    assert by_rule(study.would_run()) == pages | {"provenance": 1, "all": 1}


def test_what_has_no_whole_record_or_is_not_whole_is_made_again(study):
    results = study.folder / "results/small"
    (results / "logs/records/sub-T02/ses-placebo/func.record").unlink()
    half = results / "logs/records/sub-H01/ses-ketamine/func.record"
    half.write_text(half.read_text()[:200])
    gone, short, whole = (
        min((results / f"sub-{person}/ses-ketamine/func").glob("*.nii.gz"))
        for person in ("T01", "T03", "T04")
    )
    gone.unlink()
    short.write_bytes(short.read_bytes()[:100])
    # Somebody's own file is no part of it.
    (whole.parent / "notes.txt").touch()
    jobs = study.would_run()
    expected = ["H01/ketamine", "T01/ketamine", "T02/placebo", "T03/ketamine"]
    assert sessions_of(jobs) == expected
    assert {k: by_rule(jobs).get(k) for k in GROUP} == GROUP


def test_added_person_runs_its_sessions_and_the_group(study):
    here = os.getcwd()
    for sheet in ("participants", "sessions"):
        path = study.folder / f"design/{sheet}.tsv"
        rows = path.read_text().splitlines()
        new = [r.replace("sub-H01", "sub-H99") for r in rows if r.startswith("sub-H01")]
        path.write_text("\n".join([*rows, *new]) + "\n")
    os.chdir(study.folder)
    try:
        plan = Plan(study.config, study.folder)
        for session in plan.sessions():
            if session.participant_id == "sub-H99":
                for scan in session.scans:
                    old = plan.scans.preprocessed(scan.replace("H99", "H01"))
                    for kind, path in plan.scans.preprocessed(scan).items():
                        Path(path).parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy(old[kind], path)
    finally:
        os.chdir(here)
    jobs = study.would_run()
    assert sessions_of(jobs) == ["H99/ketamine", "H99/placebo"]
    rules = by_rule(jobs)
    assert {k: rules.get(k) for k in GROUP} == GROUP
    assert set(rules) == {"connectivity_session", "trial", "clinical_change", *GROUP, *AFTER}


def test_removed_person_reruns_no_session(study):
    for sheet in ("participants", "sessions"):
        path = study.folder / f"design/{sheet}.tsv"
        rows = [r for r in path.read_text().splitlines() if not r.startswith("sub-H02")]
        path.write_text("\n".join(rows) + "\n")
    jobs = study.would_run()
    assert sessions_of(jobs) == []
    rules = by_rule(jobs)
    assert {k: rules.get(k) for k in GROUP} == GROUP
    assert set(rules) == {"trial", "clinical_change", *GROUP, *AFTER}


def change_score(study, scale, start):
    path = study.folder / "design/sessions.tsv"
    rows = path.read_text().splitlines()
    column = rows[0].split("\t").index(scale)
    at = next(i for i, r in enumerate(rows) if r.startswith(start))
    cells = rows[at].split("\t")
    cells[column] = str(int(cells[column]) + 1)
    rows[at] = "\t".join(cells)
    path.write_text("\n".join(rows) + "\n")


def test_changed_score_reruns_what_uses_it(study):
    change_score(study, "MADRS", "sub-T03\tses-ketamine")
    jobs = study.would_run()
    tests = ["group_test gsr/change_MADRS", "group_test primary/change_MADRS"]
    assert sorted(job for job in jobs if job.startswith("group_test")) == tests
    assert set(by_rule(jobs)) == CLINIC | {"clinical_correlation", "group_test", "robustness"}


def test_scores_that_no_map_is_held_against_rerun_tables_only(study):
    change_score(study, "SHAPS", "sub-T03\tses-ketamine")
    assert set(by_rule(study.would_run())) == CLINIC | {"clinical_correlation"}


def test_scores_of_the_other_group_rerun_what_uses_them(study):
    change_score(study, "MADRS", "sub-H02\tses-ketamine")
    assert set(by_rule(study.would_run())) == CLINIC


def test_covariate_reruns_the_comparison_of_groups_only(study):
    path = study.folder / "design/participants.tsv"
    head, *rows = path.read_text().splitlines()
    years = [f"{row}\t{30.5 + 7 * i % 11}" for i, row in enumerate(rows)]
    path.write_text("\n".join([head + "\tyears", *years]) + "\n")
    study.set_config(covariates=["years"])
    jobs = study.would_run()
    tests = ["group_test gsr/group_by_drug", "group_test primary/group_by_drug"]
    assert sorted(job for job in jobs if job.startswith("group_test")) == tests
    assert set(by_rule(jobs)) == {
        "trial",
        "group_test",
        "sensitivity",
        "robustness",
        "report",
        "provenance",
        "all",
    }


def test_reason_of_an_exclusion_reruns_no_test(study):
    path = study.folder / "design/participants.tsv"
    head, *rows = path.read_text().splitlines()
    rows = [f"{head}\texclude\treason", *(f"{row}\tno\tn/a" for row in rows)]
    left = "sub-T99\tTRD\tketamine-placebo\t40\tF\tn/a\tyes\twithdrew"
    path.write_text("\n".join([*rows, left]) + "\n")
    assert set(by_rule(study.would_run())) == {"trial", "report", "provenance", "all"}


def test_what_says_the_same_reruns_nothing(study):
    """Sorted sheets, defaults that are written out, keys that change places."""
    for sheet in ("participants", "sessions"):
        path = study.folder / f"design/{sheet}.tsv"
        head, *rows = path.read_text().splitlines()
        path.write_text("\n".join([head, *sorted(rows, reverse=True)]) + "\n")
    config = study.config
    primary = config["pipelines"].pop("primary")
    assert set(primary) == {"strategy", "low_pass_hz"}
    config["pipelines"]["primary"] = {"fwhm_mm": 6.0} | dict(reversed(primary.items()))
    config["exclusion"] = {"minimum_template_dice": 0.8, "maximum_mean_fd_mm": 0.5}
    config["treatments"] = dict(reversed(config["treatments"].items()))
    config["group"] |= {"tfce": True, "seed": 0}
    study.config_path.write_text(yaml.safe_dump(config, sort_keys=False))
    assert not study.would_run()


def test_file_taken_out_of_a_result_folder(study):
    folder = study.folder / "results/small/group/gsr/drug_TRD"
    (folder / "cells.tsv").unlink()
    jobs = study.would_run()
    assert [job for job in jobs if job.startswith("group_test")] == ["group_test gsr/drug_TRD"]
    (study.folder / "results/small/group/primary/pairs/people.tsv").unlink()
    assert by_rule(study.would_run())["group_test"] == 4


def test_excluded_session_reruns_no_session(study):
    path = study.folder / "design/sessions.tsv"
    text = path.read_text()
    row = next(r for r in text.splitlines() if r.startswith("sub-T04\tses-placebo"))
    path.write_text(text.replace(row, row.removesuffix("no\tn/a") + "yes\tfell asleep"))
    jobs = study.would_run()
    assert sessions_of(jobs) == []
    assert by_rule(jobs)["trial"] == 1


def test_changed_smoothing_reruns_maps_and_group(study):
    study.set_config(pipelines__primary__fwhm_mm=8)
    rules = by_rule(study.would_run())
    assert rules["connectivity_session"] == 19
    assert {k: rules.get(k) for k in GROUP} == GROUP


def test_changed_permutations_rerun_the_group_tests_only(study):
    study.set_config(group__permutations=199)
    rules = by_rule(study.would_run())
    assert rules == TESTS | {"report": 1, "provenance": 1, "all": 1}


def test_what_is_planted_reruns_sensitivity_only(study):
    study.set_config(group__sensitivity={"repeats": 30})
    rules = by_rule(study.would_run())
    assert rules == {"sensitivity": 1, "report": 1, "provenance": 1, "all": 1}
    study.set_config(group__sensitivity=None)
    # The quality page lists what the jobs that are planned said.
    pages = {"report": 1, "quality_pages": 1}
    assert by_rule(study.would_run()) == pages | {"provenance": 1, "all": 1}


def test_choices_that_change_places_rerun(study):
    target = "results/small/group/primary/drug_TRD"
    study.set_config(group__tfce=False)
    done = study.snakemake(target)
    assert done.returncode == 0, done.stderr
    assert not study.would_run(target)
    study.set_config(group__tfce=True, group__tail=False)
    assert by_rule(study.would_run(target)) == {"group_test": 1}


def test_what_excludes_a_session_reruns_pairs_and_no_session(study):
    """Another limit, and a rating; one that excludes nobody reruns no map."""
    study.set_config(exclusion={"maximum_mean_fd_mm": 0.4})
    rules = by_rule(study.would_run())
    assert {k: rules.get(k) for k in GROUP} == GROUP
    assert set(rules) == {*GROUP, *AFTER}
    head = "participant_id\tsession_id\trater\trating\treason\n"
    kept = "sub-T02\tses-placebo\tAB\tgood\tn/a\n"
    (study.folder / "design/ratings.tsv").write_text(head + kept)
    study.set_config(exclusion={"ratings": "design/ratings.tsv"})
    tables = {"quality_group", "quality_pages", "robustness", "hypotheses"}
    assert set(by_rule(study.would_run())) == PAGE | tables
    excluded = kept.replace("good\tn/a", "bad\tringing")
    (study.folder / "design/ratings.tsv").write_text(head + excluded)
    rules = by_rule(study.would_run())
    assert {k: rules.get(k) for k in GROUP} == GROUP
    assert set(rules) == {*GROUP, *AFTER}


def test_edited_module_reruns_the_rules_that_use_it(study):
    path = "scripts/crossfc/clinic/reml.py"
    # What no rule can reach is no edit.
    study.edit(path, "\nimport numpy as np\n", "\nimport numpy as np\n\n_EDITED = 1\n")
    study.edit(path, "_ITERATIONS = 200", "_ITERATIONS = 201")
    rules = by_rule(study.would_run())
    assert rules == {"mixed_model": 1, "report": 1, "provenance": 1, "all": 1}


def test_edited_session_module_reruns_sessions(study):
    path = "scripts/crossfc/session/connectivity/smoothing.py"
    study.edit(path, "_TRUNCATE = 4.0", "_TRUNCATE = 5.0")
    rules = by_rule(study.would_run())
    assert rules["connectivity_session"] == 19
    assert "clinical_change" not in rules


def test_values_that_change_places_rerun(study):
    """Parameters of a job are compared by name."""
    record = study.folder / "results/small/logs/records/quality/sessions.tsv.record"
    content = json.loads(record.read_text())
    named = content["parameters"]
    assert named["task"] == "'rest'" and {"space", "designs", "code"} < named.keys()
    named["task"], named["space"] = named["space"], named["task"]
    record.write_text(json.dumps(content))
    assert by_rule(study.would_run())["quality_group"] == 1


def test_moved_seed_reruns_sessions(study):
    path = study.folder / "config/seeds.tsv"
    path.write_text(path.read_text().replace("sgACC\tsphere\t1\t31", "sgACC\tsphere\t2\t31"))
    assert by_rule(study.would_run())["connectivity_session"] == 19


def test_lost_session_is_made_again_with_the_group(study):
    shutil.rmtree(study.folder / "results/small/sub-T02/ses-placebo/func")
    jobs = study.would_run()
    assert sessions_of(jobs) == ["T02/placebo"]
    assert {k: by_rule(jobs).get(k) for k in GROUP} == GROUP


def test_corrected_slice_timing_reruns_that_run(tmp_path, root):
    """Raw entry: what describes a run is an input of its preprocessing, inherited files too."""
    study = copy_product(tmp_path / "study", root)
    config = yaml.safe_load((study.folder / "config/twin_raw.yaml").read_text())
    del config["twin"]
    config["bids_dir"] = "raw"
    study.config_path.write_text(yaml.safe_dump(config))
    here = os.getcwd()
    os.chdir(study.folder)
    try:
        plan = Plan(config, study.folder)
        run = "T02", "ketamine", "T02_ses-ketamine_task-rest"
        (folder := Path("raw/sub-T02/ses-ketamine/func")).mkdir(parents=True)
        assert plan.scans.sidecars(*run) == []
        Path("raw/task-rest_bold.json").write_text("{}")
        (folder / "sub-T02_ses-ketamine_task-rest_bold.json").write_text("{}")
        (folder / "._sub-T02_ses-ketamine_task-rest_bold.json").write_text("junk")
        assert [Path(p).name for p in plan.scans.sidecars(*run)] == [
            "task-rest_bold.json",
            "sub-T02_ses-ketamine_task-rest_bold.json",
        ]
    finally:
        os.chdir(here)


def test_a_plan_and_the_names_of_codes_rerun_the_report_alone(study):
    """A plan is named and the run is blinded; then a file says what the codes stand for."""
    command = [sys.executable, "scripts/crossfc", "preregister", "--configfile", study.config_path]
    subprocess.run([*command, "--into", "plan"], cwd=study.folder, check=True)
    page = {"report": 1, "provenance": 1, "all": 1}
    study.set_config(preregistration="plan/analysis_plan.json", blinding={"file": "names.tsv"})
    assert by_rule(study.would_run()) == page
    assert study.snakemake().returncode == 0
    results = study.folder / "results/small"
    told = (results / "report.html").read_text()
    assert "This run is blinded" in told and "Analysed as planned" in told
    record = json.loads((results / "provenance.json").read_text())["preregistration"]
    assert record["as_planned"] and record["deviations"] == []
    lists = sorted(path.name for path in (results / "checklists").glob("*.tsv"))
    assert lists == ["cobidas.tsv", "consort_crossover.tsv"]
    assert not study.would_run()
    names = "code\ttreatment\nketamine\tcontrol drug\nplacebo\tverum\n"
    (study.folder / "names.tsv").write_text(names)
    assert by_rule(study.would_run()) == page
    assert study.snakemake().returncode == 0
    told = (results / "report.html").read_text()
    # What was called active turns out to be the control: the contrast stays as it was computed.
    assert "control drug − verum" in told and "This run is blinded" not in told
    assert not study.would_run()
