"""What the set-up page knows while it is served: the answers, the trial message, and how far the installation is."""

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
    """One set-up. `mark`: answered to everybody, so that the public address can be seen to lead here. `faults`: what
    stopped the installation, in sentences. `told`: what was done so far."""

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
        """Begin a set-up, or go on with one. Raises BadInput for answers that were sealed with another key."""
        file = AnswersFile(data)
        return cls(file, installer, clock, SetupAccess(clock()), answers=file.read())

    @property
    def is_installing(self) -> bool:
        return self.installing is not None and not self.installing.done()

    def keep(self, step: str, given: dict[str, str]) -> None:
        self.answers[step] = given
        self.file.keep(self.answers)


STATE = web.AppKey("setup", SetupState)
