"""Trial level: the design and the people, read from sheets and checked for contradictions."""
