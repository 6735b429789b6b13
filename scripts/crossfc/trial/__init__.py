"""The trial: what was designed, who took part, and whether it can be what it says."""
