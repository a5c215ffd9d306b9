"""A contract template that passes through a version written at the desk: nothing of it is lost."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from uuid import uuid4

import pytest

from hub.documents.contract_templates import ContractTemplate, ContractTemplates
from hub.documents.template_texts import build_templates, list_fixed, list_texts
from hub.model.contract.asked_field import AskedField
from hub.model.contract.signer import Role
from hub.model.school.text_version import TextKind, TextState, TextVersion
from hub.model.signing.signature_request import Custody
from hub.settings import PACKED


@pytest.fixture(scope="module")
def files() -> ContractTemplates:
    return ContractTemplates(PACKED / "templates" / "contracts")


def in_force(files: ContractTemplates, **changes: object) -> tuple[ContractTemplate, ContractTemplate]:
    """Return a packed template with other values, and what contracts are drawn from after its first version."""
    before = {name: replace(each, **changes) for name, each in files.in_languages("course").items()}  # type: ignore[arg-type]
    texts, fixed = list_texts(before), list_fixed(before)
    version = TextVersion(
        uuid4(), TextKind.CONTRACT, "course", 1, TextState.IN_FORCE, "2026.2", texts, None, fixed=fixed
    )
    return before["zh"], build_templates(files, version)["zh"]


def test_a_version_keeps_every_value_of_its_template(files: ContractTemplates) -> None:
    before, after = in_force(
        files,
        trial_allowed=True,
        custody={Role.GUARDIAN: (Custody.USB_TOKEN,)},
        representative=True,
        asks=(AskedField("contact", "联系人"),),
        needs_approval=True,
        with_ofd=True,
    )
    for field in fields(ContractTemplate):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        assert getattr(before, field.name) != default, f"say here what {field.name} is when somebody has set it"
        kept = "desk-1" if field.name == "version" else getattr(before, field.name)
        assert getattr(after, field.name) == kept, field.name
