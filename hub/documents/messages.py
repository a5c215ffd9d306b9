"""Message texts as files: `templates/messages/PURPOSE.toml` with a table for each channel and a text for each
language.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from hub.errors import TemplateFailed
from hub.model.message import MessageTemplate, MessageTemplates, parse_templates


def load_messages(folder: Path) -> MessageTemplates:
    """All message texts below `folder`. Raises TemplateFailed naming the file that is wrong."""
    found: list[MessageTemplate] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            found += parse_templates(path.stem, tomllib.loads(path.read_text("utf-8")))
        except (OSError, ValueError, AttributeError) as error:
            raise TemplateFailed(f"The message text {path.name} could not be read: {error}") from error
    return MessageTemplates(found)
