"""The school's own record: who set the school up and changed it. One chain, beside those of the contracts."""

from __future__ import annotations

from collections.abc import Mapping

# Kinds of its entries, in words.
SCHOOL_KINDS: Mapping[str, str] = {
    "school-changed": "campuses or courses added or changed",
    "staff-added": "account added",
    "staff-disabled": "account disabled",
    "staff-enabled": "account enabled",
    "staff-password-reset": "password reset, sessions ended",
    "staff-unlocked": "lock after wrong passwords ended",
    "staff-role-changed": "role changed",
    "staff-sessions-ended": "sessions ended",
    "staff-password-changed": "password changed by its person, other sessions ended",
    "staff-second-factor-added": "second factor set up by its person",
    "staff-second-factor-removed": "second factor removed, sessions ended",
    "staff-recovery-codes-made": "new recovery codes made by its person",
    "staff-recovery-code-used": "a recovery code used",
    "key-added": "API key added",
    "key-revoked": "API key revoked",
    "seal-changed": "certificate of the seal changed",
    "sending-paused": "sending paused",
    "sending-resumed": "sending resumed",
    "database-moved": "database moved to a server",
    "sealing-key-made": "new key for sealed columns",
    "sealing-keys-retired": "earlier keys of sealed columns retired",
    "person-found": "data of a person looked up",
    "person-exported": "data of a person given out",
    "person-erased": "data of a person erased",
    "pruned": "data deleted whose time was over",
    "roster-imported": "roster imported",
    "import-undone": "import of a roster undone",
    "enrolment-changed": "enrolment changed",
    "enrolment-deleted": "enrolment deleted",
    "contracts-issued": "contracts issued together",
    "contracts-extended": "deadlines of contracts moved together",
    "contracts-reissued": "contracts reissued together",
    "contracts-withdrawn": "contracts withdrawn together",
    "codes-printed": "QR codes of signers printed together",
    "contracts-downloaded": "completed contracts downloaded together",
    "contracts-exported": "a table of contracts exported",
    "restored": "restored from a backup, sending paused",
}
