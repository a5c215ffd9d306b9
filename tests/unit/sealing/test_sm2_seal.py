"""When the SM2 side of a seal may seal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from hub.errors import CertificateNotValid
from hub.model.sealing.sm2_seal import Sm2KeyPlace, Sm2Seal

BEGINS = datetime(2026, 9, 1, tzinfo=UTC)
ENDS = BEGINS + timedelta(days=2)


@pytest.mark.parametrize(
    ("at", "is_valid"),
    [
        (BEGINS - timedelta(seconds=1), False),
        (BEGINS, True),
        (ENDS - timedelta(seconds=1), True),
        (ENDS, False),
    ],
)
def test_it_seals_within_its_time_alone(at: datetime, is_valid: bool) -> None:
    side = Sm2Seal(uuid4(), "hq", b"", (), (42, 42), Sm2KeyPlace.TOKEN, "sm2", BEGINS, ENDS, BEGINS)
    if is_valid:
        side.check_valid(at)
    else:
        with pytest.raises(CertificateNotValid):
            side.check_valid(at)


def test_a_software_key_is_called_one() -> None:
    side = Sm2Seal(uuid4(), "hq", b"", (), (42, 42), Sm2KeyPlace.SOFTWARE, "sm2", BEGINS, ENDS, BEGINS, b"secret")
    assert side.custody == "school-software"
    assert "secret" not in repr(side)
