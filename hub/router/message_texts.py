"""Keep the message texts that are in force: the texts of the files, replaced by those that staff have approved.

A process reads the approved texts at most once every few seconds, to avoid reading them for each message. The process
in which a text is approved uses it at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import structlog

from channels import FixedTexts
from hub.documents.messaging.message_texts import check_message_texts, with_texts
from hub.errors import BadInput
from hub.model.messaging.message import MessageTemplate, MessageTemplates, Purpose
from hub.model.messaging.message_rules import list_message_faults
from hub.model.school.text_version import TextKind, TextVersion
from hub.router.providers import Provider
from hub.store.transaction import Transaction

# Seconds for which a process relies on the texts that it last read.
LOOK_INTERVAL = 5.0
log = structlog.get_logger()


class MessageTexts:
    """The message texts of this process. `current`: the templates with which all messages are rendered; its contents
    change when texts are approved."""

    def __init__(self, files: Iterable[MessageTemplate]) -> None:
        self._files = tuple(files)
        self.current = MessageTemplates(self._files)
        self._looked_at = float("-inf")

    async def refresh(self, tx: Transaction, *, at_once: bool = False) -> None:
        """Read the texts that are in force, if LOOK_INTERVAL has passed since they were last read, or `at_once`."""
        if not at_once and time.monotonic() - self._looked_at < LOOK_INTERVAL:
            return
        approved = await tx.text_versions.list_in_force(TextKind.MESSAGE)
        self._looked_at = time.monotonic()
        self.current.replace_all(self.list_with(approved))

    def list_with(self, versions: Iterable[TextVersion]) -> list[MessageTemplate]:
        """Return all templates, with these versions in place of the texts of the files. A text that no longer fits the
        files of the current hub version is left out and logged."""
        chosen = {version.subject: version for version in versions}
        found: list[MessageTemplate] = []
        for purpose in Purpose:
            own = [template for template in self._files if template.purpose is purpose]
            if version := chosen.get(purpose.value):
                changed = with_texts(own, purpose, version.texts)
                try:
                    check_message_texts(changed)
                    own = changed
                except BadInput as error:
                    log.error("message text left out", purpose=purpose.value, version=version.label, key=error.field)
            found += own
        return found

    @property
    def files(self) -> tuple[MessageTemplate, ...]:
        return self._files


def find_message_faults(
    providers: Iterable[Provider], templates: MessageTemplates, addresses: dict[str, str]
) -> list[str]:
    """Return the reasons why a configured provider would refuse or cut any of these messages, each reason once.

    `addresses`: the real `link` and `entry` of this hub.
    """
    found: list[str] = []
    for each in providers:
        texts = each.channel.templates if isinstance(each.channel, FixedTexts) else None
        found += list_message_faults(templates, each.settings, each.channel.rules, texts, addresses)
    return list(dict.fromkeys(found))
