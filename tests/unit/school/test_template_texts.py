"""A contract template that passes through a version written in the console: nothing of it is lost."""

from __future__ import annotations

import json
import shutil
from dataclasses import MISSING, fields, replace
from pathlib import Path
from uuid import uuid4

import pytest

from hub.documents.contract.contract_templates import ContractTemplate, ContractTemplates
from hub.documents.contract.template_texts import (
    COPIED_FROM,
    begin_fixed,
    begin_texts,
    build_templates,
    list_fixed,
    list_texts,
)
from hub.model.contract.asked_field import AskedField
from hub.model.contract.contract_copy import CopyRecipient, CopyRole
from hub.model.contract.signer import Role
from hub.model.school.text_version import TextKind, TextState, TextVersion
from hub.model.signing.signature_request import Custody
from hub.settings import PACKED
from tests.running import demanding_templates


@pytest.fixture(scope="module")
def files() -> ContractTemplates:
    return ContractTemplates(PACKED / "templates" / "contracts")


def version_of(languages: dict[str, ContractTemplate]) -> TextVersion:
    texts, fixed = list_texts(languages), list_fixed(languages)
    return TextVersion(uuid4(), TextKind.CONTRACT, "course", 1, TextState.IN_FORCE, "2026.2", texts, None, fixed=fixed)


def in_force(files: ContractTemplates, **changes: object) -> tuple[ContractTemplate, ContractTemplate]:
    """Return a packed template with other values, and what contracts are drawn from after its first version."""
    before = {name: replace(each, **changes) for name, each in files.in_languages("course").items()}  # type: ignore[arg-type]
    return before["zh"], build_templates(files, version_of(before))["zh"]


def test_a_version_keeps_every_value_of_its_template(files: ContractTemplates) -> None:
    before, after = in_force(
        files,
        trial_allowed=True,
        custody={Role.GUARDIAN: (Custody.USB_TOKEN,)},
        representative=True,
        asks=(AskedField("contact", "联系人"),),
        needs_approval=True,
        with_ofd=True,
        copies=(CopyRecipient(role=CopyRole.STUDENT),),
    )
    for field in fields(ContractTemplate):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        assert getattr(before, field.name) != default, f"say here what {field.name} is when somebody has set it"
        kept = "desk-1" if field.name == "version" else getattr(before, field.name)
        assert getattr(after, field.name) == kept, field.name


def test_a_draft_from_an_old_version_takes_texts_alone_and_the_demands_of_the_files(files: ContractTemplates) -> None:
    now = files.in_languages("course")
    old = version_of({name: replace(each, trial_allowed=True, representative=True) for name, each in now.items()})
    old = replace(old, texts={**old.texts, "zh.consent": "我同意。", "zh.clauses": "# 旧"})
    texts, fixed = begin_texts(list_texts(now), old), begin_fixed(list_fixed(now), old)
    drawn = build_templates(files, replace(old, number=2, texts=texts, fixed=fixed))["zh"]
    assert (drawn.trial_allowed, drawn.representative, drawn.clauses) == (False, now["zh"].representative, "# 旧")
    assert (drawn.consent.version, drawn.consent.text) == ("course-zh-desk-1", "我同意。")  # the same text, its name


def test_a_draft_has_the_languages_of_the_files(files: ContractTemplates) -> None:
    now = files.in_languages("course")
    old = version_of({"zh": now["zh"]})
    texts, fixed = begin_texts(list_texts(now), old), begin_fixed(list_fixed(now), old)
    assert set(build_templates(files, replace(old, texts=texts, fixed=fixed))) == {"zh", "en"}


def test_no_version_takes_away_the_approval_that_the_files_ask_for(files: ContractTemplates, tmp_path: Path) -> None:
    asking = ContractTemplates(demanding_templates(tmp_path / "templates", "needs_approval = true"))
    old = version_of(files.in_languages("course"))
    assert all(each.needs_approval for each in build_templates(asking, old).values())
    assert not any(each.needs_approval for each in build_templates(files, old).values())


def test_a_copy_has_the_layout_of_its_source_also_when_it_was_kept_with_a_contract(tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(PACKED / "templates" / "contracts" / "course-zh", own / "course-zh")
    shutil.copy(PACKED / "templates" / "contracts" / "layout.typ", own / "course-zh")
    files = ContractTemplates(PACKED / "templates" / "contracts", own)
    made = version_of(files.in_languages("course"))
    copy = build_templates(files, replace(made, subject="camp", fixed={COPIED_FROM: "course", **made.fixed}))["zh"]
    later = files.as_kept("camp", "zh", json.loads(json.dumps(copy.keep())))
    assert later.layout == copy.layout == own / "course-zh" / "layout.typ"
