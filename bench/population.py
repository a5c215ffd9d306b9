"""Who lives in `qianda bench faults`, and what is to become of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.crowd import Crowd, Person
from bench.endings import ask
from bench.night import night_zone

ISSUED, SIGNED, DECLINED, EXPIRED, ASLEEP = 0.1, 0.3, 0.1, 0.1, 0.05
"""So many of all are issued by the product while it is being killed, and signed; are copies of one contract that the
product issued, and signed; are declined; left to expire; have a reminder due where it is night. All others are invited,
and nothing more comes of it here."""
FIRST_OF_ISSUED = 3_000_000
"""Their numbers are looked at when a contract is issued, and have to be possible ones."""
LIFE, LONGEST_LIFE, LIFE_SHARE = timedelta(minutes=2), timedelta(minutes=3), 1 / 8
"""From the invitation to the deadline of those that expire: a share of the whole, and not shorter than it takes until a
message of a worker that was killed twice has left."""
TAIL_OF_COPIES = "0101"


@dataclass(frozen=True)
class Population:
    """`issued`: the numbers of those whose contract is still to be asked for."""

    issued: Sequence[str]
    copied: Sequence[Person]
    invited: Sequence[Person]
    declining: Sequence[Person]
    expiring: Sequence[Person]
    asleep: Sequence[Person]

    @classmethod
    async def gather(cls, crowd: Crowd, number: int) -> Population:
        issued, *awake, asleep = (max(1, int(number * each)) for each in (ISSUED, SIGNED, DECLINED, EXPIRED, ASLEEP))
        found = iter(await crowd.gather(1, number - issued - asleep))
        copied, declining, expiring = ([next(found) for _ in range(each)] for each in awake)
        invited = list(found)
        return cls(
            [f"+1212{FIRST_OF_ISSUED + each}" for each in range(issued)], copied, invited, declining, expiring,
            await crowd.gather(1 + sum(awake) + len(invited), asleep, night_zone()),
        )  # fmt: skip

    @property
    def signing(self) -> list[str]:
        return [*self.issued, *(each.phone for each in self.copied)]

    @property
    def ending(self) -> list[str]:
        """The numbers of all whose contracts come to an end here."""
        return self.signing + [each.phone for each in (*self.declining, *self.expiring)]

    @property
    def reached(self) -> list[str]:
        """The numbers of all who are to get an invitation."""
        return self.ending + [each.phone for each in self.invited]

    async def fall_due(self, crowd: Crowd, begin: datetime, length: timedelta) -> dict[str, datetime]:
        """The turn of each comes somewhere in this time, and all kinds come side by side. When, by number."""
        awake = list(_mixed(self.copied, self.invited, self.declining, self.expiring))
        moments = [begin + length * place / len(awake) for place in range(len(awake))]
        await crowd.fall_due(awake, moments)
        await _shorten(crowd, self.expiring, max(LIFE, min(length * LIFE_SHARE, LONGEST_LIFE)))
        await crowd.fall_due_again(
            self.asleep, [begin + length * place / len(self.asleep) for place in range(len(self.asleep))]
        )
        issued = {phone: begin + length * place / len(self.issued) for place, phone in enumerate(self.issued)}
        return issued | {each.phone: moment for each, moment in zip(awake, moments, strict=True)}


def _mixed(*groups: Sequence[Person]) -> Iterator[Person]:
    """Each group spread evenly over the whole."""
    placed = [
        (place / len(group), number, each) for number, group in enumerate(groups) for place, each in enumerate(group)
    ]
    return (each for _, _, each in sorted(placed, key=lambda one: one[:2]))


async def _shorten(crowd: Crowd, expiring: Sequence[Person], life: timedelta) -> None:
    """Their deadline comes soon after the invitation."""
    await ask(
        crowd.server, "UPDATE contract SET deadline = next_due_at + $2 FROM signing_task"
        " WHERE signing_task.contract = contract.id AND signing_task.signer = ANY($1::uuid[])",
        [each.signer for each in expiring], life,
    )  # fmt: skip
