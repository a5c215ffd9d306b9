"""The card above a contract: its most important terms, as each language writes them."""

from __future__ import annotations

import pytest

from hub.lifecycle.contract.terms import summary
from tests.documents.contract_samples import minor


@pytest.mark.parametrize(("language", "names"), [("zh", "陈大川、欧阳示范"), ("en", "陈大川, 欧阳示范")])
def test_the_names_of_a_party_are_listed_as_the_language_lists(language: str, names: str) -> None:
    rows = {row["label"]: row["value"] for row in summary(minor(guardians=2, representatives=1), language)}
    assert names in rows.values()
