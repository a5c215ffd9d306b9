"""From an accepted signature to COMPLETED."""
