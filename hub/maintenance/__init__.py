"""What an operator does with a whole hub: back it up and restore it, rotate its keys, move its database."""
