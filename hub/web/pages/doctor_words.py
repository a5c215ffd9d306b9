"""Translate the findings of `qianda doctor` and the sentences about the seal, by the shape of each sentence."""

from __future__ import annotations

from hub.store.server.migrate import NEWER, OLDER
from hub.web.pages.i18n import Translate
from hub.web.pages.shaped_sentences import ShapedSentences
from qianda.verify.reasons import OWNED_DECLARED, OWNED_TRIAL

SHAPES: tuple[str, ...] = (
    "seal of {subject}, of the built-in authority; its key is on the token",
    "seal of {subject}, issued by {issuer}; its key is on the token",
    "seal of {subject}, issued by {issuer}; its key is at a signing service",
    "seal of {subject}, issued by {issuer}; its key was imported into the token; copies of its file may exist",
    "seal of {subject}, issued by {issuer}; its key is kept in software: encrypted, but no token protects it",
    "serial number {serial}, valid from {begins} until {ends}",
    "`qianda verify` will say of it: exclusively owned: not shown. {words}",
    "`qianda verify` will say of it: exclusively owned: declared. {words}",
    OWNED_TRIAL.en,
    OWNED_DECLARED.en,
    "reachable, schema current",
    OLDER,
    NEWER,
    "differs from the database's by {seconds} s: set up time synchronisation",
    "agrees with the database's",
    "free: {disks}",
    "little space is left: {disks}: make space, or nothing can be signed any more",
    "can be stored, read and deleted",
    "not tried, because root must make no folder there: run it as the owner of the files",
    "cannot be stored, read or deleted: check `files` and its credentials ({reason})",
    "the newest document is missing: is the folder mounted, and is `files` the right address?",
    "the contract font draws rare characters",
    "the contract font lacks {characters}",
    "the seal key {key} on the token signs in {latency}, its certificate until {day}; {tokens}",
    "{number} of {all} tokens do not sign: {reasons}",
    "the seal key {key} at the remote service signs in {latency}",
    (
        "csc: {call}: status {status}: the PIN was refused; it is not tried again: correct seal.pin; if the service "
        "has this PIN by now, delete {file}; then start again"
    ),
    (
        "csc: the PIN was refused before; it is not tried again: correct seal.pin; if the service has this PIN by now, "
        "delete {file}; then start again"
    ),
    "the seal key {key} in software signs in {latency}",
    "the SM2 side ends soon: {seals}: renew a bought one by `qianda seal install-sm2`, one for trial by `make-sm2`",
    "ended on {day}, and nothing can be sealed: renew it",
    "ends on {day}: renew it",
    "valid until {day}; built-in authority, for trial and internal use",
    "valid until {day}, not revoked; issued by {issuer}",
    "was revoked: nothing can be sealed with it",
    "tls_certificate cannot be read: {path}",
    "ended, or end soon: {certificates}: renew them",
    "{certificates}; none ends soon",
    "{number} besides the configured one; no certificate ends soon",
    "certificates end soon: {seals}: renew them by `qianda seal renew NAME`",
    "answers; built-in, for trial and internal use",
    "the school's own roster",
    "the roster, then {provider} ({method})",
    "builtin: the key signs; for trial and internal use",
    "the login works",
    "answers",
    "configured; its state cannot be checked",
    "did not answer within {seconds} s",
    "does not answer as it should: {reason}",
    "none is configured: no messages can be sent, links can only be handed out",
    "{number} heard of in the last {seconds} s",
    "NONE was heard of in the last {seconds} s: messages and seals wait until `qianda work` runs",
    "goes on",
    "PAUSED since {since}; steps due: {due}; `qianda resume` sends on",
)
PROVIDER = "provider {name}"
# What the certificates in a finding are called.
CERTIFICATES: tuple[str, ...] = (
    "issuers of the seal",
    "root",
    "timestamp",
    "tls",
    "timestamp {name}",
    "authority {name}",
)
DATED = "{words} ({day})"
say_part = ShapedSentences((PROVIDER,)).say  # translates the name of a part
_FOUND, _NAMES = ShapedSentences(SHAPES), ShapedSentences((DATED, *CERTIFICATES))


def say_found(words: str, translate: Translate) -> str:
    """Return a sentence about a part in the reader's language, and the names of certificates in it."""

    def say(text: str, **blanks: object) -> str:
        if named := blanks.get("certificates"):
            names = [_NAMES.say(each, translate) for each in str(named).split(", ")]
            blanks["certificates"] = translate(", ").join(names)
        return translate(text, **blanks)

    return _FOUND.say(words, say)


def say_finding(line: str, translate: Translate) -> str:
    """Return a line `PART: WORDS` in the reader's language."""
    part, _, words = line.partition(": ")
    return f"{say_part(part, translate)}: {say_found(words, translate)}"
