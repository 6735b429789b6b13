"""Hypotheses stated beforehand: the confirmatory family, and how far each holds."""
