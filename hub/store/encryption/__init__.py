"""Encrypted values: their keys, the names that bind them to a row, and the compression of long texts."""
