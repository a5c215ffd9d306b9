"""What happens in front of a commit: a process dies, the database fails, somebody else is faster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from hub.store.transaction import Database


@contextmanager
def before_commits(database: Database, act: Callable[[int], Awaitable[None]]) -> Iterator[None]:
    """Await `act` before each commit inside the block, with the number of the commit: 1, 2 and so on."""
    usual, commits = database.before_commit, 0

    async def count() -> None:
        nonlocal commits
        commits += 1
        await act(commits)

    database.before_commit = count
    try:
        yield
    finally:
        database.before_commit = usual


@contextmanager
def failing_before_commit(database: Database, number: int, error: BaseException) -> Iterator[None]:
    """Raise `error` instead of the commit with this number inside the block."""

    async def fail(commit: int) -> None:
        if commit == number:
            raise error

    with before_commits(database, fail):
        yield
