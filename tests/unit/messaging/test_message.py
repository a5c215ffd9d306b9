"""Message texts: what a file of texts may contain, and what ours contain."""

from __future__ import annotations

import re

import pytest

from channels import Shape
from hub.documents.messaging.messages import load_messages, read_messages
from hub.errors import TemplateFailed
from hub.model.messaging.message import (
    BY_EMAIL_ALONE,
    BY_SMS_ALONE,
    LATE,
    LEADS,
    NOT_BY_VOICE,
    MessageTemplates,
    Purpose,
    render,
)
from hub.model.messaging.sms_length import measure_text
from hub.settings import PACKED
from tests.catalogues import catalogues

FOLDER = PACKED / "templates" / "messages"
URL = "https://sign.example.edu/s"
TICKET = "4J8Q2X7M3K9TB"
LATE_ZH = {"ticket": TICKET, "entry": URL, "link": f"{URL}/{TICKET}", "pickup": "305816", "code": "482917"}
ZH = LATE_ZH | {
    "school": "新航线教育",
    "campus": "广州校区",
    "contracts": "合同",
    "deadline": "12月31日 18:00",
    "minutes": "10",
    "open": "2",
    "done": "1",
    "reply": "改到周三",
}
# Messages that the hub starts. Answers to what people write go by SMS alone, and contain no link.
OURS = [each for each in Purpose if each not in BY_SMS_ALONE]
BY_SMS = [each for each in Purpose if each not in BY_EMAIL_ALONE]
EN = ZH | {"school": "New Course", "campus": "Guangzhou campus", "contracts": "2 course contracts"}
EN |= {"deadline": "31 December 18:00", "reply": "Wednesday is fine."}
SEVERAL = ZH | {"contracts": "12份合同", "deadline": "12月31日"}
VARIABLES = """
[variables]
school = {type = "text", longest = {zh = 6, en = 12}}
link = {type = "url", longest = 60}
entry = {type = "url", longest = 60}
ticket = {type = "path", longest = 13}
pickup = {type = "digits", longest = 6}
"""


@pytest.fixture(scope="module")
def messages() -> MessageTemplates:
    return load_messages(FOLDER)


# ---- the existing texts


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("purpose", BY_SMS)
def test_each_sms_fits_one_segment(messages: MessageTemplates, purpose: Purpose, shape: Shape) -> None:
    for language, words, encoding in (("zh", ZH, "UCS-2"), ("zh", SEVERAL, "UCS-2"), ("en", EN, "GSM-7")):
        measured = measure_text(render(messages.get(purpose, "sms", language, shape).text, words))
        assert (measured.encoding, measured.segments) == (encoding, 1)


def test_a_longer_address_fits_beside_a_date_without_time(messages: MessageTemplates) -> None:
    words = ZH | {"link": URL.ljust(45, "X"), "deadline": "12月31日"}
    assert all(measure_text(render(messages.get(each, "sms", "zh").text, words)).segments == 1 for each in BY_SMS)


@pytest.mark.parametrize("purpose", OURS)
def test_each_message_says_who_and_has_what_it_needs(messages: MessageTemplates, purpose: Purpose) -> None:
    ways = [("email", "")] + ([] if purpose in NOT_BY_VOICE else [("voice", "")])
    ways += [("sms", shape) for shape in Shape if purpose in BY_SMS]
    for channel, shape in ways:
        chinese, english = (messages.find(purpose, channel, language, shape) for language in ("zh", "en"))
        assert chinese and english, (channel, shape)
        assert chinese.placeholders == english.placeholders
        assert "school" in chinese.placeholders
        assert ("code" in chinese.placeholders) is (purpose is Purpose.CODE)
        leads = purpose not in (Purpose.CODE, Purpose.WITHDRAWN, Purpose.EXPIRED) and channel != "voice"
        assert bool(chinese.placeholders & LEADS) is leads


def test_a_path_reads_like_the_whole_address(messages: MessageTemplates) -> None:
    assert LATE_ZH["link"] in render(messages.get(Purpose.INVITATION, "sms", "zh", "path").text, ZH)


def test_a_short_code_needs_no_other_variable(messages: MessageTemplates) -> None:
    """Some accounts allow six characters in a variable: a campus or a date would not fit."""
    varying = {name for each in OURS if each in BY_SMS for name in messages.get(each, "sms", "zh", "code").placeholders}
    assert varying - {"school", "entry", "minutes"} == {"pickup", "code"}


@pytest.mark.parametrize("purpose", sorted(NOT_BY_VOICE))
def test_nobody_is_called_for_a_link(messages: MessageTemplates, purpose: Purpose) -> None:
    with pytest.raises(TemplateFailed, match="no text for voice"):
        messages.get(purpose, "voice", "zh")


# ---- placeholders and fallbacks


def test_late_placeholders_stay_and_no_value_becomes_one() -> None:
    early = render("{campus} {link} {code}", {"campus": "{link}"}, late=LATE)
    assert early == "(link) {link} {code}"
    assert render(early, {"link": "L", "code": "1"}) == "(link) L 1"


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(TemplateFailed, match="deadline"):
        render("{deadline}", {"campus": "x"})


def test_a_language_falls_back_to_chinese_and_a_text_without_address_to_full() -> None:
    code = read_messages("expired", VARIABLES + '[sms.full]\nzh = "中{school}"\nen = "E"\n[voice]\nzh = "声"')
    asked = read_messages("invitation", VARIABLES + '[sms.full]\nzh = "{school} {link}"')
    messages = MessageTemplates(code + asked)
    ways = (("voice", "en", "full"), ("sms", "en", "path"), ("sms", "fr", "code"))
    assert [messages.get(Purpose.EXPIRED, *way).text for way in ways] == ["声", "E", "中{school}"]
    with pytest.raises(TemplateFailed, match=r"invitation\.toml has no text for sms\.path"):
        messages.get(Purpose.INVITATION, "sms", "zh", "path")  # its address would be refused
    with pytest.raises(TemplateFailed, match="email"):
        messages.get(Purpose.EXPIRED, "email", "zh")


def test_long_words_are_shortened_and_nothing_else() -> None:
    messages = MessageTemplates(read_messages("invitation", VARIABLES + '[sms.full]\nzh = "{school} {link}"'))
    values = {"school": "新航线教育集团总部", "link": "x" * 100, "pickup": "1234567", "course": "一" * 99}
    assert messages.shorten_values(Purpose.INVITATION, "zh", values) == values | {"school": "新航线教育…"}
    assert messages.shorten_values(Purpose.INVITATION, "en", {"school": "New Course Group"}) == {
        "school": "New Cours..."
    }
    assert messages.shorten_values(Purpose.CODE, "zh", values) == values


# ---- files that are refused, with file, key and reason


@pytest.mark.parametrize(
    ("purpose", "text", "reason"),
    [
        ("advert", '[sms.full]\nzh = "x"', "advert.toml: 'advert' is not a valid Purpose"),
        ("code", "[sms.full", "code.toml: "),
        ("code", '[fax]\nzh = "x"', "code.toml, fax: Extra inputs"),
        ("code", '[sms.long]\nzh = "x"', "code.toml, sms.long"),
        ("code", '[sms.full]\nfr = "x"', "code.toml, sms.full.fr"),
        ("code", '[email]\nzh = "x"', "code.toml, email.zh"),
        *(
            ("code", f'[sms.full]\nzh = "{text}"', "code.toml, sms.full.zh: unknown placeholder")
            for text in ("{name}", "{Link}", "{}")
        ),
        *(("code", f'[sms.full]\nzh = "{text}"', "sms.full.zh: unmatched brace") for text in ("{", "a } b", "{link")),
        ("code", '[voice]\nen = " "', "code.toml, voice.en: the text is empty"),
        ("code", '[sms.full]\nzh = "看 https://x.cn/s"', "sms.full.zh: the text contains an address"),
        ("code", '[email.zh]\nsubject = "s"\ntext = "www.x.cn"', "email.zh: the text contains an address"),
        ("code", '[sms.full]\nzh = "{entry} {pickup}"', "the shape full must not use {entry}, {pickup}"),
        ("code", '[sms.path]\nzh = "{link}"', "the shape path must not use {link}"),
        ("code", '[sms.path]\nzh = "{ticket}"', "the shape path needs {entry} and {ticket}"),
        ("code", '[sms.path]\nzh = "{entry} {ticket}"', "follow the constant address"),
        ("code", '[sms.code]\nzh = "{entry}"', "the shape code needs {entry} and {pickup}"),
        ("code", '[voice]\nzh = "{entry} {pickup}"', "voice.zh: a voice text must not contain an address"),
        ("code", '[email.zh]\nsubject = " "\ntext = "x"', "email.zh: an e-mail needs a subject"),
        ("code", '[email.zh]\nsubject = "{pickup}"\ntext = "x"', "a subject must not contain {pickup}"),
        ("code", '[email.zh]\nsubject = "a\\nb"\ntext = "x"', "email.zh: a subject must be one line"),
        ("code", '[variables.name]\ntype = "text"\nlongest = 4', "variables.name: unknown variable"),
        ("code", '[variables.code]\ntype = "text"\nlongest = 4', "variables.code: the type must be digits, not text"),
        ("code", '[variables.code]\ntype = "digits"\nlongest = 0', "variables.code.longest"),
        ("code", '[variables.code]\ntype = "digits"\nlongest = {en = 4}', "longest must have a number for zh"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_the_reason(purpose: str, text: str, reason: str) -> None:
    with pytest.raises(TemplateFailed, match=re.escape(reason)):
        read_messages(purpose, VARIABLES + text)


@pytest.mark.parametrize(
    ("purpose", "text", "needed"),
    [
        ("code", '[sms.full]\nzh = "您的验证码"', "{code}"),
        ("code", '[voice]\nen = "Your code"', "{code}"),
        ("code", '[email.zh]\nsubject = "s"\ntext = "x"', "{code}"),
        ("invitation", '[sms.full]\nzh = "请签署"', "{link}"),
        ("reminder", '[sms.path]\nzh = "请签署"', "{entry}/{ticket}"),
        ("last-call", '[sms.code]\nzh = "请签署"', "{entry} and {pickup}"),
        ("your-turn", '[email.zh]\nsubject = "s"\ntext = "x"', "{link}"),
        ("new-link", '[email.en]\nsubject = "s"\ntext = "x"', "{link}"),
    ],
)
def test_a_message_without_what_it_is_sent_for_is_refused(purpose: str, text: str, needed: str) -> None:
    with pytest.raises(TemplateFailed, match="the text needs") as refused:
        read_messages(purpose, VARIABLES + text)
    fault = refused.value.detail.partition(": ")[2]
    assert needed in fault
    assert needed.replace("and", "和") in catalogues().translator("zh")(fault)


def test_a_call_and_other_news_need_no_link() -> None:
    assert read_messages("invitation", '[variables]\n[voice]\nzh = "请看短信"')
    assert read_messages("completed", '[variables]\n[sms.full]\nzh = "已签署完成"')


def test_a_piece_of_path_has_its_own_limit() -> None:
    with pytest.raises(TemplateFailed, match="at most 35"):
        read_messages("code", '[variables]\nticket = {type = "path", longest = 36}\n[sms.full]\nzh = "x"')
