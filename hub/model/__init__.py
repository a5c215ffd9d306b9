"""The nouns: plain values without input, output or clock."""
