"""Find the version of a contract template that is in force: the one that staff approved, else the one in the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.documents.contract.contract_templates import ContractTemplate
from hub.documents.contract.template_texts import build_templates
from hub.lifecycle.contract.new_contract import DEFAULT_TEMPLATE
from hub.lifecycle.services import Services
from hub.model.contract.contract_copy import CopyRecipient
from hub.model.school.course import Course
from hub.model.school.text_version import TextKind
from hub.store.transaction import Transaction


@dataclass(frozen=True)
class TemplateInForce:
    """A template in each of its languages. A template without any language does not exist."""

    id: str
    languages: Mapping[str, ContractTemplate]

    @property
    def needs_representative(self) -> bool:
        return any(template.representative for template in self.languages.values())

    @property
    def needs_course(self) -> bool:
        return any("course" in template.requires for template in self.languages.values())

    @property
    def needs_approval(self) -> bool:
        return any(template.needs_approval for template in self.languages.values())

    @property
    def copies(self) -> tuple[CopyRecipient, ...]:
        return next((template.copies for template in self.languages.values()), ())

    @property
    def version(self) -> str:
        return next((template.version for template in self.languages.values()), "")


async def needs_approval(services: Services, tx: Transaction, course: Course | None) -> bool:
    """Return whether somebody else has to approve before the documents of this course are issued, because the course or
    the template of one of them requires it."""
    if course is not None and course.needs_approval:
        return True
    return any(template.needs_approval for template in await list_templates_in_force(services, tx, course))


async def list_templates_in_force(services: Services, tx: Transaction, course: Course | None) -> list[TemplateInForce]:
    """Return the templates of a course: of its contract, then of its companions."""
    named = [(course.template if course else "") or DEFAULT_TEMPLATE, *(course.companions if course else ())]
    return [await get_template_in_force(services, tx, each) for each in named]


async def get_template_in_force(services: Services, tx: Transaction, template_id: str) -> TemplateInForce:
    """Return the template from which contracts are drawn at the time of this transaction."""
    files = services.documents.printer.templates
    approved = await tx.text_versions.find_in_force(TextKind.CONTRACT, template_id)
    languages = build_templates(files, approved) if approved else files.in_languages(template_id)
    return TemplateInForce(template_id, languages)


async def list_all_in_force(services: Services, tx: Transaction) -> list[TemplateInForce]:
    """Return every template from which contracts can be drawn, by id: of the files and of the console."""
    files = services.documents.printer.templates
    approved = {each.subject: each for each in await tx.text_versions.list_in_force(TextKind.CONTRACT)}
    return [
        TemplateInForce(name, build_templates(files, approved[name]) if name in approved else files.in_languages(name))
        for name in sorted({*files.ids(), *approved})
    ]
