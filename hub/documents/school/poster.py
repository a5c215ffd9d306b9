"""Draw a printed poster: an A4 sheet to hang up, or a sheet of stickers. Both are in Chinese and English."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from hub.documents.drawing import draw

TEMPLATES: Final = Path(__file__).parents[2] / "templates" / "posters"
SCAN: Final = {"zh": "微信或手机相机扫码报名", "en": "Scan with WeChat or your camera to enrol"}
SCAN_SHORT: Final = {"zh": "扫码报名", "en": "Scan to enrol"}
TYPED: Final = "不能扫码？打开 {entry} 输入上面的编码 · Cannot scan? Type the code above at this address"
STEPS: Final = (
    {"zh": "扫码", "en": "Scan"},
    {"zh": "手机验证码", "en": "Code to your phone"},
    {"zh": "选课、填信息", "en": "Course and student"},
    {"zh": "阅读并签署", "en": "Read and sign"},
)


@dataclass(frozen=True)
class CourseLine:
    """A course on a poster. `fee` in yuan; `when`: dates and schedule in words."""

    name: str
    name_en: str
    fee: str
    when: str


@dataclass(frozen=True)
class PosterFacts:
    """The content of a poster. `svg`: the QR code; `code`: the text that can be typed at the address `entry`
    instead."""

    school: str
    campus: str
    title: str
    courses: Sequence[CourseLine]
    svg: str
    code: str
    entry: str
    foot: str


def poster_sheet(facts: PosterFacts) -> bytes:
    """Return the PDF of an A4 sheet. Raises UndrawableText if the font cannot show a text."""
    return draw(TEMPLATES / "a4.typ", _texts(facts), _data(facts) | {"scan": SCAN}, tagged=True)


def sticker_sheet(facts: PosterFacts) -> bytes:
    """Return the PDF of an A4 sheet with 24 stickers of 70 × 37 mm. Raises UndrawableText."""
    return draw(TEMPLATES / "stickers.typ", _texts(facts), _data(facts) | {"scan": SCAN_SHORT}, tagged=True)


def _texts(facts: PosterFacts) -> dict[str, str]:
    courses = "".join(course.name + course.name_en + course.when for course in facts.courses)
    return {"title": facts.title, "campus": facts.campus + facts.foot, "school": facts.school, "courses": courses}


def _data(facts: PosterFacts) -> dict[str, Any]:
    return asdict(facts) | {"typed": TYPED.format(entry=facts.entry), "steps": STEPS, "alt": f"QR: {facts.code}"}
