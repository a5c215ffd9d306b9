"""Staff accounts, roles, passwords, staff tasks, alerts and phone changes."""
