"""Draw the picture in a signature field: a signer's drawing or printed name, or the organisation's round seal.

The stamps are one-page PDFs drawn by Typst; the same input gives the same bytes. Texts and strokes are only shown,
never executed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from hub.documents.drawing import draw
from hub.documents.sealing.seal_upload import SEAL_SIZE
from hub.errors import BadInput
from hub.model.signing.signature_request import Custody

TEMPLATES: Final = Path(__file__).parents[2] / "templates" / "contracts" / "stamps"
SEAL_PURPOSE: Final = "合同专用章"
MAX_STROKES: Final = 200
MAX_POINTS: Final = 5000
MAX_TEXT_LENGTH: Final = 100  # characters
# The school's seal is needed for each contract, a signer's stamp again if they prepare again within a minute.
STAMPS_KEPT: Final = 32

Stroke = Sequence[tuple[float, float]]


# The words next to a signature, in Chinese and English. They state what was proved, and no more.
CUSTODY_WORDS: Final = {
    Custody.USB_TOKEN: ("密钥在签署人 USB Key 中", "Key on the signer's USB token"),
    Custody.APP_KEYSTORE: ("密钥在签署人手机密钥库中", "Key in the keystore of the signer's phone"),
    Custody.BROWSER: ("密钥在签署人的浏览器中生成，不可导出", "Key made in the signer's browser, not exportable"),
    Custody.SOFTWARE: ("密钥由签署人自持，存放之处未经证明", "Key held by the signer; where, is not proved"),
    Custody.REMOTE: ("密钥由签名服务代为保管", "Key kept for the signer by a signing service"),
}


def custody_words(custody: str, language: str) -> str:
    chinese, english = CUSTODY_WORDS[Custody(custody)]
    return english if language == "en" else chinese


@dataclass(frozen=True)
class SignerStamp:
    """What a signer's stamp shows.

    `strokes`: lines of points from a finger drawing, x and y from 0 to 1, y downwards, over an area three times as wide
    as high; without them the name is printed. `custody`: where the key is, as proved.
    """

    name: str
    strokes: Sequence[Stroke] | None
    time_text: str
    language: str
    custody: str | None = None


def signature_stamp(stamp: SignerStamp, size: tuple[float, float]) -> bytes:
    """Return a signer's stamp as a PDF. `size`: width and height in points.

    Raises BadInput for invalid strokes, UndrawableText for texts that the font cannot show.
    """
    drawing = None if stamp.strokes is None else checked_strokes(stamp.strokes)
    texts = {"name": stamp.name, "time": stamp.time_text}
    if stamp.custody is not None:
        texts["custody"] = custody_words(stamp.custody, stamp.language)
    shown = {"strokes": drawing, "language": stamp.language, "width": size[0], "height": size[1]}
    data = {"custody": None, **texts, **shown}
    return draw_stamp("signature.typ", texts, data)


def seal_stamp(organisation: str, size: float = SEAL_SIZE) -> bytes:
    """Return the round red seal with the organisation's name around a star. `size`: width and height in points."""
    texts = {"organisation": organisation, "purpose": SEAL_PURPOSE}
    return draw_stamp("seal.typ", texts, {**texts, "size": size})


def checked_strokes(strokes: Sequence[Stroke]) -> list[list[tuple[float, float]]]:
    """Return the strokes as plain numbers. Raises BadInput if there are too many, or one leaves the unit square."""
    points = sum(len(stroke) if isinstance(stroke, list | tuple) else 1 for stroke in strokes)
    if not 0 < len(strokes) <= MAX_STROKES or points > MAX_POINTS:
        raise BadInput(f"a drawing has 1 to {MAX_STROKES} strokes and up to {MAX_POINTS} points", field="strokes")
    return [_checked_stroke(stroke) for stroke in strokes]


def _checked_stroke(stroke: Stroke) -> list[tuple[float, float]]:
    try:
        points = [(float(x), float(y)) for x, y in stroke]
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput("a stroke is a list of points [x, y]", field="strokes") from error
    if not points or not all(math.isfinite(v) and 0 <= v <= 1 for point in points for v in point):
        raise BadInput("the points of a stroke lie between 0 and 1", field="strokes")
    # Further digits could not be seen, and would make the file larger.
    return [(round(x, 4), round(y, 4)) for x, y in points]


def draw_stamp(template: str, texts: dict[str, str], data: dict[str, Any]) -> bytes:
    """Return a stamp's template as PDF. `texts`: what people entered, by field; `data` contains these texts as well.

    Raises BadInput for a text that is empty or too long, UndrawableText.
    """
    for field, text in texts.items():
        if not 0 < len(text) <= MAX_TEXT_LENGTH:
            raise BadInput(f"a stamp's text has 1 to {MAX_TEXT_LENGTH} characters", field=field)
    return _drawn(template, tuple(texts.items()), json.dumps(data))


@lru_cache(STAMPS_KEPT)
def _drawn(template: str, texts: tuple[tuple[str, str], ...], data: str) -> bytes:
    return draw(TEMPLATES / template, dict(texts), json.loads(data))
