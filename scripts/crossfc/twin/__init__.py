"""The digital twin: simulated people, scans and scores with known true effects."""
