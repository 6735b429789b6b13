"""From a scan in template space to seed maps, edges and a quality record."""
