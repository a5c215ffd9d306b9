"""The progress of an act on many contracts or enrolments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Act = TypeVar("Act")
Verdict = TypeVar("Verdict")


@dataclass(frozen=True)
class ActFailure:
    """Why an act failed for one contract or enrolment: code, detail and field of the error."""

    code: str
    detail: str = ""
    field: str = ""


@dataclass(frozen=True)
class ActProgress(Generic[Act, Verdict]):
    """The progress of an act. `left`: the number of items without a verdict yet. `counts`: the number of the other
    items, by verdict."""

    act: Act
    left: int
    counts: Mapping[Verdict, int] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    @property
    def total(self) -> int:
        return self.done + self.left
