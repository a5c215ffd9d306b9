"""OFD (GB/T 33190), the Chinese format for fixed layout: its container, its signatures and its electronic seals.

This package only reads; `qianda.verify.ofd` judges. An OFD is a ZIP file of XML parts and resources.
"""

from __future__ import annotations

from qianda.verify.findings import Reason


class NotAnOfd(Exception):
    """The bytes cannot be read as an OFD, or in more than one way. `what` says why, in a few words."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.what = Reason(zh, en)


class OfdTooLarge(NotAnOfd):
    """The file, or what it unpacks to, exceeds the limits."""
