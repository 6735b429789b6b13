"""crossfc: what a drug changed in the connectivity of the anterior cingulate cortex.

Four floors, and data goes down only: ``trial`` (the design), ``session`` (one scan),
``group`` (people together), ``report`` (the page). Nothing in here imports snakemake.
"""

__version__ = "0.1.0"
