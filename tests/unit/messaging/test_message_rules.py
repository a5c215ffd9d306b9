"""Message texts against the rules of the providers that carry them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from channels import FixedText, Rules, Shape
from hub.documents.messaging.messages import load_messages, read_messages
from hub.model.messaging.message import BY_EMAIL_ALONE, CONSTANT, MessageTemplates, Purpose
from hub.model.messaging.message_rules import count_max_segments, list_message_faults
from hub.model.messaging.provider import ProviderSettings
from hub.settings import PACKED
from hub.web.pages.i18n import Catalogues

ORIGIN = "https://sign.example.edu"
ADDRESSES = {"link": f"{ORIGIN}/s/4J8Q2X7M3K9TB", "entry": f"{ORIGIN}/s"}
OURS = load_messages(PACKED / "templates" / "messages")
PATH, CODE = Rules(shapes=(Shape.PATH,), fixed_texts=True), Rules(shapes=(Shape.CODE,), fixed_texts=True)


@dataclass(frozen=True)
class Lying:
    """A text that a provider stores."""

    variables: tuple[str, ...]


def lying(shape: str, *languages: str) -> dict[str, FixedText]:
    """Return, for each of our texts, the template that the provider has to store."""
    by_sms = [purpose for purpose in Purpose if purpose not in BY_EMAIL_ALONE]
    found = [OURS.get(purpose, "sms", language, shape) for purpose in by_sms for language in languages]
    return {each.id: Lying(tuple(sorted(each.placeholders - CONSTANT))) for each in found}


def said(
    rules: Rules,
    *,
    carries: str = "sms",
    languages: tuple[str, ...] = ("zh", "en"),
    serves: tuple[str, ...] = (),
    texts: Mapping[str, FixedText] | None = None,
    messages: MessageTemplates = OURS,
    addresses: Mapping[str, str] = ADDRESSES,
) -> list[str]:
    provider = ProviderSettings("p", "p", carries, languages=languages, serves=serves)
    return list(list_message_faults(messages, provider, rules, texts, addresses))


@pytest.mark.parametrize("carries", ["sms", "voice", "email"])
def test_ours_go_by_every_channel(carries: str) -> None:
    assert said(Rules(), carries=carries) == []


@pytest.mark.parametrize("shape", Shape)
def test_ours_go_in_every_shape(shape: Shape) -> None:
    assert said(Rules(shapes=(shape,), most_segments=3)) == []


def test_ours_lie_at_providers_that_take_35_characters_or_six() -> None:
    both = ("zh", "en")
    assert said(Rules(shapes=(Shape.PATH,), fixed_texts=True, variable_length=35), texts=lying("path", *both)) == []
    assert said(Rules(shapes=(Shape.CODE,), fixed_texts=True, variable_length=6), texts=lying("code", *both)) == []


# ---- texts that are missing


def test_a_missing_text_is_named_with_its_place() -> None:
    messages = MessageTemplates(each for each in OURS if each.where != "reminder.toml, sms.path.en")
    assert said(Rules(shapes=(Shape.PATH, Shape.FULL)), messages=messages) == [
        "reminder.toml, sms.path.en: this text is missing, but channels.p has to send it"
    ]
    assert said(Rules(shapes=(Shape.PATH,)), messages=messages, languages=("zh",)) == []
    assert said(Rules(shapes=(Shape.FULL, Shape.PATH)), messages=messages) == []


def test_only_the_shapes_of_numbers_that_it_serves_count() -> None:
    """The provider carries no codes to +86, but the whole address elsewhere."""
    messages = MessageTemplates(each for each in OURS if each.shape != "code")
    rules = Rules(shapes_to={"+86": (Shape.CODE,)})
    assert said(rules, messages=messages, serves=("+44", "+1")) == []
    for serves in ((), ("+86",), ("+86138",), ("+8",)):
        assert any(
            "sms.code.zh: this text is missing" in each for each in said(rules, messages=messages, serves=serves)
        )
    assert said(Rules(shapes_to={"+86": ()}), messages=messages, serves=("+86",)) == []


def test_nobody_is_called_for_a_link_so_no_text_is_missing() -> None:
    assert said(Rules(), carries="voice", messages=MessageTemplates(OURS)) == []
    silent = said(Rules(), carries="voice", messages=MessageTemplates(each for each in OURS if each.channel == "sms"))
    assert len(silent) == 2 * 5 and not any(each.startswith("new-link") for each in silent)


# ---- texts that the provider stores


def test_a_channel_that_does_not_say_what_lies_there_is_refused() -> None:
    assert said(PATH, texts=None) == ["channels.p: the fixed texts of the provider are not configured"]


def test_each_text_needs_its_counterpart() -> None:
    texts = lying("path", "zh", "en")
    del texts["expired.en"]
    (reason,) = said(PATH, texts=texts)
    assert reason.startswith(
        "expired.toml, sms.full.en: no template expired.en is configured, and the provider sends registered texts only"
    )


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        (("campus", "ticket"), "the provider's template reminder.zh lacks {deadline}, which this text uses"),
        (("campus", "deadline"), "the provider's template reminder.zh lacks {ticket}, which this text uses"),
        (
            ("campus", "deadline", "ticket", "course"),
            "the provider's template reminder.zh takes {course}, which this text does not use",
        ),
        (("campus", "deadline", "ticket", "entry"), "the provider allows no URL in a variable: {entry}"),
    ],
)
def test_the_counterpart_says_the_same(variables: tuple[str, ...], reason: str) -> None:
    texts = lying("path", "zh") | {"reminder.zh": Lying(variables)}
    assert said(PATH, texts=texts, languages=("zh",)) == [f"reminder.toml, sms.path.zh: {reason} (channels.p)"]


def test_what_is_the_same_in_every_message_may_be_a_variable_or_written_out() -> None:
    texts = lying("code", "zh") | {"reminder.zh": Lying(("pickup", "school"))}
    assert said(CODE, texts=texts, languages=("zh",)) == []


def test_a_value_that_would_be_refused_for_its_length_is_refused_before() -> None:
    rules = Rules(shapes=(Shape.PATH,), fixed_texts=True, variable_length=12)
    found = said(rules, texts=lying("path", "zh"), languages=("zh",))
    assert found[0] == (
        "invitation.toml, sms.path.zh: {ticket} may have 13 characters; the provider accepts 12 (channels.p)"
    )
    assert {each.partition(": ")[2].partition(" ")[0] for each in found} == {"{ticket}"}


# ---- lengths


def test_an_address_longer_than_the_text_was_made_for_is_refused() -> None:
    long = {"link": "https://" + "a" * 80, "entry": f"{ORIGIN}/s"}
    assert any(each.startswith("invitation.toml, sms.full.zh: https://aaa") for each in said(Rules(), addresses=long))
    assert said(Rules(shapes=(Shape.CODE,)), addresses=long) == []


def test_segments_are_counted_with_the_longest_values_in_the_worst_alphabet_and_with_the_prefix() -> None:
    variables = '[variables]\nschool = {type = "text", longest = 20}\n[sms.full]\n'
    (wide,) = read_messages("expired", f'{variables}en = "{"a" * 60}{{school}}"')
    assert count_max_segments(wide) == 2  # 80 letters, but UCS-2 if the school has no English name
    (narrow,) = read_messages("expired", f'{variables}zh = "{"字" * 50}{{school}}"')
    assert (count_max_segments(narrow), count_max_segments(narrow, "【校】")) == (1, 2)
    messages = MessageTemplates([*(each for each in OURS if each.purpose is not Purpose.EXPIRED), narrow])
    faults = said(Rules(most_segments=2, prefix="【校】"), messages=messages, languages=("zh",))
    assert [each for each in faults if not each.startswith("reply.toml")] == []  # what staff write may be longer
    short = said(Rules(most_segments=1, prefix="【校】"), messages=messages, languages=("zh",))
    assert (
        "expired.toml, sms.full.zh: with the longest values it takes 2 segments; the provider accepts 1 (channels.p)"
        in short
    )


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_email_names_the_button_for_whom_it_is_not_meant(language: str) -> None:
    """A text message has no room for it."""
    button = Catalogues.read(PACKED / "templates" / "languages").translator(language)("Not me, or I have a question")
    for purpose in (Purpose.INVITATION, Purpose.REMINDER, Purpose.LAST_CALL, Purpose.YOUR_TURN):
        assert button in OURS.get(purpose, "email", language).text, purpose
