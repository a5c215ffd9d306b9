"""Coming by a pickup code: six digits out of a message that could carry no link, and the phone number with them.

Six digits are easily guessed. So at this door nothing tells whether the two fit: there is a session in any case, and
its secret bears a mark by which every answer before the one-time code is given in the same way, after the same time.
A session gets another secret when its visitor is verified, so that a marked one never is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hmac import compare_digest
from zoneinfo import ZoneInfo

from hub.errors import BadInput
from hub.model.contract.person import squeezed
from hub.model.signing.link import PICKUP_DIGITS, SignLink, pickup_code_for

PICKUP_DOOR = "pickup"
# For one phone number, right or wrong: were only wrong ones counted, the eleventh try would tell. The visitor's
# one-time code makes them forgotten.
MAX_DAILY_PICKUPS = 10
# The same day for everybody: that of the signer would tell that there is one.
DAY_OF = ZoneInfo("Asia/Shanghai")
# No secret begins so by itself: they are of the letters of base64url.
_MARK = "p."


def pickup_code(text: str) -> str:
    """What somebody typed as six digits. Raises BadInput for what no pickup code looks like."""
    digits = squeezed(text)
    if not re.fullmatch(rf"[0-9]{{{PICKUP_DIGITS}}}", digits):
        raise BadInput(f"a pickup code has {PICKUP_DIGITS} digits", field="pickup_code")
    return digits


def marked(secret: str) -> str:
    return _MARK + secret


def by_pickup(secret: str) -> bool:
    """Whether this is the secret of somebody who came by a pickup code, right or wrong, and is not verified."""
    return secret.startswith(_MARK)


def fitting(key: bytes, links: Sequence[SignLink], code: str) -> SignLink | None:
    """The first of these links with this pickup code. All are compared, each in constant time."""
    codes = [(link, pickup_code_for(key, link.id, link.generation)) for link in links]
    fits = [link for link, expected in codes if compare_digest(expected, code)]
    return fits[0] if fits else None
