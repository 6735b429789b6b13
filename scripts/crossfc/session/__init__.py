"""Session level: from one scan to seed connectivity maps and a quality record."""
