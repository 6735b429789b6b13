"""crossfc: what a drug changed in the connectivity of the anterior cingulate cortex.

The package has four levels, and each only uses results of those before it: ``trial`` (the design),
``session`` (one scan), ``group`` (all people), ``report`` (the page).
"""

__version__ = "0.1.0"
