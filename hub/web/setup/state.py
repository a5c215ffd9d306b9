"""The state of the set-up page: the answers, the trial message, and the progress of the installation."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from aiohttp import web

from hub.setup.answers_file import AnswersFile
from hub.setup.installer import SetupInstaller, SetupResult
from hub.setup.look_at_origin import OriginFinding
from hub.setup.provider_trial import ProviderTrial
from hub.web.setup.access import SetupAccess

Clock = Callable[[], datetime]


@dataclass
class SetupState:
    """One set-up. `mark`: a text that is shown to everybody, by which the hub sees that the public address leads here.
    `faults`: sentences about what stopped the installation. `told`: sentences about the steps done so far."""

    file: AnswersFile
    installer: SetupInstaller
    clock: Clock
    access: SetupAccess
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    looked: list[OriginFinding] = field(default_factory=list)
    trial: ProviderTrial | None = None
    sent: int = 0
    told: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    installing: asyncio.Task[None] | None = None
    installed: SetupResult | None = None
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def begin(cls, data: Path, installer: SetupInstaller, clock: Clock) -> SetupState:
        """Begin a set-up, or continue one. Raises BadInput for stored answers that were encrypted with another key."""
        file = AnswersFile(data)
        return cls(file, installer, clock, SetupAccess(clock()), answers=file.read())

    @property
    def is_installing(self) -> bool:
        return self.installing is not None and not self.installing.done()

    def keep(self, step: str, given: dict[str, str]) -> None:
        self.answers[step] = given
        self.file.keep(self.answers)


STATE = web.AppKey("setup", SetupState)
