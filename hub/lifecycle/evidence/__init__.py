"""Erasure of personal data, and retention."""
