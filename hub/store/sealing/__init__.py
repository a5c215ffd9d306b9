"""Seals with their grants, and the register of their uses."""
