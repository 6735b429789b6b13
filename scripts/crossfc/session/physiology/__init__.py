"""Recordings of pulse and breathing during a scan: measures, and regressors of cleaning."""
