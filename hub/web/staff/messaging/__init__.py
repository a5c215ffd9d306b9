"""Pages of the console about messages."""
