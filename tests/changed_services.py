"""A hub's services with one of them replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hub.lifecycle.services import Services


def change_services(services: Services, room: str, **changes: Any) -> Services:
    """Return these services with changed fields in one room, for example `sealing`."""
    return replace(services, **{room: replace(getattr(services, room), **changes)})
