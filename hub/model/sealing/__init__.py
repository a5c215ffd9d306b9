"""The steps from an accepted signature to a completed contract; seals, their grants and uses, and seal jobs."""
