"""What an analysis tests: whose maps, which columns, and how people may be exchanged."""
