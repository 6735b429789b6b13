"""Native preprocessing: from the raw scans to template space."""
