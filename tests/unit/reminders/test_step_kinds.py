"""Every kind of reminder step is a message that the rules for planned messages cover."""

from __future__ import annotations

from hub.model.messaging.delivery import PLANNED
from hub.model.messaging.message import LEADING, Purpose
from hub.model.reminders.due_step import PURPOSES
from hub.model.reminders.schedule import StepKind
from hub.web.staff.labels import STEPS


def test_every_step_but_the_expiry_is_a_planned_message() -> None:
    """Of messages that are not in PLANNED, some would go out at night, and none would count for the limit of a day."""
    assert set(PURPOSES) == set(StepKind) - {StepKind.EXPIRY}
    assert {*PURPOSES.values(), Purpose.YOUR_TURN} == set(PLANNED) < LEADING


def test_staff_read_every_step_by_its_name() -> None:
    assert set(STEPS) == set(StepKind)
