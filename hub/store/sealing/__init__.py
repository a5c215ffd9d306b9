"""Seals with their grants, the register of their uses, and seal jobs."""
