"""The digital twin: people, scans and scores whose truth is known."""
