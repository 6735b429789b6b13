"""Quality of the study: exclusions, motion, likeness of sessions, and other cleaning pipelines."""
