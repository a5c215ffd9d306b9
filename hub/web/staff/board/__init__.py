"""Pages of the console about the board: what it shows, its files, and acts on many contracts."""
