"""Staff accounts, API keys, the board, staff tasks, alerts, phone number changes, and acts on many contracts."""
