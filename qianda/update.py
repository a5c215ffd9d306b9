"""Make a check beyond the four: the bytes after the shown document must be a signature and nothing else.

A file that begins with the shown bytes may still replace a page in the part that follows (ISO 32000-2 7.5.6). The four
checks cannot detect that; a client with a PDF library can.
"""

from __future__ import annotations

from qianda.checks import RefusedToSign
from qianda.pdf import NotOurForm, TooComplex
from qianda.verify.findings import UnreadablePdf
from qianda.verify.pdf.active_content import can_be_hidden
from qianda.verify.pdf.drawing import DECORATION
from qianda.verify.pdf.revisions import find_changes
from qianda.verify.pdf.signed_file import SignedFile
from qianda.verify.pdf.structure import range_is_right


def check_update(shown: bytes, prepared: bytes) -> None:
    """Raise RefusedToSign (number 1) if the prepared file changes more of the shown file than a signature has to."""
    try:
        _check(shown, prepared)
    except UnreadablePdf as error:
        raise RefusedToSign(1, error.reason.en) from error
    except NotOurForm as error:
        raise RefusedToSign(1, error.what) from error
    except TooComplex as error:
        raise RefusedToSign(1, "the prepared file is too large") from error
    except RefusedToSign:
        raise
    except Exception as error:  # a file made to break the parser is a reason to refuse, not to crash
        raise RefusedToSign(1, "the prepared file cannot be read") from error


def _check(shown: bytes, prepared: bytes) -> None:
    after = SignedFile(prepared)  # this also parses the shown part, because a revision ends where the next one begins
    last = len(after.revisions) - 1
    if last < 1 or not prepared.startswith(shown) or after.revisions[last].start != len(shown):
        raise RefusedToSign(1, "the prepared file is not one revision further than what was shown")
    for finding in find_changes(after, last - 1):
        raise RefusedToSign(1, finding.reason.en)
    for _, field in after.fields:
        if DECORATION & field.keys() or can_be_hidden(after.now.entry(field, "/F")):
            raise RefusedToSign(1, "programs show a field of the prepared file in different ways")
    added = [signature for signature in after.signatures if signature.revision == last]
    if len(added) != 1 or added[0].is_timestamp:
        raise RefusedToSign(1, "the prepared file does not add exactly one signature")
    if added[0].end != len(prepared) or any(added[0].contents) or not range_is_right(after, added[0]):
        raise RefusedToSign(1, "the byte range in the prepared file is not that of an empty place in all of it")
