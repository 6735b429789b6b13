"""The session: from one scan to seed connectivity maps and a record of its quality."""
