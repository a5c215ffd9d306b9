"""Pages of the console about chat accounts."""
