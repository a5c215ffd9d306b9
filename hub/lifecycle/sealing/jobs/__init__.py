"""Seal jobs: many files of another system, sealed in leased batches."""
