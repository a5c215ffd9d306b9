"""Whether a contract is issued as OFD beside the PDF: its template says so, or its course."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.documents.contract.contract_templates import ContractTemplates
from hub.errors import BadInput
from hub.lifecycle.contract.draw import is_with_ofd
from hub.lifecycle.contract.new_contract import NewContract, NewStudent
from hub.model.school.course import Course
from hub.settings import PACKED

FILES = ContractTemplates(PACKED / "templates" / "contracts")
PLAIN, ASKING = FILES.get("course", "zh"), FILES.get("safety-notice", "zh")
ASKED = NewContract("hefei", NewStudent("陈小满", "cn-id", "x"), ())
COURSE = Course("math-a", "hefei", "数学", "Maths")


@pytest.mark.parametrize("of_template", [True, False])
@pytest.mark.parametrize("of_course", [True, False, None])
@pytest.mark.parametrize("companion", [True, False])
def test_a_course_decides_for_its_own_contract(of_template: bool, of_course: bool | None, companion: bool) -> None:
    course = COURSE if of_course is None else replace(COURSE, details={"with_ofd": of_course})
    wanted = of_template if companion or of_course is None else of_course
    template = replace(PLAIN, with_ofd=of_template)
    assert is_with_ofd(replace(ASKED, companion=companion), course, template) is wanted


def test_a_companion_that_asks_its_signer_does_not_stop_a_course_with_ofd() -> None:
    course = replace(COURSE, details={"with_ofd": True})
    assert ASKING.asks
    assert not is_with_ofd(replace(ASKED, companion=True), course, ASKING)
    with pytest.raises(BadInput, match="issued as PDF alone"):
        is_with_ofd(ASKED, course, ASKING)
