"""Contract templates as staff edit them in the console: the texts of a template, and the template for a version's
texts.

Staff edit title, consent and clauses. The rest of a template (its words, requirements and demands) is copied from the
files when a version is begun, even one that is based on an older version. Otherwise the older version could bring back
its demands, unnoticed by the person who approves the text. The layout is always that of the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hub.documents.contract.contract_templates import Consent, ContractTemplate, ContractTemplates, TemplateDemands
from hub.model.contract.asked_field import read_asked_fields
from hub.model.contract.contract_copy import read_copies, write_copies
from hub.model.school.text_version import TextKind, TextVersion

# Key in the rest of a version: the template that it was copied from, which also supplies the layout.
COPIED_FROM = "copied_from"
EDITED = ("title", "consent", "clauses")


def list_texts(languages: Mapping[str, ContractTemplate]) -> dict[str, str]:
    """Return the editable texts of a template by language and name, such as `zh.clauses`. Chinese comes first."""
    found = {}
    for language in sorted(languages, reverse=True):
        template = languages[language]
        for name, text in zip(EDITED, (template.title, template.consent.text, template.clauses), strict=True):
            found[f"{language}.{name}"] = text
    return found


def list_fixed(languages: Mapping[str, ContractTemplate]) -> dict[str, Any]:
    """Return the rest of a template as JSON values."""
    one = next(iter(languages.values()))
    return {
        "trial_allowed": one.trial_allowed,
        "custody": {role.value: list(accepted) for role, accepted in one.custody.items()},
        "representative": one.representative,
        "needs_approval": one.needs_approval,
        "with_ofd": one.with_ofd,
        "copies": write_copies(one.copies),
        "languages": {
            language: {
                "requires": list(template.requires),
                "words": dict(template.words),
                "asks": [asdict(field) for field in template.asks],
                "consent": {"version": template.consent.version, "text": template.consent.text},
            }
            for language, template in languages.items()
        },
    }


def begin_texts(files: Mapping[str, str], begun_from: TextVersion) -> Mapping[str, str]:
    """Return the texts of a draft. A template has the languages of the files; a message has its own texts."""
    if begun_from.kind is TextKind.MESSAGE:
        return begun_from.texts
    return {key: begun_from.texts.get(key, text) for key, text in files.items()}


def begin_fixed(files: Mapping[str, Any], begun_from: TextVersion) -> Mapping[str, Any]:
    """Return the rest of a draft: that of the files, except for the consents, which come from the version. A consent
    keeps its name as long as its text stays the same."""
    if begun_from.kind is TextKind.MESSAGE:
        return begun_from.fixed
    named = {
        language: own | ({"consent": consent} if (consent := _consent_of(begun_from, language)) else {})
        for language, own in files["languages"].items()
    }
    return {**files, "languages": named}


def _consent_of(version: TextVersion, language: str) -> dict[str, str] | None:
    if language not in version.fixed["languages"]:
        return None
    return asdict(_consent(version, language, version.texts[f"{language}.consent"]))


def build_templates(files: ContractTemplates, version: TextVersion) -> dict[str, ContractTemplate]:
    """Return the template of a version in each of its languages."""
    return {language: _build(files, version, language) for language in version.fixed["languages"]}


def _build(files: ContractTemplates, version: TextVersion, language: str) -> ContractTemplate:
    fixed, own = version.fixed, version.fixed["languages"][language]
    title, consent, clauses = (version.texts[f"{language}.{name}"] for name in EDITED)
    layout_from = fixed.get(COPIED_FROM, version.subject)
    layout, root = files.layout_of(layout_from, language)
    return ContractTemplate(
        id=version.subject,
        language=language,
        version=version.label,
        title=title,
        requires=tuple(own["requires"]),
        consent=_consent(version, language, consent),
        words=own["words"],
        clauses=clauses,
        layout_from=layout_from,
        layout=layout,
        root=root,
        trial_allowed=fixed["trial_allowed"],
        custody=TemplateDemands.read_custody(fixed["custody"]),
        representative=fixed["representative"],
        asks=read_asked_fields(own.get("asks", [])),
        needs_approval=fixed.get("needs_approval", False) or _is_approval_needed(files, version.subject),
        with_ofd=fixed.get("with_ofd", False),
        copies=read_copies(fixed.get("copies", [])),
    )


def _is_approval_needed(files: ContractTemplates, template_id: str) -> bool:
    """Return whether the files now require approval. An earlier version cannot remove this requirement."""
    return any(template.needs_approval for template in files.in_languages(template_id).values())


def _consent(version: TextVersion, language: str, text: str) -> Consent:
    """Return the consent. If its text has changed, the consent is named after the version."""
    before = version.fixed["languages"][language]["consent"]
    if text == before["text"]:
        return Consent(before["version"], text)
    return Consent(f"{version.subject}-{language}-{version.label}", text)
