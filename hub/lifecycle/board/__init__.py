"""Acts on many contracts."""
