"""A configuration proposed from what a data set tells by itself."""
