"""Reminders: due steps, rescheduling, policies, bulk reminders, escalation."""
