"""Pages of the console about reports."""
