"""Accounts, API keys, staff tasks, alerts and phone number changes."""
