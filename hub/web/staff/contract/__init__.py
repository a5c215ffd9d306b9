"""Pages of the console about contracts."""
