"""What staff may change of an enrolment before its contract is issued."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from hub.errors import BadInput
from hub.model.school.course import Enrolment
from hub.model.school.enrolment_change import EnrolmentChange, PersonChange, apply_change

BORN_2012, BORN_2013 = "34010320120901001X", "34010320130501001X"
CHILD = {"name": "陈小满", "id_type": "cn-id", "id_number": BORN_2012, "birth_date": "2012-09-01"}
ENROLMENT = Enrolment(uuid4(), "hefei", "math-a", "陈小满", {"student": CHILD, "signers": []})


def changed(before: Enrolment = ENROLMENT, number: str = "", **wanted: Any) -> str | None:
    """Return the student's birth date after a change."""
    after = apply_change(before, EnrolmentChange(student=PersonChange(id_number=number), **wanted))
    born: str | None = after.people["student"]["birth_date"]
    return born


def test_a_birth_date_that_contradicts_the_document_is_refused_and_not_dropped() -> None:
    with pytest.raises(BadInput, match="not that of the document number") as refused:
        changed(birth_date="2012-09-02")
    assert refused.value.field == "student.birth_date"
    assert changed(birth_date="2012-09-01") == changed(birth_date="") == changed() == "2012-09-01"


def test_another_document_brings_its_own_birth_date() -> None:
    assert changed(number=BORN_2013, birth_date="2012-09-01") == "2013-05-01"  # the page shows the former date
    assert changed(number=BORN_2013, birth_date="2013-05-01") == "2013-05-01"


def test_a_document_without_a_birth_date_takes_the_one_that_is_entered() -> None:
    abroad = replace(
        ENROLMENT, people={"student": CHILD | {"id_type": "passport", "id_number": "E12345678"}, "signers": []}
    )
    assert changed(abroad, birth_date="2011-01-31") == "2011-01-31"
