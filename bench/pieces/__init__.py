"""Pieces of work that are timed alone, and the peers that do the same."""
