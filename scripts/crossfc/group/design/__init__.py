"""What an analysis tests: the maps, the people, the design matrix and the permitted exchanges."""
