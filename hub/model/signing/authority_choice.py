"""Which authority certifies a signer's key: chosen by campus, template and kind of key, with others behind it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

# The name of the built-in authority, which needs no entry in the configuration.
BUILTIN = "builtin"


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
