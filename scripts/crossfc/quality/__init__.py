"""Quality of the study: who leaves, motion, likeness, and other ways to clean."""
