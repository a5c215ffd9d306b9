"""Which contract template is taken: the one that was asked for, else the course's own, else the usual one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from hub.errors import GuardianRequired
from hub.lifecycle.contract.reissue import reissue
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.people import adult
from tests.running import MINOR_ID, running_hub

pytestmark = pytest.mark.asyncio(loop_scope="module")


def with_dance(folder: Path) -> Path:
    """Return a folder with the packed templates and one more, in Chinese alone."""
    shutil.copytree(PACKED / "templates" / "contracts", folder)
    shutil.copytree(folder / "course-zh", folder / "dance-zh")
    path = folder / "dance-zh" / "template.toml"
    path.write_text(path.read_text("utf-8").replace('id = "course"', 'id = "dance"'), "utf-8")
    return folder


async def test_the_courses_own_template_is_taken_unless_another_is_asked_for(tmp_path: Path) -> None:
    templates = with_dance(tmp_path / "templates")
    async with running_hub(templates=templates, with_web=False, with_worker=False) as running:
        assert (await running.issue_minor()).template == "course"
        async with running.hub.database.transaction(EVERYTHING) as tx:
            course = await tx.school.get_course("hefei", "math-a")
            await tx.school.put_course(replace(course, details={**course.details, "template": "dance"}))
        contract = await running.issue_minor()
        assert contract.template == "dance"
        assert (await running.issue_minor(template="course")).template == "course"
        again = await reissue(running.hub.services, EVERYTHING, contract.id, "staff:x")
        assert again.template == "dance"


async def test_what_is_refused_uses_up_no_number() -> None:
    async with quiet_hub() as running:
        first = await running.issue_minor()
        alone = replace(adult(), name="陈小满", id_number=MINOR_ID)
        for _ in range(3):
            with pytest.raises(GuardianRequired):
                await running.issue_minor(signers=(alone,))
        second = await running.issue_minor()
        assert int(second.number[-6:]) == int(first.number[-6:]) + 1
