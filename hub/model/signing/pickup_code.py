"""Access by pickup code: six digits from a message that could not contain a link, typed with the phone number.

Six digits are easily guessed, so the hub never reveals whether code and number match. A session starts in any case, and
its secret is marked. For a marked secret, every response before the one-time code is verified is the same and takes
the same time. Verification replaces the secret by an unmarked one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hmac import compare_digest
from zoneinfo import ZoneInfo

from hub.errors import BadInput
from hub.model.contract.person import strip_separators
from hub.model.signing.link import PICKUP_DIGITS, SignLink, derive_pickup_code

PICKUP_DOOR = "pickup"
# Tries per phone number and day. Correct tries count too, since a limit on wrong tries alone would reveal which tries
# were wrong. A correct one-time code resets the count.
MAX_DAILY_PICKUPS = 10
# Time zone of that day, the same for everybody: the signer's own zone would reveal that the signer exists.
DAY_OF = ZoneInfo("Asia/Shanghai")
# Cannot occur in an unmarked secret, which is base64url and so contains no dot.
_MARK = "p."


def parse_pickup_code(text: str) -> str:
    """Return the six digits of a typed pickup code. Raises BadInput."""
    if not is_pickup_code(text):
        raise BadInput(f"A pickup code has {PICKUP_DIGITS} digits.", field="pickup_code")
    return strip_separators(text)


def is_pickup_code(text: str) -> bool:
    """Return whether a typed text can be a pickup code."""
    return re.fullmatch(rf"[0-9]{{{PICKUP_DIGITS}}}", strip_separators(text)) is not None


def mark_secret(secret: str) -> str:
    """Mark a session secret as that of an unverified visitor with a pickup code."""
    return _MARK + secret


def is_pickup_secret(secret: str) -> bool:
    """Return whether this is the secret of an unverified visitor with a pickup code, correct or not."""
    return secret.startswith(_MARK)


def match_pickup_code(key: bytes, links: Sequence[SignLink], code: str) -> SignLink | None:
    """Return the first of these links with this pickup code, or None. All are compared, each in constant time."""
    codes = [(link, derive_pickup_code(key, link.id, link.generation)) for link in links]
    fits = [link for link, expected in codes if compare_digest(expected, code)]
    return fits[0] if fits else None
