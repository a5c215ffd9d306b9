"""A contract that is issued again is asked for with everything that the first one was asked for with."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import UTC, date, datetime
from uuid import uuid4

from hub.lifecycle.contract.new_contract import NewContract, NewSigner, NewStudent
from hub.lifecycle.contract.reissue import _asked_again
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.contract_copy import CopyRecipient, CopyRole
from hub.model.contract.own_document import OwnDocument
from hub.model.contract.signer import Role

NOW = datetime(2026, 12, 3, tzinfo=UTC)
SET = uuid4()
ASKED = NewContract(
    campus="hefei",
    student=NewStudent("陈小满", "passport", "E1234567", date(2012, 9, 1)),
    signers=(NewSigner(Role.GUARDIAN, "陈建国", "+8619000000101", "340104198501010019", relation="父亲"),),
    course="math-a",
    template="course",
    data={"room": "7"},
    deadline=NOW,
    external_id="CRM-7",
    send="policy",
    enrolment=uuid4(),
    replaces=uuid4(),
    representative=True,
    declared=("340104198501010019",),
    rehearsal=True,
    approved=True,
    companions=("safety-notice",),
    companion=True,
    set_id=SET,
    document=OwnDocument("0" * 64, "Addendum", {"seal": "1,20,20"}),
    copies=(CopyRecipient(next(iter(CopyRole)), "office@school.example"),),
)
# The approval was of the first contract, and the documents of its set are contracts of their own. The other three are
# decided anew.
LEFT_OUT = {"approved", "companions", "deadline", "replaces", "declared"}


def test_nothing_that_was_asked_for_is_forgotten() -> None:
    defaults = NewContract("", ASKED.student, ())
    left = {field.name for field in fields(ASKED) if getattr(ASKED, field.name) == getattr(defaults, field.name)}
    assert left == {"student"}, "give a new field a value in ASKED"
    kept = {"asked": json.loads(json.dumps(asdict(ASKED), default=str))}
    state, title = ContractState.EXPIRED, "Maths"
    old = Contract(uuid4(), "QD-1", "hefei", state, 1, "course", "1", "zh", title, NOW, NOW, data=kept, set_id=SET)
    again = _asked_again(old, (), None)
    changed = {field.name for field in fields(ASKED) if getattr(again, field.name) != getattr(ASKED, field.name)}
    assert changed == LEFT_OUT
