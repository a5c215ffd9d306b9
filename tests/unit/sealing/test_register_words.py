"""The exported register says what the pages say, in both languages."""

from __future__ import annotations

from hub.documents.sealing.register_sheet import OUTCOMES, REASONS
from hub.model.sealing.seal_use import UseOutcome
from hub.web.staff.seal_labels import USE_OUTCOMES, USE_REFUSALS, fault_text
from tests.catalogues import catalogues

CHINESE = catalogues().translator("zh")


def test_the_words_of_the_export_are_those_of_the_pages() -> None:
    pages = {code: f"{CHINESE(words)} {words}" for code, words in USE_OUTCOMES.items()}
    assert {each.value: words for each, words in OUTCOMES.items()} == pages
    assert set(OUTCOMES) == set(UseOutcome)
    for code, words in REASONS.items():
        english = USE_REFUSALS.get(code)
        page = (CHINESE(english), english) if english else (fault_text(code, "zh"), fault_text(code, "en"))
        assert words == " ".join(map(str, page)), code
    assert set(USE_REFUSALS) < set(REASONS)
