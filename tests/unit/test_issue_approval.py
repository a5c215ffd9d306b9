"""Issuing that somebody else approves: the decision, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from hub.errors import ActDecided, SecondPersonNeeded
from hub.model.school.course import Enrolment
from hub.model.school.issue_many import IssueAct, decide_act, digest_enrolments

NOW = datetime(2026, 12, 1, tzinfo=UTC)
ACT = IssueAct(uuid4(), "hefei", "staff:ann", NOW, needs_approval=True)


def test_somebody_else_approves_and_only_then_may_it_be_issued() -> None:
    assert ACT.waits and not ACT.may_issue
    with pytest.raises(SecondPersonNeeded):
        decide_act(ACT, "staff:ann", NOW, approve=True)
    approved = decide_act(ACT, "staff:ben", NOW, approve=True)
    assert (approved.may_issue, approved.waits, approved.decided_by) == (True, False, "staff:ben")


def test_whoever_asked_takes_it_back_and_nothing_is_decided_twice() -> None:
    refused = decide_act(ACT, "staff:ann", NOW, approve=False)
    assert not refused.may_issue and not refused.waits
    for decided in (refused, decide_act(ACT, "staff:ben", NOW, approve=True), replace(ACT, needs_approval=False)):
        with pytest.raises(ActDecided):
            decide_act(decided, "staff:cai", NOW, approve=True)
    assert replace(ACT, needs_approval=False).may_issue


def test_the_digest_is_that_of_what_would_be_issued() -> None:
    one = Enrolment(uuid4(), "hefei", "math-a", "陈小满", {"signers": [{"phone": "+8619000000155"}]})
    other = replace(one, id=uuid4())
    assert digest_enrolments([one, other]) == digest_enrolments([other, one])
    changed = replace(one, people={"signers": [{"phone": "+8619000000156"}]})
    assert len({digest_enrolments(each) for each in ([one], [other], [changed], [one, other], [])}) == 5
