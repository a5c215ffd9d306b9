"""Every text that a person may see exists in both languages, and the choice of language follows its order."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from hub.documents.child import CRASHED, NO_MEMORY, NOT_PROCESSED
from hub.settings import PACKED
from hub.web.http.problems import known_problems
from hub.web.pages.i18n import language_of
from tests.catalogues import catalogues
from tests.running import running_hub
from tests.web.page_texts import texts_and_what_follows, texts_of

PAGES = PACKED / "templates" / "pages"
CATALOGUES = catalogues()
# A space or line break, and then words or an element inside the line.
SPACE_AND_WORDS = re.compile(
    r"(</(?:a|b|span|strong|small)>)?\s+(?:$|[^<\s]|<(?:a|b|code|em|q|small|span|strong|time)\b)",
)
# A text, its value's end, and a space (perhaps in or around an `if`) before the next text.
TEXT_SPACE_TEXT = re.compile(r'_\("([^"]+)"[^"]*\) *\}\}(?:\s|\{% (?:if|endif)[^%]*%\})*\s(?:\{% if[^%]*%\})?\{\{ _\(')
MINE = [*PAGES.glob("*.html"), *(PAGES / "signer").glob("*.html")]


@pytest.mark.parametrize("path", MINE, ids=lambda path: path.name)
def test_every_text_of_a_page_has_its_chinese(path: Path) -> None:
    assert texts_of(path) - set(CATALOGUES.texts["zh"]) == set()


def test_every_error_has_its_chinese_sentence() -> None:
    assert [each.code for each in known_problems().values() if each.sentence not in CATALOGUES.texts["zh"]] == []


def test_what_a_child_process_cannot_do_has_its_chinese_sentence() -> None:
    assert {CRASHED, NOT_PROCESSED, NO_MEMORY} <= set(CATALOGUES.texts["zh"])


def test_no_text_is_translated_twice() -> None:
    """Of two translations the one in the later file would count, whatever the page."""
    found = Counter[tuple[str, str]]()
    for path in (PACKED / "templates" / "languages").glob("*.po"):
        text = path.read_text("utf-8")
        assert len(re.findall(r"^msgid ", text, re.M)) == len(re.findall(r"^msgstr ", text, re.M)), path.name
        for entry in re.findall(r'^msgid ((?:".*"\n)+)', text, re.MULTILINE):
            found[path.suffixes[-2], "".join(re.findall(r'^"(.*)"$', entry, re.MULTILINE))] += 1
    assert [text for (_, text), times in found.items() if times > 1 and text] == []


def test_translations_keep_their_blanks() -> None:
    blanks = re.compile(r"\{\w+\}")
    for english, other in [*CATALOGUES.texts["zh"].items(), *CATALOGUES.texts["en"].items()]:
        assert sorted(blanks.findall(english)) == sorted(blanks.findall(other)), english


def test_no_space_follows_a_full_width_colon() -> None:
    """The space belongs to the English text, as in "Reason given: ", so that the Chinese one has none."""
    spaced = [
        f"{path.name}:{line}: {chinese}"
        for path in PAGES.rglob("*.html")
        for text, line, after in texts_and_what_follows(path)
        if (chinese := CATALOGUES.texts["zh"].get(text, "")).rstrip().endswith("：")
        if chinese[-1:].isspace() or SPACE_AND_WORDS.match(after)
    ]
    assert spaced == []


def test_no_space_stands_between_two_chinese_sentences() -> None:
    """Sentences that follow each other are joined with `joined`, which knows where a space belongs."""
    assert TEXT_SPACE_TEXT.search('{{ _("A {n}.", n=1) }} {% if x %}{{ _("B.") }}')
    spaced = [
        f"{path.name}: {text}"
        for path in PAGES.rglob("*.html")
        for text in TEXT_SPACE_TEXT.findall(path.read_text("utf-8"))
        if CATALOGUES.texts["zh"].get(text, "").endswith(("。", "！", "？", "；"))
    ]
    assert spaced == []


def test_english_speaks_of_one_thing_in_the_singular() -> None:
    say, many = CATALOGUES.translator("en"), "{n} sessions open"
    assert [say(many, n=n) for n in (0, 1, "1", 11)] == [
        f"{n} open" for n in ("0 sessions", *["1 session"] * 2, "11 sessions")
    ]
    assert set(CATALOGUES.texts["en"]) < set(CATALOGUES.texts["zh"])  # each is a text of a page
    assert CATALOGUES.translator("zh")(many, n=1) == CATALOGUES.texts["zh"][many].format(n=1)


@pytest.mark.parametrize(
    ("path", "headers", "on_file", "language"),
    [
        ("/s/X", {}, None, "zh"),
        ("/s/X", {"Accept-Language": "en-GB,en;q=0.9"}, None, "en"),
        ("/s/X", {"Accept-Language": "en;q=0.2, zh-CN;q=0.9"}, None, "zh"),
        ("/s/X", {"Accept-Language": "fr;q=oops"}, None, "zh"),
        ("/s/X", {"Accept-Language": "zh-CN"}, "en", "en"),
        ("/s/X", {"Cookie": "qianda-language=zh"}, "en", "zh"),
        ("/s/X?lang=en", {"Cookie": "qianda-language=zh"}, None, "en"),
        ("/s/X?lang=xx", {}, None, "zh"),
    ],
)
def test_language_is_chosen_in_order(path: str, headers: dict[str, str], on_file: str | None, language: str) -> None:
    assert language_of(make_mocked_request("GET", path, headers=headers), on_file) == language


async def test_a_choice_of_language_outlives_a_redirect() -> None:
    """`/staff?lang=en` redirects to the login page, whose address does not contain the language any more."""
    async with running_hub(with_worker=False) as running:
        async with running.http.get(f"{running.origin}/staff?lang=en", allow_redirects=False) as answer:
            assert answer.status == 303 and "lang=" not in answer.headers["Location"].partition("?next=")[0]
            chosen = {name: morsel.value for name, morsel in answer.cookies.items()}
        async with running.http.get(f"{running.origin}/staff/login", cookies=chosen) as answer:
            text = await answer.text()
        school = running.hub.settings.school
        assert '<html lang="en">' in text and school.name_en in text and school.name not in text
