"""Accounts, tasks, alerts, phone changes."""
