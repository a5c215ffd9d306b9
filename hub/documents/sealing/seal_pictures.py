"""Draw pictures of seals from the registered name and code: one-page PDFs, which need no transparency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hub.documents.sealing.seal_upload import NAME_SEAL_SIZE, SEAL_SIZE
from hub.documents.signing.stamps import draw_stamp
from hub.errors import BadInput
from hub.model.sealing.seal import SealKind

# A name is carved in two columns. With more characters it could not be read.
MAX_PERSON_LENGTH: Final = 8


@dataclass(frozen=True)
class SealDrawing:
    """What a drawn seal shows. `inscription`: the purpose or the campus, or the person of a name seal."""

    kind: SealKind
    name: str
    code: str
    inscription: str


def draw_seal(drawing: SealDrawing) -> bytes:
    """Return the picture. Raises BadInput for a name that is too long, UndrawableText for one that cannot be drawn."""
    if drawing.kind is SealKind.REPRESENTATIVE:
        shown = {"columns": name_columns(drawing.inscription), "size": NAME_SEAL_SIZE}
        return draw_stamp("name_seal.typ", {"inscription": drawing.inscription}, shown)
    texts = {"organisation": drawing.name, "code": drawing.code}
    if drawing.inscription:
        texts["purpose"] = drawing.inscription
    return draw_stamp("seal.typ", texts, {"purpose": "", **texts, "size": SEAL_SIZE})


def name_columns(person: str) -> list[list[str]]:
    """Return the characters of a name in columns of equal length, the right one first.

    As is usual, 之印 is added to a name of two characters, and 印 to any other name with an odd number of them.
    """
    letters = [letter for letter in person if not letter.isspace()]
    if not 2 <= len(letters) <= MAX_PERSON_LENGTH:
        raise BadInput(f"a name of 2 to {MAX_PERSON_LENGTH} characters", field="inscription")
    if len(letters) == 2:
        letters += ["之", "印"]
    elif len(letters) % 2:
        letters.append("印")
    half = len(letters) // 2
    return [letters[:half], letters[half:]]
