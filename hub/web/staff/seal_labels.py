"""Labels of seals: English texts, which the catalogue translates."""

from __future__ import annotations

from hub.model.sealing.seal_fault import SealFault

SEAL_KINDS = {
    "company": "company seal",
    "contract": "contract seal",
    "representative": "legal representative's name seal",
    "campus": "campus seal",
}
SEAL_KIND_HINTS = {
    "company": "Round: the registered name around a star.",
    "contract": "Round: the same, with its purpose below the star.",
    "representative": "Square: the legal representative's name.",
    "campus": "Round: the same, with the campus below the star.",
}
SEAL_STATES = {
    "applied": "waits for approval",
    "rejected": "rejected",
    "approved": "approved, to be made",
    "made": "made, not in use yet",
    "active": "in use",
    "suspended": "suspended",
    "revoked": "revoked for good",
    "archived": "archived",
}
SEAL_NEXT = {
    "applied": "Two people approve it, and neither is the one who applied.",
    "approved": "A seal keeper makes it: a key on the token, and a certificate for it.",
    "made": "Say who may use it, then take it into use.",
    "suspended": "Nothing is sealed with it until a seal keeper resumes it. Contracts that need it wait.",
    "revoked": "Nothing can be sealed with it. Contracts, and files sealed for the long term, stay valid. "
    "It can be archived.",
}
GRANTEE_KINDS = {
    "contracts": "contracts that all have signed",
    "client": "another system, by its API key",
    "role": "a role",
    "staff": "one account",
}
USE_OUTCOMES = {"attempt": "being sealed", "sealed": "sealed", "failed": "not sealed", "refused": "refused"}
USE_REFUSALS = {
    "not-granted": "not granted",
    "other-campus": "granted for another campus",
    "other-template": "granted for other templates",
    "grant-expired": "the grant has ended",
    "exhausted": "no uses are left",
    "not-made": "not in use yet",
    "suspended": "suspended",
    "revoked": "revoked for good",
    "job-stopped": "its job was stopped after a day",
    "certificate-expired": "its certificate has expired",
}
KEY_CUSTODIES = {
    "token": "on the token",
    "software": "a software key, in the database",
    "configured": "named in the configuration",
}
SEAL_FIELDS = {
    "kind": "kind of seal",
    "registered_name": "registered name",
    "registered_code": "unified social credit code",
    "inscription": "inscription",
    "picture": "picture",
    "grantee": "who",
    "grantee_kind": "kind of user",
    "templates": "templates",
    "max_uses": "uses",
    "replace": "replace",
    "token_key": "key on the token",
    "certificate": "certificate",
    "seal": "seal",
}


def fault_text(reason: str, language: str) -> str | None:
    """Return the sentence for a reason that concerns the file itself; None for other reasons."""
    if reason not in set(SealFault):
        return None
    fault = SealFault(reason)
    return fault.chinese if language == "zh" else fault.english
