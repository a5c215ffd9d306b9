"""Encrypted values: their keys, the names that bind them to a row, and how long texts are packed."""
