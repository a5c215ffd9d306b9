"""What the tests of documents share: the process that reads spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.documents.school.spreadsheet import SpreadsheetReader


@pytest.fixture(scope="module")
def spreadsheets() -> Iterator[SpreadsheetReader]:
    """Yield a reader, which closes at the module's end."""
    reader = SpreadsheetReader()
    yield reader
    reader.close()
