"""Sheets: the board as a file."""
