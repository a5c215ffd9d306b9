"""Labels of the kinds of entries in a contract's record."""

RECORDS = {
    "drawn": "contract drawn", "issued": "issued", "answered": "filled in",
    "task-opened": "turn came", "message-sending": "message handed over",
    "link-handed-out": "link handed out", "deadline-moved": "deadline moved", "reminded-by-hand": "reminded by hand",
    "reminders-changed": "reminders changed for this contract",
    "voided": "withdrawn", "declined": "declined", "expired": "expired", "replaced": "replaced by a new contract",
    "signed-on-paper": "signed on paper",
    "viewed-by-staff": "looked at by staff", "read-by-staff": "read by staff",
    "question-answered": "question answered by text message",
    "contact-revealed": "full number shown to staff", "downloaded-by-staff": "downloaded by staff",
    "attachment-opened": "attachment of a signer opened",
    "identity-checked": "identity confirmed",
    "identity-refused": "identity not confirmed", "certificate-issued": "certificate issued",
    "certificate-brought": "own certificate accepted", "certificate-refused": "own certificate refused",
    "key-refused": "key refused", "signature-refused": "signature refused", "agent-refused": "a second agent refused",
    "custody-refused": "key refused: the contract requires another kind",
    "signed": "all have signed", "stuck": "stuck at the hub",
    "signature-accepted": "signature accepted", "signature-embedded": "signature with timestamp in the file",
    "signature-lapsed": "signature could not be used", "signing-refused-by-client": "the signer's own device refused",
    "seal-used": "school's seal set", "ofd-sealed": "school's seal set on the OFD",
    "copy-sending": "copy is being sent", "copy-not-sent": "copy not delivered",
    "copy-opened": "copy opened", "copy-refused": "copy not opened: wrong answer",
    "completed": "completed", "question-asked": "question asked",
    "staff-task-settled": "settled by staff", "phone-change-asked": "another phone number asked for",
    "passkey-registered": "passkey registered", "confirmation-refused": "confirmation by a passkey refused",
    "key-deletion-reported": "key deleted, as the page reports",
    "app-key-bound": "a device of theirs bound", "app-key-attested": "a device's statement about its key",
    "app-key-revoked": "a device of theirs revoked", "certificate-revoked": "certificate revoked",
    "phone-change-turned-down": "another phone number turned down", "phone-changed": "phone number changed",
    "words-erased": "what had been written was erased", "signer-erased": "personal data behind the record erased",
    "opted-out": "does not want messages any more", "opted-in": "wants messages again",
    "agent-paired": "signing agent connected",
    "hold-placed": "held: nothing of it is erased", "hold-lifted": "no longer held",
    "evidence-made": "evidence package made", "addendum-made": "addendum to the evidence made",
    "evidence-downloaded": "evidence package downloaded",
    "agent-confirmed": "its certificate confirmed on the page", "agent-ended": "the program disconnected",
}  # fmt: skip
# Why a full number was shown: the reasons to choose from, and the one that the hub notes by itself.
REVEAL_CHOICES = {
    "call": "to call this person",
    "check": "to check the number on file",
    "compare": "to compare it with somebody who is here",
    "other": "another reason",
    "phone-change": "to decide about another number",
}
# Where the key of a signature is.
CUSTODIES = {
    "usb-token": "on a USB token",
    "app-keystore": "in the keystore of a phone",
    "browser": "made in a browser",
    "software": "held by the signer; where, is not proved",
    "remote": "kept by a signing service",
    "token": "on the school's token",
    "school-software": "kept by the school in software",
}
# Who gets a copy of a completed contract.
COPY_ROLES = {
    "student": "student",
    "guardian": "another guardian",
    "office": "office of the campus",
    "address": "address of the school",
}
