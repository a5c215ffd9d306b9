"""Begin a contract template with a new name in the console, as a copy of an existing one.

Templates in the files stay as they are. The copy keeps the demands that its source has at this time.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from hub.documents.contract.template_texts import COPIED_FROM
from hub.errors import BadInput
from hub.lifecycle.school.edit_texts import FileText, TextPlace, add_draft, check_editor, continue_text, find_file_text
from hub.lifecycle.services import Services
from hub.model.contract.own_document import OWN_TEMPLATE
from hub.model.school.text_version import TextKind, TextVersion
from hub.model.staff.scope import Actor
from hub.store.transaction import Transaction

NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME_LENGTH: Final = 40


async def begin_template(services: Services, editor: Actor, name: str, source: str) -> TextVersion:
    """Begin the first draft of a template. `source`: the template to copy, as it is in force.

    Raises BadInput (`name`, `source`), NotAllowed, and TextAlreadyOpen if somebody else has just begun the same one.
    """
    check_editor(editor)
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise BadInput("up to 40 small letters, digits and hyphens", field="name")
    place = TextPlace(TextKind.CONTRACT, name)
    async with services.database.transaction(editor.scope) as tx:
        if find_file_text(services, place) or await tx.text_versions.list_all(place.kind, name):
            raise BadInput("there is a template of this name already", field="name")
        copied = await _copy(services, tx, source)
        return await add_draft(tx, editor, place, replace(copied, fixed={COPIED_FROM: source, **copied.fixed}))


async def _copy(services: Services, tx: Transaction, source: str) -> FileText:
    """Return the text of a template in force, with what it demands."""
    if source == OWN_TEMPLATE:  # its text is an uploaded PDF
        raise BadInput("there is no such template", field="source")
    files = find_file_text(services, TextPlace(TextKind.CONTRACT, source))
    found = await tx.text_versions.find_in_force(TextKind.CONTRACT, source)
    if found is None and files is None:
        raise BadInput("there is no such template", field="source")
    if files is not None:
        return continue_text(files, found)
    assert found is not None
    return FileText(found.label, found.texts, found.fixed)
