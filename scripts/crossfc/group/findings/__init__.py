"""What was found: clusters, where they lie, whom they rest on, and the record."""
