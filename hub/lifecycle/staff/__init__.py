"""Staff tasks, alerts and phone number changes."""
