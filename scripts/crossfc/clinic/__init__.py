"""The clinic: scores, their change, and what goes with it."""
