"""Statistics of maps, and their p values by permutation."""
