"""Seal jobs: many files of another system, sealed a lease of files at a time."""
