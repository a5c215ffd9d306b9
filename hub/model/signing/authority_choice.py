"""Choose the authority that certifies a signer's key, and fallbacks, by campus, template and kind of key. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

# The name of the built-in authority, which needs no entry in the configuration.
BUILTIN = "builtin"


@dataclass(frozen=True)
class AuthorityRule:
    """A rule that selects authorities: the first issues, the others are fallbacks in this order.

    Empty `campuses`, `templates` and `keys` match everything. A campus includes all below it. `keys`: `ec`, `rsa`.
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


def choose_authorities(
    rules: Iterable[AuthorityRule], campus_and_above: Collection[str], template: str, key: str
) -> tuple[str, ...]:
    """Return the authorities of the first rule that matches; empty if none does."""
    return next((rule.authorities for rule in rules if rule.fits(campus_and_above, template, key)), ())


def drop_trial_authorities(authorities: Sequence[str], trial: Collection[str], allowed: bool) -> list[str]:
    """Return the authorities, leaving out each trial authority that follows a licensed one. `allowed`: keep them all.

    So a licensed authority never falls back to a trial one, unless the template allows it.
    """
    if allowed:
        return list(authorities)
    licensed = next((place for place, each in enumerate(authorities) if each not in trial), len(authorities))
    return [each for place, each in enumerate(authorities) if place < licensed or each not in trial]
