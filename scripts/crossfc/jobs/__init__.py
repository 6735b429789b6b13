"""The machinery that runs jobs: nothing in this folder changes a result.

Therefore the digests of code (`crossfc.jobs.code`) leave this folder out, and editing it does not
make any job run again.
"""
