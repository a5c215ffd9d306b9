"""Check identity against the school's own roster: the name and the last characters of the document have to match.

The school has only its own data for this, so the verifier calls the identity "declared", not "shown".
"""

from __future__ import annotations

import hmac
import unicodedata
from dataclasses import dataclass

from hub.model.contract.signer import Signer

TAIL = 4


@dataclass(frozen=True)
class RosterIdentity:
    name: str = "roster"
    method: str = "name and last four characters of the document"

    def matches(self, signer: Signer, name: str, id_tail: str) -> bool:
        """Return whether name and tail match the roster, in constant time. Spaces, width and case do not matter.

        Both are always compared.
        """
        same_name = _same(_plain(name), _plain(signer.name))
        same_tail = _same(_plain(id_tail), _plain(signer.id_number)[-TAIL:])
        return same_name & same_tail


def _plain(text: str) -> str:
    """Return the text in compatibility form and upper case, without spaces or middle dots (names are typed with
    several)."""
    folded = unicodedata.normalize("NFKC", text).upper()
    return "".join(character for character in folded if not character.isspace() and character not in "·•.・‧")


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())
