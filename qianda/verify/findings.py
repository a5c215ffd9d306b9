"""The vocabulary of the verifier: the elements of a reliable signature, four words, and findings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

# Characters that control a terminal or the direction of a text (Unicode TR 9, 2), invisible ones (TR 36, 3.2), and
# surrogates, which cannot be encoded, and what no XML may contain (XML 1.0, 2.2).
_CONTROLS = re.compile(
    "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f\ud800-\udfff]"
)


def readable(text: str) -> str:
    """Return a stranger's text without special characters, so that it cannot overwrite or reverse our own text."""
    return _CONTROLS.sub("\ufffd", text)


class Element(StrEnum):
    """The elements of a reliable signature, 电子签名法 (Electronic Signature Law) art. 13, and the time of signing."""

    OWNED = "exclusively owned"
    USED = "exclusively used"
    SIGNATURE = "signature unaltered"
    TEXT = "text unaltered"
    TIME = "time"


class Word(StrEnum):
    """The answer about an element, from good to bad. `declared` and `not shown` do not fail."""

    SHOWN = "shown"
    DECLARED = "declared"
    NOT_SHOWN = "not shown"
    FAILED = "failed"


@dataclass(frozen=True)
class Reason:
    """One sentence in both languages."""

    zh: str
    en: str

    def about(self, **values: object) -> Reason:
        """Return the sentence with its placeholders filled in. A value that is a Reason is put in in each language."""
        zh = {name: readable(str(value.zh if isinstance(value, Reason) else value)) for name, value in values.items()}
        en = {name: readable(str(value.en if isinstance(value, Reason) else value)) for name, value in values.items()}
        return Reason(self.zh.format(**zh), self.en.format(**en))


@dataclass(frozen=True)
class Finding:
    """A fault in one element. `field` names the signature field; None means the whole document."""

    element: Element
    reason: Reason
    field: str | None = None

    def __str__(self) -> str:
        return f"{self.field or 'document'}: {self.element}: {self.reason.en}"


class UnreadableDocument(Exception):
    """The file cannot be read, or exceeds the limits. `reason` says which."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.en)
        self.reason = reason


class UnreadablePdf(UnreadableDocument):
    """The file cannot be read as a PDF."""


class UnreadableOfd(UnreadableDocument):
    """The file cannot be read as an OFD."""
