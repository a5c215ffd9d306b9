"""Pages of the console about seals: their life, their grants, and the register of their uses."""
