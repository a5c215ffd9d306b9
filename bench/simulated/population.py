"""Create the people for `qianda bench faults`, and decide the outcome of each one's contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.programs.endings import ask
from bench.simulated.crowd import Crowd, CrowdPerson
from bench.simulated.night import night_zone

# Shares of all contracts: issued by the product during the kills, and signed; declined; left to expire; with a reminder
# due where it is night. The other contracts that are signed are copies of one that the product issued. All the rest are
# invited, and nothing more happens to them.
ISSUED, DECLINED, EXPIRED, ASLEEP = 0.1, 0.1, 0.1, 0.05
# These phone numbers are checked when a contract is issued, so they have to be valid.
FIRST_OF_ISSUED = 3_000_000
# Time from invitation to deadline for contracts that expire: a share of the whole run, and long enough for a message to
# be sent even if its worker is killed twice.
LIFE, MAX_LIFE, LIFE_SHARE = timedelta(minutes=2), timedelta(minutes=3), 1 / 8
TAIL_OF_COPIES = "0101"


@dataclass(frozen=True)
class Population:
    """The people, by the outcome of their contracts. `issued`: the phone numbers of those whose contracts are not
    issued yet."""

    issued: Sequence[str]
    copied: Sequence[CrowdPerson]
    invited: Sequence[CrowdPerson]
    declining: Sequence[CrowdPerson]
    expiring: Sequence[CrowdPerson]
    asleep: Sequence[CrowdPerson]

    @classmethod
    async def create(cls, crowd: Crowd, number: int, signing: float) -> Population:
        """Create the people. `signing`: the share of all who sign."""
        shares = (ISSUED, signing - ISSUED, DECLINED, EXPIRED, ASLEEP)
        issued, *awake, asleep = (max(1, round(number * each)) for each in shares)
        found = iter(await crowd.create(1, number - issued - asleep))
        copied, declining, expiring = ([next(found) for _ in range(each)] for each in awake)
        invited = list(found)
        return cls(
            [f"+1212{FIRST_OF_ISSUED + each}" for each in range(issued)],
            copied,
            invited,
            declining,
            expiring,
            await crowd.create(1 + sum(awake) + len(invited), asleep, night_zone()),
        )

    @property
    def signing(self) -> list[str]:
        return [*self.issued, *(each.phone for each in self.copied)]

    @property
    def ending(self) -> list[str]:
        """Return the numbers of all whose contracts end during the run."""
        return self.signing + [each.phone for each in (*self.declining, *self.expiring)]

    @property
    def reached(self) -> list[str]:
        """Return the numbers of all who should get an invitation."""
        return self.ending + [each.phone for each in self.invited]

    async def fall_due(self, crowd: Crowd, begin: datetime, length: timedelta) -> dict[str, datetime]:
        """Open the tasks at moments spread over `length`, all kinds of people mixed. Return the moment of each phone
        number.

        Contracts that expire get theirs early enough to expire within `length`.
        """
        life = max(LIFE, min(length * LIFE_SHARE, MAX_LIFE))
        awake = list(_mixed(self.copied, self.invited, self.declining))
        due = dict(zip((each.phone for each in awake), _spread(begin, length, len(awake)), strict=True))
        early = _spread(begin, max(length - life, length / 4), len(self.expiring))
        due |= dict(zip((each.phone for each in self.expiring), early, strict=True))
        # Deadlines are set before anything is due; otherwise a worker could plan by an old deadline.
        await _set_deadlines(crowd, self.expiring, [moment + life for moment in early])
        await crowd.fall_due([*awake, *self.expiring], list(due.values()))
        await crowd.fall_due_again(self.asleep, _spread(begin, length, len(self.asleep)))
        return due | dict(zip(self.issued, _spread(begin, length, len(self.issued)), strict=True))


def _spread(begin: datetime, length: timedelta, number: int) -> list[datetime]:
    """Return `number` evenly spaced moments."""
    return [begin + length * place / number for place in range(number)]


def _mixed(*groups: Sequence[CrowdPerson]) -> Iterator[CrowdPerson]:
    """Return all people, each group spread evenly over the whole."""
    placed = [
        (place / len(group), number, each) for number, group in enumerate(groups) for place, each in enumerate(group)
    ]
    return (each for _, _, each in sorted(placed, key=lambda one: one[:2]))


async def _set_deadlines(crowd: Crowd, expiring: Sequence[CrowdPerson], deadlines: Sequence[datetime]) -> None:
    """Set the deadlines of contracts that expire, soon after their invitations."""
    await ask(
        crowd.server,
        "UPDATE contract SET deadline = wanted.deadline"
        " FROM signer, unnest($1::uuid[], $2::timestamptz[]) AS wanted (signer, deadline)"
        " WHERE signer.id = wanted.signer AND contract.id = signer.contract",
        [each.signer for each in expiring],
        list(deadlines),
    )
