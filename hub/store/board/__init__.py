"""What the board shows, and acts on many contracts."""
