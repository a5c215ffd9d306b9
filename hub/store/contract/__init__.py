"""Contracts, their signers and tasks, and the cases made of them."""
