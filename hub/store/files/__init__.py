"""Files that are named by their hash, files that survive a power cut, the space left, object stores of others."""
