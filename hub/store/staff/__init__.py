"""Staff accounts, API keys, staff tasks, alerts and phone number changes."""
