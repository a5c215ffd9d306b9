"""Pages of the console about seals, their grants, and the register of their uses."""
