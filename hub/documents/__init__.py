"""Contracts as files: laid out, shown as pages, signed and closed."""
