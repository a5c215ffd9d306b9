"""Sending messages to signers: attempts, fallback to other channels, budgets."""
