"""Reminders: policies, plans, due steps, the ledger, bulk reminders."""
