"""Issuing that somebody else approves: the decision, without a database."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from hub.errors import ActDecided, SecondPersonNeeded
from hub.lifecycle.contract.draw import repeats
from hub.lifecycle.contract.template_in_force import TemplateInForce
from hub.lifecycle.contract.terms import COURSE_TERMS, digest_terms, has_terms_of
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.contract_copy import CopyRecipient, CopyRole
from hub.model.contract.own_document import OwnDocument
from hub.model.school.course import Campus, Course, Enrolment
from hub.model.school.issue_many import IssueAct, decide_act, describe_item, digest_items
from tests.running import documents, minor_with_guardian

NOW = datetime(2026, 12, 1, tzinfo=UTC)
DETAILS: dict[str, object] = {
    "subject": "数学",
    "schedule": "每周六 09:00",
    "place": "201",
    "teacher": "周老师",
    "lessons": 20,
    "minutes": 90,
    "class_size": 12,
    "starts": "2026-12-05",
    "ends": "2027-04-17",
    "price": "4800.00",
    "materials_fee": "100.00",
    "refund_steps": [{"when": "开课前", "when_en": "Before it begins", "share": 100}],
}
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
        *(describe_item(one, course, templates, planned) for planned in ({}, {"replaces": one.id})),
    }
    assert len(others | {seen}) == 9
    planned = describe_item(one, course, templates, {"replaces": one.id})
    assert planned == describe_item(replace(one, people={}), course, templates, {"replaces": one.id})
    first, second = uuid4(), uuid4()
    both = digest_items({first: b"1", second: b"2"})
    assert both == digest_items({second: b"2", first: b"1"})
    assert len({both, digest_items({first: b"2", second: b"1"}), digest_items({first: b"1"}), digest_items({})}) == 4


def test_only_the_same_people_by_the_same_text_take_the_place_of_what_was_approved() -> None:
    templates = documents()[0].templates.in_languages("course")
    asked = replace(minor_with_guardian(), template="course")
    kept = {"asked": json.loads(json.dumps(asdict(asked), default=str))}
    version = templates["zh"].version
    shown = Contract(
        uuid4(), "QD-1", asked.campus, ContractState.ISSUED, 0, "course", version, "zh", "合同", NOW, NOW, data=kept
    )
    same = TemplateInForce("course", templates)
    assert repeats(asked, shown, same)
    (guardian,) = asked.signers
    assert repeats(replace(asked, signers=(replace(guardian, phone="+8619000000166"),)), shown, same)
    others = [
        replace(asked, signers=(replace(guardian, name="周文静"),)),
        replace(asked, signers=(guardian, guardian)),
        replace(asked, student=replace(asked.student, name="陈小雨")),
        replace(asked, template="safety-notice"),
        replace(asked, course="another"),
        replace(asked, document=OwnDocument("0" * 64, "通知", {})),
        replace(asked, copies=(CopyRecipient(CopyRole.GUARDIAN, "mother@home.example"),)),
    ]
    assert not any(repeats(each, shown, same) for each in others)
    assert not repeats(asked, replace(shown, template_version="another"), same)
    assert not repeats(asked, replace(shown, data={}), same)


def test_whatever_a_document_says_of_a_course_counts_as_its_terms() -> None:
    campus = Campus("hefei", "hq", "合肥", "Hefei", "Asia/Shanghai", "长江路 1 号", address_en="1 Changjiang Road")
    course = Course("math-a", "hefei", "数学", "Maths", DETAILS)
    kept = {COURSE_TERMS: digest_terms(course, campus)}
    old = Contract(uuid4(), "QD-1", "hefei", ContractState.ISSUED, 0, "course", "3", "zh", "合同", NOW, NOW, data=kept)
    other: dict[str, object] = {
        "subject": "物理",
        "teacher": "李老师",
        "teacher_en": "Ms Li",
        "class_size": 30,
        "schedule_en": "Sundays",
        "price": "4900.00",
    }
    assert has_terms_of(old, course, campus) and has_terms_of(old, None, campus)
    split: dict[str, object] = {"price": "4700.00", "materials_fee": "200.00"}  # the same total
    steps: dict[str, object] = {"refund_steps": [{"when": "开课前", "when_en": "Never", "share": 100}]}
    for each in [*({key: value} for key, value in other.items()), split, steps]:
        assert not has_terms_of(old, replace(course, details=DETAILS | each), campus), each
    assert not has_terms_of(old, replace(course, name_en="Physics"), campus)
    assert not has_terms_of(old, course, replace(campus, address_en="2 Changjiang Road"))
    assert has_terms_of(old, replace(course, details=DETAILS | {"approval": True}), campus)
    assert not has_terms_of(replace(old, data={}), course, campus)
