"""Which authority certifies a signer's key: chosen by campus, template and kind of key, with others behind it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

BUILTIN = "builtin"
"""The name of the built-in authority, which needs no entry in the configuration."""
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=10)


@dataclass(frozen=True)
class AuthorityRule:
    """Whoever fits gets a certificate of the first authority; the others are asked, in this order, when it is away.

    Empty `campuses`, `templates` and `keys` fit all. A campus stands for everything below it, too. `keys`: `ec`, `rsa`.
    """

    authorities: tuple[str, ...]
    campuses: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def fits(self, campus_and_above: Collection[str], template: str, key: str) -> bool:
        return (
            (not self.campuses or any(each in campus_and_above for each in self.campuses))
            and (not self.templates or template in self.templates)
            and (not self.keys or key in self.keys)
        )


def authorities_for(
    rules: Iterable[AuthorityRule], campus_and_above: Collection[str], template: str, key: str
) -> tuple[str, ...]:
    """Those of the first rule that fits. None where no rule does."""
    return next((rule.authorities for rule in rules if rule.fits(campus_and_above, template, key)), ())


def without_trial(authorities: Sequence[str], trial: Collection[str], allowed: bool) -> list[str]:
    """Never from a licensed authority to one for trial, unless the template allows it."""
    if allowed:
        return list(authorities)
    licensed = next((place for place, each in enumerate(authorities) if each not in trial), len(authorities))
    return [each for place, each in enumerate(authorities) if place < licensed or each not in trial]


@dataclass
class Rests:
    """Whoever failed is asked last for a while, twice as long each time. A brake of one process, nothing to rely on."""

    _until: dict[str, tuple[datetime, timedelta]] = field(default_factory=dict)

    def in_order(self, names: Sequence[str], now: datetime) -> list[str]:
        """Those that do not rest, then the others: these are better than nobody."""
        return sorted(names, key=lambda name: self.resting(name, now))

    def resting(self, name: str, now: datetime) -> bool:
        return name in self._until and now < self._until[name][0]

    def failed(self, name: str, now: datetime) -> None:
        before = self._until.get(name)
        length = min(before[1] * 2, LONGEST_REST) if before else FIRST_REST
        self._until[name] = (now + length, length)

    def served(self, name: str) -> None:
        self._until.pop(name, None)
