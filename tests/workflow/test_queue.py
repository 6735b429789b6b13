"""Batches in a queue other than SLURM's: what succeeded stays, what failed leaves nothing."""

import os
import subprocess
import sys
from collections import Counter

import nibabel
import numpy as np
import pytest

from crossfc import atomic
from tests.slurm.conftest import DIARY

pytestmark = pytest.mark.slow

# A plugin for Snakemake, as LSF, SGE and PBS have one; its queue is this machine.
PLUGIN = """
import subprocess

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=1,
)


class Executor(RemoteExecutor):
    def run_job(self, job):
        script = self.get_jobscript(job)
        self.write_jobscript(job, script)
        process = subprocess.Popen(["sh", script])
        aside = {"process": process}
        self.report_job_submission(SubmittedJobInfo(job, str(process.pid), aside))

    async def check_active_jobs(self, active_jobs):
        for job_info in active_jobs:
            code = job_info.aux["process"].poll()
            if code is None:
                yield job_info
            elif code:
                self.report_job_error(job_info)
            else:
                self.report_job_success(job_info)

    def cancel_jobs(self, active_jobs):
        for job_info in active_jobs:
            job_info.aux["process"].terminate()
"""
BATCHES = ["--groups", "connectivity_session=sessions", "--group-components", "sessions=10"]
BATCHES += ["--default-resources", "batch=1", "mem_mb=1000", "--resources", "batch=1"]
BATCHES += ["--set-resource-scopes", "batch=local"]


def test_one_bad_scan_of_a_batch(study, tmp_path):
    plugin = tmp_path / "plugins/snakemake_executor_plugin_here"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_text(PLUGIN)
    with open(study.folder / "scripts/crossfc/jobs/job.py", "a") as module:
        module.write(DIARY)

    def run(*arguments):
        command = [sys.executable, "-m", "snakemake", "--executor", "here", "--jobs", "4", *BATCHES]
        command += ["--keep-going", "--retries", "1", "--latency-wait", "5", *arguments]
        return subprocess.run(
            [*command, "connectivity", "--configfile", study.config_path],
            cwd=study.folder,
            env={**os.environ, "PYTHONPATH": str(plugin.parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def said(word):
        lines = (study.folder / "diary.txt").read_text().splitlines()
        return Counter(line.split()[-1] for line in lines if line.startswith(word))

    # All sessions have results of an earlier run, and are to be made anew; one cannot.
    study.set_config(pipelines__gsr__low_pass_hz=0.09)
    scan = sorted((study.folder / "derivatives").rglob("*desc-preproc_bold.nii.gz"))[0]
    person, session = scan.parts[-4].removeprefix("sub-"), scan.parts[-3].removeprefix("ses-")
    result = study.folder / f"results/small/sub-{person}/ses-{session}/func"
    assert result.is_dir()
    sound = scan.read_bytes()
    image = nibabel.load(scan)
    values, header = image.get_fdata(dtype=np.float32), image.header.copy()
    values[3, 3, 3, 3] = np.nan
    header.set_data_dtype(np.float32)
    atomic.save_image(scan, nibabel.Nifti1Image(values, image.affine, header))
    done = run()
    assert done.returncode == 1 and "Trying to restart" in done.stdout, done.stdout[-5000:]
    assert said("begin")[f"{person}/{session}"] == 2
    assert len(said("end")) == 18 and set(said("end").values()) == {1}
    # Old results of what failed would be taken for new ones.
    assert not result.exists()

    scan.write_bytes(sound)
    assert run("--dry-run").stdout.count("rule connectivity_session:") == 1
    done = run()
    assert done.returncode == 0, done.stdout[-5000:]
    assert len(said("end")) == 19 and set(said("end").values()) == {1}
    assert "Nothing to be done" in run("--dry-run").stdout
