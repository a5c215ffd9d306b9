"""Labels of reports."""

# Why messages did not arrive: the kinds of `channels.Failure`.
REASONS = {
    "address": "number or mailbox cannot be reached",
    "opted-out": "asked for no more messages",
    "filtered": "filtered as spam",
    "content": "text not allowed by the provider",
    "account": "trouble with the provider account",
    "transient": "phone off, mailbox full or network busy",
    "other": "other reasons",
}
# What became of the last weekly mail.
MAIL_STATES = {
    "sending": "interrupted: it may have arrived",
    "sent": "accepted by the mail server",
    "unknown": "the mail server gave no answer: it may have arrived",
    "refused": "refused by the mail server",
    "again": "not accepted by the mail server yet",
}
