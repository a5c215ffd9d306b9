"""The history of a contract in order of time: record, messages with their outcomes, reminder ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hub.model.contract.signer import Signer
from hub.model.evidence.record import RecordEntry
from hub.model.evidence.record_facts import list_commitments
from hub.model.messaging.delivery import Delivery

# Kinds of ledger lines that are not shown, because the message or the record says more.
TOLD_ELSEWHERE = {"sent", "receipt", "opened"}
# Kinds of record entries that are not shown, because messages and ledger say more.
IN_OTHER_WORDS = {"message-sending", "copy-sending", "task-opened"}
# What is shown of a message.
_SHOWN = ("channel", "purpose", "failure", "text", "waits_until")


@dataclass(frozen=True)
class HistoryEvent:
    """One line of the history.

    `source`: record, message or reminder. `kind`: key of its label. `name`: name of the signer, if it is about one.
    `words`: texts that a person wrote; None for an erased text. `by`: name of the account, key or command that did it.
    """

    at: datetime
    source: str
    kind: str
    name: str = ""
    facts: Mapping[str, Any] | None = None
    digest: str = ""
    words: Sequence[str | None] = ()
    by: str = ""


@dataclass(frozen=True)
class ContractHistory:
    """Record, messages and reminders of a contract. `values`: name and text from the side table, by commitment.
    `actors`: names of members of staff, of API keys and of the command line, by actor."""

    entries: Sequence[RecordEntry]
    values: Mapping[str, tuple[str, str]]
    deliveries: Sequence[Delivery]
    ledger: Sequence[Mapping[str, Any]]
    actors: Mapping[str, str]


def timeline(
    history: ContractHistory, signers: Sequence[Signer], signer_of_task: Mapping[UUID, UUID]
) -> list[HistoryEvent]:
    """Return the history, oldest first. Lines of the same moment are in the order record, messages, reminders."""
    names = {str(signer.id): signer.name for signer in signers}
    happenings = [_entry(entry, names, history) for entry in history.entries if entry.kind not in IN_OTHER_WORDS]
    for each in history.deliveries:
        happenings.append(_delivery(each, names))
    for line in history.ledger:
        name = names.get(str(signer_of_task.get(line["task"])), "")
        if line["kind"] not in TOLD_ELSEWHERE:
            happenings.append(HistoryEvent(line["at"], "reminder", line["kind"], name, line))
    return sorted(happenings, key=lambda each: each.at)


def _entry(entry: RecordEntry, names: Mapping[str, str], history: ContractHistory) -> HistoryEvent:
    values = history.values
    words = [values[behind][1] if behind in values else None for _, behind in list_commitments(entry.facts)]
    about = str(entry.facts.get("signer", entry.actor.partition(":")[2]))
    return HistoryEvent(
        entry.at,
        "record",
        entry.kind,
        names.get(about, ""),
        entry.facts,
        entry.digest.hex(),
        words,
        history.actors.get(entry.actor, ""),
    )


def _delivery(each: Delivery, names: Mapping[str, str]) -> HistoryEvent:
    facts: dict[str, object] = {name: getattr(each, name) for name in _SHOWN}
    name = names.get(str(each.signer), "")
    return HistoryEvent(each.state_at or each.created_at, "message", each.state.value, name, facts)
