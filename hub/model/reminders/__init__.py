"""Reminders: policy, calendar, schedule, due steps, and the decision whether to send."""
