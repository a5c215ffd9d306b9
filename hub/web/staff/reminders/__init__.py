"""Pages of the console about reminders and their policies."""
