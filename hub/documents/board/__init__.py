"""The board as a file to download."""
