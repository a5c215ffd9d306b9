"""Pages of the console about accounts, staff tasks, alerts, and phone changes."""
