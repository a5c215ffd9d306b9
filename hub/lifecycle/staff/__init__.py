"""Accounts, API keys, staff tasks, alerts, phone number changes, and acts on many contracts."""
