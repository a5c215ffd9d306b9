"""Issuing that somebody else approves: the decision, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from hub.errors import ActDecided, SecondPersonNeeded
from hub.model.school.course import Course, Enrolment
from hub.model.school.issue_many import IssueAct, decide_act, describe_item, digest_items

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


def test_the_digest_is_that_of_all_from_which_it_is_drawn() -> None:
    one = Enrolment(uuid4(), "hefei", "math-a", "陈小满", {"signers": [{"phone": "+8619000000155"}]})
    course = Course("math-a", "hefei", "数学", "Maths", {"fee": 1200})
    templates = [("course", "zh", "3", "aa"), ("safety-notice", "zh", "1", "bb")]
    seen = describe_item(one, course, templates)
    assert seen == describe_item(replace(one, changed_by="staff:ann"), course, [list(each) for each in templates])
    others = {
        describe_item(replace(one, people={"signers": [{"phone": "+8619000000156"}]}), course, templates),
        describe_item(replace(one, id=uuid4()), course, templates),
        describe_item(one, replace(course, details={"fee": 1300}), templates),
        describe_item(one, course, [("course", "zh", "4", "cc"), templates[1]]),
        describe_item(one, course, [templates[0], ("safety-notice", "zh", "2", "dd")]),
        describe_item(one, course, templates[:1]),
    }
    assert len(others | {seen}) == 7
    first, second = uuid4(), uuid4()
    both = digest_items({first: b"1", second: b"2"})
    assert both == digest_items({second: b"2", first: b"1"})
    assert len({both, digest_items({first: b"2", second: b"1"}), digest_items({first: b"1"}), digest_items({})}) == 4
