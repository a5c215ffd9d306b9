"""What the signer of a contract has filled in, as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from hub.lifecycle.contract.give_answers import asked_fields
from hub.model.contract.contract import Contract


@dataclass(frozen=True)
class FilledIn:
    """A field with its answer; `attachment`: the id of its file."""

    label: str
    value: str
    attachment: str = ""


def list_filled_in(contract: Contract) -> list[FilledIn]:
    """Return what was filled in, in the order of the form. Most contracts have nothing to fill in."""
    values, files = contract.data.get("answers"), contract.data.get("attachments", {})
    if values is None:
        return []
    return [
        FilledIn(field.label, values.get(field.name, ""), files.get(field.name, {}).get("id", ""))
        for field in asked_fields(contract)
    ]
