"""What the console shows and gives out as evidence."""
