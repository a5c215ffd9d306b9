"""What the record says of the filters of an act on many contracts."""

from __future__ import annotations

from hub.store.board.board_filter import BoardFilter
from hub.web.staff.board.selection import describe_filter


def test_a_search_is_noted_without_its_words() -> None:
    assert describe_filter(BoardFilter(view="pending", search="陈小满")) == {"view": "pending", "search": "yes"}
    assert describe_filter(BoardFilter()) == {}
