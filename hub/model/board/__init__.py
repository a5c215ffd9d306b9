"""Acts on many contracts, and how far they are."""
