"""crossfc: what a drug changed in the connectivity of the anterior cingulate cortex.

The steps are: sheets -> trial -> (preprocess) -> connectivity -> group -> clinic -> report, and
a record of inputs and software (provenance).
To change what is studied, edit config/; to change how, edit the files in workflow/rules/.
"""

import os
import sys

# Another workflow may use this one as a module (see README.md), and its Snakefile lies elsewhere.
home = workflow.current_basedir.get_path_or_uri(secret_free=False)
is_module = not workflow.modifier.is_main_snakefile()

if not os.path.isdir(f"{home}/scripts"):
    raise SystemExit(
        f"crossfc: {home} is no folder on this machine, and the module needs its scripts; clone it, "
        "and name its Snakefile in `module`"
    )
if f"{home}/scripts" not in sys.path:
    sys.path.insert(0, f"{home}/scripts")

from snakemake.utils import min_version

min_version("9.27")

if not is_module and any(word.split("=")[0] == "--archive" for word in sys.argv):
    # --archive of Snakemake packs what git tracks, and conda environments, which it first creates.
    raise SystemExit(
        "crossfc: --archive of Snakemake leaves out the scans and the records of results; copy this "
        "folder and those of results and data instead: records lie beside the results, and uv.lock "
        "and envs/ pin the software"
    )

# The demo's configuration is only loaded if no other is given, so that none of its keys get into
# another study.
if not is_module and not workflow.overwrite_configfiles and "study" not in config:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/trial.smk"
include: "workflow/rules/twin.smk"
include: "workflow/rules/preprocess.smk"
include: "workflow/rules/fmriprep.smk"
include: "workflow/rules/connectivity.smk"
include: "workflow/rules/group.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/clinic.smk"
include: "workflow/rules/hypotheses.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/provenance.smk"
include: "workflow/rules/bundle.smk"
include: "workflow/rules/run.smk"


rule all:
    """Everything: the report, all results that it uses (so that a lost one is made again), and the
    record of provenance."""
    default_target: not is_module
    input:
        on_sheets(plan.require_scans),
        rules.report.output,
        on_sheets(lambda: plan.report.inputs()),
        on_sheets(lambda: plan.connectivity.folders() if plan.has_edges else []),
        on_sheets(lambda: plan.quality_page.results()),
        rules.provenance.output,


rule preprocess:
    """Every scan in template space (entry raw)."""
    input:
        on_sheets(lambda: plan.require_scans(both=False) + plan.preprocess.results()),


rule connectivity:
    """Every session's maps, edges and quality record."""
    input:
        on_sheets(lambda: plan.require_scans(both=False) + plan.connectivity.folders()),


rule group:
    """Every analysis of every pipeline, the mixed model and the comparison of pipelines."""
    input:
        on_sheets(lambda: plan.require_scans() + plan.group.results()),
