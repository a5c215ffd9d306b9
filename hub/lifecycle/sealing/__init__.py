"""The steps from an accepted signature to a completed contract."""
