"""From the scanner to template space."""
