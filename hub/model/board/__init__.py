"""Acts on many contracts, and their progress."""
