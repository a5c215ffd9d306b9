"""Message texts: strict placeholders, and one segment where that is possible."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.documents.messages import load_messages
from hub.errors import TemplateFailed
from hub.model.message import LATE, MessageTemplates, Purpose, parse_templates, render, size

FOLDER = Path(__file__).parents[2] / "templates" / "messages"
URL = "HTTPS://SIGN.EXAMPLE.EDU/S/"
ZH = {"school": "新航线教育", "campus": "广州校区", "deadline": "12月31日", "minutes": "10", "code": "123456"}
EN = {
    "school": "New Course",
    "campus": "Guangzhou campus",
    "deadline": "31 Dec, 18:00",
    "minutes": "10",
    "code": "123456",
}


def with_link(words: dict[str, str], length: int) -> dict[str, str]:
    return {**words, "link": URL.ljust(length, "X")}


@pytest.fixture(scope="module")
def messages() -> MessageTemplates:
    return load_messages(FOLDER)


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("length", [40, 45])
def test_each_message_fits_one_segment(messages: MessageTemplates, purpose: Purpose, length: int) -> None:
    for language, words, encoding in (("zh", ZH, "ucs-2"), ("en", EN, "gsm-7")):
        measured = size(render(messages.get(purpose, "sms", language).text, with_link(words, length)))
        assert measured.encoding == encoding
        assert measured.segments == 1


@pytest.mark.parametrize("purpose", Purpose)
def test_each_message_says_who_and_has_what_it_needs(messages: MessageTemplates, purpose: Purpose) -> None:
    chinese, english = (messages.get(purpose, "sms", language) for language in ("zh", "en"))
    assert chinese.placeholders == english.placeholders
    assert "school" in chinese.placeholders
    has_link = purpose not in (Purpose.CODE, Purpose.WITHDRAWN, Purpose.EXPIRED)
    assert ("link" in chinese.placeholders) is has_link
    assert ("code" in chinese.placeholders) is (purpose is Purpose.CODE)


def test_late_placeholders_stay_and_no_value_becomes_one() -> None:
    early = render("{campus} {link} {code}", {"campus": "{link}"}, late=LATE)
    assert early == "(link) {link} {code}"
    assert render(early, {"link": "L", "code": "1"}) == "(link) L 1"


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(TemplateFailed, match="deadline"):
        render("{deadline}", {"campus": "x"})


@pytest.mark.parametrize("text", ["{name}", "{", "a } b", "{Link}", "{}", "{link"])
def test_unknown_placeholders_and_lone_braces_are_refused(text: str) -> None:
    with pytest.raises(TemplateFailed):
        parse_templates("invitation", {"sms": {"zh": text}})


def test_an_unknown_purpose_is_refused() -> None:
    with pytest.raises(TemplateFailed, match="advert"):
        parse_templates("advert", {"sms": {"zh": "x"}})


def test_fallbacks() -> None:
    messages = MessageTemplates(parse_templates("code", {"sms": {"zh": "中", "en": "E"}, "voice": {"zh": "声"}}))
    chosen = [messages.get(Purpose.CODE, *key).text for key in (("voice", "zh"), ("voice", "en"), ("email", "fr"))]
    assert chosen == ["声", "E", "中"]
    with pytest.raises(TemplateFailed):
        messages.get(Purpose.EXPIRED, "sms", "zh")


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("a" * 160, "gsm-7", 160, 1),
        ("a" * 161, "gsm-7", 161, 2),
        ("€" * 80, "gsm-7", 160, 1),
        ("中" * 70, "ucs-2", 70, 1),
        ("中" * 71, "ucs-2", 71, 2),
        ("𠮷" * 35, "ucs-2", 70, 1),
        ("中" * 135, "ucs-2", 135, 3),
    ],
)
def test_sizes(text: str, encoding: str, units: int, segments: int) -> None:
    measured = size(text)
    assert (measured.encoding, measured.units, measured.segments) == (encoding, units, segments)
