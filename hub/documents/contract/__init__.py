"""Contracts as files: their texts, their layout, and PDFs of the school's own."""
