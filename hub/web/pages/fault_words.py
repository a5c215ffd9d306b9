"""Translate faults of an answer and steps of an installation, by the shape of each sentence. The sentences are English,
because commands print them."""

from __future__ import annotations

from hub.web.pages.shaped_sentences import ShapedSentences

SHAPES: tuple[str, ...] = (
    "row {place}: {words}",
    "is missing",
    "is empty",
    "{code} is not a valid credit code: a digit is wrong or missing",
    "has to be one line of at most {count} characters",
    "has to be letters, digits, dot, dash and underscore, 40 at most",
    "has to be a whole number above 0, not {value}",
    "has to be a day like 2027-03-01, not {value}",
    "has to be an amount in yuan like 2880.00, not {value}",
    "has to be a list of steps, each with when and share",
    "has to be a whole number from 0 to 100: percent of the fee not yet used",
    "is before the course starts",
    "{name} occurs more than once",
    "there is no time zone {name}; did you mean {near}?",
    "there is no time zone {name}",
    "there is no campus {name}",
    "there is no contract template {name}; there are {known}",
    "every campus has one; exactly one campus, the headquarters, has no parent",
    "{count} have none ({names}); exactly one campus, the headquarters, has no parent",
    "the campus would be above itself",
    "the login {login} has to be 2 to 40 small letters, digits, dots, dashes, underscores or @",
    "a password has {least} to {most} characters",
    "the origin is {origin}, and has to begin with https://: {rest}",
    "there is no column {title}; there are {known}",
    "the column {name} occurs twice",
    "has more than {count} rows",
    "it is neither a spreadsheet nor text in UTF-8 or GBK",
    "a quotation mark is not closed, or one value is too long",
    "is not a certificate in PEM (-----BEGIN CERTIFICATE-----)",
    "is not accepted: {reason}",
    "{file} is not a PKCS#12 file (.p12, .pfx)",
    "the password does not open {file}",
    "{file} holds no private key: have it exported with its key",
    "the key in {file} is neither P-256 nor RSA from 2048 bits",
    "no certificate in {file} is for the key in it",
    "the root of the authority is missing: name its file as well, with those of all authorities between",
    "the provider did not accept it: {reason}",
    "these options are wrong: {names}",
    "this code is no longer valid: send another message",
    "this is not the code of the last message",
    "ten messages were sent already: start the set-up again to send more",
    "one was sent just now: wait a moment",
    "choose a file first",
    "it is not valid TOML: {reason}",
    "it is nested too deeply",
    "has to be a list of names",
    "is missing: what the contract says of the course",
    "has to be true or false, not {value}",
    "has to be true or false",
    "has to be a table [{name}]",
    "has to be entries [[{name}]]",
    "has to be text in quotes, not {value}",
    "there is no key {name}; did you mean {near}?",
    "there is no key {name}",
    "the configuration says {value}, the file {other}: correct one of them",
    "{value} occurs more than once",
)
# Sentences about the steps of the installation.
STEPS_TOLD: tuple[str, ...] = (
    "{file}: the configuration.",
    "{file}: the seal's key was taken from it. Delete that file, or lock it away.",
    "{file}: send it to your certificate authority; then `qianda seal install` what it issues, with its issuers.",
    "This data folder and this database are bound already (installation {installation}).",
    "This data folder and this database are bound now: installation {installation}.",
)
# Places in a school's file.
PLACES: tuple[str, ...] = (
    "the file",
    "campus {number} ({id}), {keys}",
    "campus {number} ({id})",
    "course {number} ({id}), {keys}",
    "course {number} ({id})",
)
# Translate a fault of an answer, its place in a school's file (names of keys stay as they are), and a sentence about a
# step of the installation.
say_fault, say_place, say_step = (ShapedSentences(shapes).say for shapes in (SHAPES, PLACES, STEPS_TOLD))
