"""Labels of the data kept about a person, by kind of row, and of the scopes of API keys."""

PERSON_PARTS = {
    "enrolments": "enrolments",
    "replacements": "requests that this person signs instead of somebody else",
    "messages_to_them": "messages to this person",
    "messages_from_them": "messages from this person",
    "copies_of_their_contracts": "copies of their contracts sent to others",
    "guest_sessions": "visits by a poster",
    "signing_sessions": "visits by a link",
    "identity_checks": "identity checks",
    "passkeys": "passkeys",
    "device_keys": "devices",
    "certificates": "certificates",
    "phone_changes": "changes of a phone number",
    "staff_tasks": "tasks of staff",
    "opt_outs": "opt-outs from messages",
}
KEY_SCOPE_NAMES = {
    "read": "reads",
    "issue": "issues",
    "act": "acts",
    "seal": "seals files",
    "manage-seals": "manages seals",
    "metrics": "figures",
}
KEY_SCOPES = {
    "read": "read contracts, files and records",
    "issue": "issue and reissue contracts",
    "act": "hand out links, remind, withdraw, extend, change a phone",
    "seal": "have files sealed, as far as a seal is granted to this key",
    "manage-seals": "apply for seals, grant, suspend and revoke them; read their register",
    "metrics": "read the figures for operators; only with a key of headquarters",
}
# The shapes of the reasons why a contract is not erased: see `PersonInContract.why_kept`.
WHY_KEPT = (
    "it is in progress ({state}): withdraw it first, or wait for its end",
    "it is held until somebody lifts it, by {who}: {reason}",
    "it is held until {day}, by {who}: {reason}",
    "it was concluded, and is kept until {day} ([retention])",
)
