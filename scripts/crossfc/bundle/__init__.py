"""The bundle: what of a study's results can be shared, without anything about single people."""
