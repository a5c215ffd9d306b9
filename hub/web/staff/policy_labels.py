"""Labels of the keys of a reminder policy, and the groups in which the form shows them."""

POLICY_GROUPS = {
    "When": ("reminders_after", "repeat_every", "last_call_before"),
    "On which days and at what hours": ("window_opens", "window_closes", "skip_holidays", "holidays_of"),
    "Through which channel": ("invitation_through", "reminders_through", "last_call_through"),
    "How often at most": ("messages_per_day", "bundle", "manual_after_message", "manual_apart", "manual_per_day"),
    "When nobody answers": ("escalate_after", "escalate_to", "escalate_within", "climbs_after", "digest_at"),
}
POLICY_KEYS = {
    "reminders_after": "Reminders after",
    "repeat_every": "then again every",
    "last_call_before": "Last reminder before",
    "window_opens": "Not before",
    "window_closes": "Not after",
    "skip_holidays": "Wait on closed days",
    "holidays_of": "Public holidays of",
    "invitation_through": "Invitation",
    "reminders_through": "Reminders",
    "last_call_through": "Last reminder",
    "messages_per_day": "Messages to one person per day",
    "bundle": "Several contracts in one message",
    "manual_after_message": "By hand, after a message",
    "manual_apart": "By hand, interval",
    "manual_per_day": "By hand, per day",
    "escalate_after": "Task for staff after every … unanswered reminders",
    "escalate_to": "Task goes to",
    "escalate_within": "To be settled within",
    "climbs_after": "To the manager, if not taken within",
    "digest_at": "Daily digest at",
}
POLICY_HINTS = {
    "reminders_after": "Days after the invitation, like 1, 3, 7.",
    "last_call_before": "Before the deadline.",
    "window_opens": "In the signer's local time.",
    "skip_holidays": "Public holidays, and what your calendar below says.",
    "bundle": "Contracts of one person that are due on the same day.",
    "escalate_after": "A number like 3. The last reminder causes one, too.",
    "escalate_to": "A login. Empty: who issued the contract, else the campus's manager.",
    "digest_at": "In the campus's local time.",
}
POLICY_NOTHING = {"escalate_to": "who issued the contract"}
