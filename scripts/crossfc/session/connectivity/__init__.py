"""From a scan in template space to seed maps, edges and a record of its quality."""
