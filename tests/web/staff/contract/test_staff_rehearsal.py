"""A rehearsal: a contract to oneself that says everywhere what it is."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pikepdf
import pytest

from hub.errors import BadInput
from hub.lifecycle.contract.rehearse import RehearsingPerson, make_rehearsal, rehearse
from hub.model.school.course import Course
from hub.model.staff.scope import EVERYTHING
from tests.running import ADULT_ID, STUDENT_PHONE, running_hub
from tests.web.staff_visit import console_of

MYSELF = RehearsingPerson("周示范", ADULT_ID, STUDENT_PHONE)


def test_without_a_course_there_is_nothing_to_rehearse() -> None:
    with pytest.raises(BadInput, match="there is no course yet"):
        make_rehearsal(MYSELF, [])


def test_mail_is_used_where_it_is_asked_for() -> None:
    courses = [Course(name, "hq", name, name) for name in ("b", "a")]
    asked = make_rehearsal(replace(MYSELF, email="me@school.example"), courses)
    assert asked.course == "a" and asked.rehearsal and asked.signers[0].channels == ("email",)
    assert make_rehearsal(MYSELF, courses).signers[0].channels == ("sms",)


async def test_a_rehearsal_says_what_it_is_wherever_it_is_seen() -> None:
    async with running_hub() as running:
        console = await console_of(running)
        form = {"name": MYSELF.name, "id_number": MYSELF.id_number, "phone": MYSELF.phone, "email": ""}
        wrong = await console.post("/staff/rehearsal", form | {"id_number": "1"})
        assert wrong.status == 422 and MYSELF.name in wrong.text
        issued = await console.post("/staff/rehearsal", form)
        assert issued.status == 303, issued.words
        page = await console.get(issued.location)
        assert "A rehearsal, without any effect" in page.words and "Rehearsal: " in page.words
        assert "/s/" in await running.message("invitation", STUDENT_PHONE)
        again = await rehearse(running.hub.services, EVERYTHING, MYSELF, "test")
        content = await running.hub.services.files.get(str(again.document))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            drawn = (await tx.record.list_entries(again.id))[0]
        ordinary = await running.issue_minor()
    assert drawn.kind == "drawn" and drawn.facts["rehearsal"] is True
    assert again.title == "【演练】课程培训服务合同" and "演练" not in ordinary.title
    with pikepdf.open(BytesIO(content)) as document:
        assert str(document.docinfo["/Title"]).startswith("【演练】")
