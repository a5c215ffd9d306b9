"""Translate the findings of `qianda doctor` and the sentences about the seal, by the shape of each sentence."""

from __future__ import annotations

import re

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
    (
        "the token {name} refused this PIN before, and it is not tried again, because tokens lock themselves: "
        "correct the PIN; if the token has this PIN by now, delete {file}"
    ),
    "the token {name} refuses the PIN; it is not tried again: correct the PIN",
    (
        "the token {name} lets nobody in ({error}), whatever the PIN; it is not tried again: unlock it, or set its "
        "PIN, with its maker's tool"
    ),
    "the token {name} is away: {error}",
    "the token {name} did not answer in {seconds} s",
    "the token {name} has another key under the label {label}",
    "the seal key {key} in software signs in {latency}",
    "the SM2 side ends soon: {seals}: renew a bought one by `qianda seal install-sm2`, one for trial by `make-sm2`",
    "ended on {day}, and nothing can be sealed: renew it by {commands}",
    "ends on {day}: renew it by {commands}",
    "valid until {day}; built-in authority, for trial and internal use",
    "valid until {day}, not revoked; issued by {issuer}",
    "was revoked: nothing can be sealed with it",
    "tls_certificate cannot be read: {path}",
    "ended, or end soon: {certificates}: renew them",
    "{certificates}; none ends soon",
    "{number} besides the configured one; no certificate ends soon",
    "certificates end soon: {seals}: renew them by `qianda seal renew NAME`",
    "answers; built-in, for trial and internal use",
    "{number} FAILED and are tried again: `qianda jobs list` says why",
    "none has failed",
    "the school's own roster",
    "the roster, then {provider} ({method})",
    "builtin: the key signs; for trial and internal use",
    "the login works",
    "answers",
    "configured; its state cannot be checked",
    "did not answer within {seconds} s",
    "does not answer as it should: {reason}",
    "none is configured: no messages can be sent, links can only be handed out",
    "{number} reported in the last {seconds} s",
    "NONE has reported in the last {seconds} s: messages and seals wait until `qianda work` runs",
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
# Between sentences about two tokens. Inside such a sentence, no semicolon is followed by a token.
_NEXT_TOKEN = re.compile(r"; (?=(?:[^ ]+: )?the token ')")


def say_found(words: str, translate: Translate) -> str:
    """Return a sentence about a part in the reader's language, and the names of certificates in it."""

    def say(text: str, **blanks: object) -> str:
        if named := blanks.get("certificates"):
            names = [_NAMES.say(each, translate) for each in str(named).split(", ")]
            blanks["certificates"] = translate(", ").join(names)
        if text.endswith("{reasons}"):
            blanks["reasons"] = _say_tokens(str(blanks["reasons"]), translate)
        return translate(text, **blanks)

    return _say_tokens(words, translate) if _NEXT_TOKEN.match(f"; {words}") else _FOUND.say(words, say)


def _say_tokens(words: str, translate: Translate) -> str:
    """Return sentences about tokens in the reader's language. Each may begin with the name of its token."""
    said = []
    for each in _NEXT_TOKEN.split(words):
        name, token, why = each.partition("the token '")
        about = _FOUND.say(token + why, translate) if token else ""
        said.append(name.replace(": ", translate(": ")) + about)
    return translate("; ").join(said)


def say_finding(line: str, translate: Translate) -> str:
    """Return a line `PART: WORDS` in the reader's language."""
    part, _, words = line.partition(": ")
    return f"{say_part(part, translate)}: {say_found(words, translate)}"
