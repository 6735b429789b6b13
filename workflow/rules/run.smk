"""The run itself: a run that was killed, or failed half-way, is continued where it stopped.

Requires   nothing
Makes      .snakemake/crossfc_runs: notes of the runs that are active here
Steps      remove the lock of a dead run -> end its jobs -> record the inputs of jobs before they
           run; make batches of equal size; keep the jobs of a failed batch that succeeded
"""

from crossfc.jobs import hook

refused(hook.attach, workflow, plan, as_given)
