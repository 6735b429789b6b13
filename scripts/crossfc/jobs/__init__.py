"""The machinery of jobs, which no scientist meets: what is in here changes no result.

The digests of code (`crossfc.jobs.code`) leave this folder out, so a change in it reruns nothing.
"""
