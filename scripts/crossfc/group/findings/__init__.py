"""What was found: clusters, their places, the people they depend on, and the record."""
