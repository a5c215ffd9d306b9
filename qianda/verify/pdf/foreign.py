"""Distinguish a PDF that another program wrote from one of Qianda's that was damaged or altered."""

from __future__ import annotations

import re

from qianda.verify import reasons
from qianda.verify.findings import Reason

_SIGNS: tuple[tuple[re.Pattern[bytes], Reason], ...] = (
    (re.compile(rb"/Encrypt\b"), reasons.ENCRYPTED),
    (re.compile(rb"/XRefStm\b"), reasons.FOREIGN_HYBRID),
    (re.compile(rb"/ObjStm\b"), reasons.FOREIGN_OBJECT_STREAMS),
    (re.compile(rb"/Type\s*/XRef\b"), reasons.FOREIGN_TABLE_STREAMS),
    (re.compile(rb"/Linearized\b"), reasons.FOREIGN_LINEARIZED),
)
_OUR_FIELD = re.compile(rb"/T\s*\(seal\)")


def foreign_reason(pdf: bytes) -> Reason | None:
    """Return why this file cannot be from Qianda. None means that it has the field of our seal, so it was damaged or
    altered.

    Call it only for files that were already refused: it searches for words, and does not judge the file.
    """
    if b"startxref" not in pdf:
        return reasons.UNREADABLE
    for sign, reason in _SIGNS:
        if sign.search(pdf):
            return reason
    return None if _OUR_FIELD.search(pdf) else reasons.FOREIGN
