"""Pages of the console about the data of one person, and their erasure."""
