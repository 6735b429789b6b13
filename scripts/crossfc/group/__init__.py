"""The group level: analyses of all people together, with inference by permutation."""
