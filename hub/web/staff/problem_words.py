"""Translate errors of input for the reader, by the patterns of sentences that contain values."""

from __future__ import annotations

from hub.web.pages.i18n import Translate
from hub.web.pages.shaped_sentences import ShapedSentences
from hub.web.staff.person_labels import WHY_KEPT

# The first matching pattern is used, so those with more words come before those with fewer.
SHAPES: tuple[str, ...] = (
    "there is no campus {name}",
    "there is no course {course} at {campus}",
    "there is no account {login}",
    "there is no enrolment {enrolment}",
    "there is an account {login} already",
    "the login {login} has to be 2 to 40 small letters, digits, dots, dashes, underscores or @",
    "a subject has 1 to {most} characters",
    "a password has {least} to {most} characters",
    "there is no scope {scope}: the scopes are {scopes}",
    "{day} has passed: the key must expire on a future day",
    "the overlap must be 0 to {most} days",
    "the name {name} has to be letters, digits, dots, dashes or underscores",
    "there is a key {name} already: revoke it first, or take another name",
    "there is no valid key {name}",
    "{name} is being rotated: the former secret is still valid",
    "{count} people match: enter the ID number as well",
    "nothing of this contract can be erased: {words}",
    *WHY_KEPT,
    "a report is about {most} days at most",
    "choose 1 to {most} contracts",
    "choose 1 to {most} courses",
    "at most {most} contracts fit into one XLSX file",
    "a reason of up to {most} characters is needed",
    "a note of up to {most} characters is needed",
    "a note of up to {most} characters",
    "a text of up to {most} characters",
    "a title of up to {most} characters",
    "a number from 1 to {most}",
    "1 to {most} characters",
    "language is one of {languages}",
    "there is no channel {channel}",
    "there is no door {door}",
    "there is no contract template {name}",
    "unknown {name}",
    "line {number}: has to be like 2027-01-02,closed,name",
    "A contract has one to {most} signers.",
    "The contract template needs: {name}",
    "The contract could not be laid out: {reason}",
    "The contract has more than {most} lines",
    "The contract's tables have more than {most} rows",
    "A table's row has more than {most} cells",
    "A table's row has {cells} cells, its head has {head}: {row}",
    "A table's row has a label without a value: {label}",
    "The contract template could not be filled in: {reason}",
    "a name of 2 to {most} characters",
    "the picture has more than {most} KB",
    "the picture cannot be used: {reason}",
    "the period has more than {most} lines: choose a shorter one",
    "one of {kinds}",
    "there is no role {name}",
    "there is no staff {name}",
    "there is no client {name}",
    "none of the certificates is for the key {key}",
    "The file has more than {most} MB.",
    "it has more than {most} rows",
    "it has more than {most} columns",
    "The PDF could not be read: {reason}",
    "it begins at {moment} UTC",
    "at most {most} lines",
    "at most {most} days",
    "at most {most} characters",
    "at most {most}",
    "there is no {kind} {name}",
)
_SENTENCES = ShapedSentences(SHAPES)


def say_detail(line: str, translate: Translate) -> str:
    """Return one line of an error's detail in the reader's language; unchanged if it matches no pattern."""
    return _SENTENCES.say(line, translate)
