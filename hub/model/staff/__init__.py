"""Staff accounts, staff tasks, alerts and phone changes."""
