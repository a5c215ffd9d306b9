"""Contract templates as files: `templates/contracts/ID-LANGUAGE/{template.toml, clauses.txt.j2}`.

One `layout.typ` serves all, unless a folder has its own. A school's own templates are in a second folder of the same
form. Legal staff edit the clause text; the TOML file holds title, consent and words.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.errors import BadInput, TemplateFailed
from hub.model.contract.asked_field import AskedField, read_asked_fields
from hub.model.contract.contract import Contract
from hub.model.contract.contract_copy import CopyRecipient, CopyRole, read_copies
from hub.model.contract.signer import Role
from hub.model.school.text_version import CONSOLE_PREFIX
from hub.model.signing.signature_request import Custody

# Added to the consent of a contract that is also issued as OFD. If you change these words, change `-ofd` as well.
_BOTH_FILES = {
    "zh": (
        "本合同同时签发 PDF 与 OFD 两个文件，内容一致；我在 PDF 上签名，学校在两个文件上加盖电子印章。"
        "PDF 的 SHA-256：{pdf}；OFD 的 SHA-256：{ofd}。"
    ),
    "en": (
        "This contract is issued as two files of the same content, PDF and OFD: I sign the PDF, the school seals both. "
        "SHA-256 of the PDF: {pdf}; SHA-256 of the OFD: {ofd}."
    ),
}


@dataclass(frozen=True)
class Consent:
    """The text that a signer agrees to before signing. `version` changes whenever the text does."""

    version: str
    text: str

    def for_both_files(self, language: str, pdf_sha256: str, ofd_sha256: str) -> Consent:
        """Return the consent to a contract that is issued as PDF and as OFD, with the hashes of both as issued."""
        words = _BOTH_FILES["en" if language == "en" else "zh"].format(pdf=pdf_sha256, ofd=ofd_sha256)
        return Consent(f"{self.version}-ofd", f"{self.text}\n{words}")

    @property
    def sha256(self) -> str:
        """SHA-256 of the text's UTF-8 bytes in lower-case hex, as the signing protocol uses it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class ContractTemplate:
    """One template in one language. `layout` is the Typst file; it can read only files below `root`. `layout_from`: the
    id of the template whose layout it is.

    `trial_allowed`: a trial authority may certify the signers if no licensed authority can be reached.

    `custody`: where the keys of a role must provably be; the key of a role that is not listed may be anywhere.

    `representative`: the school's representative signs as well, after everybody else.

    `asks`: what a signer fills in or attaches before the contract is laid out for signing. The clauses find the answers
    as `extra.answers.NAME`.

    `needs_approval`: somebody else has to approve before contracts are issued from it.

    `with_ofd`: contracts are also issued as OFD, unless their course says otherwise.

    `copies`: who gets the completed contract besides its signers.
    """

    id: str
    language: str
    version: str
    title: str
    requires: tuple[str, ...]
    consent: Consent
    words: Mapping[str, str]
    clauses: str
    layout_from: str
    layout: Path
    root: Path
    trial_allowed: bool = False
    custody: Mapping[Role, tuple[Custody, ...]] = field(default_factory=dict)
    representative: bool = False
    asks: tuple[AskedField, ...] = ()
    needs_approval: bool = False
    with_ofd: bool = False
    copies: tuple[CopyRecipient, ...] = ()

    @property
    def sha256(self) -> str:
        """SHA-256 of everything that legal staff wrote: the first link of the chain template → draft → shown →
        signed."""
        parts = (
            self.id,
            self.language,
            self.version,
            self.title,
            self.consent.text,
            *sorted(self.words.values()),
            self.clauses,
            *(f"{role} {' '.join(custody)}" for role, custody in sorted(self.custody.items())),
            *map(repr, self.asks),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def keep(self) -> dict[str, Any]:
        """Return, as JSON, what is needed to lay out a contract with exactly this text later."""
        return {
            "version": self.version,
            "title": self.title,
            "words": dict(self.words),
            "clauses": self.clauses,
            "asks": [dataclasses.asdict(field) for field in self.asks],
            "layout": self.layout_from,
        }


LAYOUT = "layout.typ"
# The key in a contract's data under which its template's demands at the time of issue are kept.
DEMANDS = "demands"


@dataclass(frozen=True)
class TemplateDemands:
    """What a template demanded of those who sign, when a contract was issued.

    `consents`: by language. `sha256`: that of the template in the contract's language.
    """

    consents: Mapping[str, Consent]
    custody: Mapping[Role, tuple[Custody, ...]]
    trial_allowed: bool
    sha256: str

    @classmethod
    def of(cls, languages: Mapping[str, ContractTemplate], language: str) -> TemplateDemands:
        """Return the demands of a template that exists in these languages, for a contract in one of them."""
        chosen = languages[language]
        consents = {name: template.consent for name, template in languages.items()}
        return cls(consents, chosen.custody, chosen.trial_allowed, chosen.sha256)

    def to_dict(self) -> dict[str, Any]:
        """Return the demands as JSON values, which are kept with the contract."""
        return {
            "consents": {name: {"version": each.version, "text": each.text} for name, each in self.consents.items()},
            "custody": {role.value: list(accepted) for role, accepted in self.custody.items()},
            "trial_allowed": self.trial_allowed,
            "sha256": self.sha256,
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> TemplateDemands:
        consents = {name: Consent(**each) for name, each in kept["consents"].items()}
        return cls(consents, cls.read_custody(kept["custody"]), kept["trial_allowed"], kept["sha256"])

    @staticmethod
    def read_custody(kept: Mapping[str, list[str]]) -> dict[Role, tuple[Custody, ...]]:
        """Return accepted custodies by role, from their JSON values."""
        return _custody(dict(kept))


class ContractTemplates:
    """All templates below a folder, read once. A template in `own` replaces one with the same id.

    Raises TemplateFailed if one of them is not complete.
    """

    def __init__(self, folder: Path, own: Path | None = None) -> None:
        ours, theirs = _read_all(folder, folder), _read_all(own, folder) if own else []
        replaced = {template.id for template in theirs}
        found = [template for template in ours if template.id not in replaced] + theirs
        self._folder = folder
        self._templates = {(template.id, template.language): template for template in found}
        for template in found:
            self._check_alike(template)

    def _check_alike(self, template: ContractTemplate) -> None:
        """Raise TemplateFailed if a template's demands on its signers depend on the language."""
        for language in self.languages(template.id):
            other = self._templates[template.id, language]
            if _demands(other) != _demands(template):
                raise TemplateFailed(f"The languages of the contract template {template.id} differ in their demands.")
            if [field.shape for field in other.asks] != [field.shape for field in template.asks]:
                raise TemplateFailed(f"The languages of the contract template {template.id} ask for different things.")

    def get(self, template_id: str, language: str) -> ContractTemplate:
        """Return a template. Raises BadInput (field `template` or `language`) if it does not exist."""
        template = self._templates.get((template_id, language))
        if template is None:
            known = any(key[0] == template_id for key in self._templates)
            raise BadInput("There is no such contract template.", field="language" if known else "template")
        return template

    def demands_on(self, contract: Contract) -> TemplateDemands:
        """Return the demands with which the contract was issued.

        Contracts issued by earlier versions of the hub do not contain them; the current template applies to these.
        Raises BadInput if it no longer exists.
        """
        if kept := contract.data.get(DEMANDS):
            return TemplateDemands.from_dict(kept)
        self.get(contract.template, contract.language)
        return TemplateDemands.of(self.in_languages(contract.template), contract.language)

    def get_consent(self, contract: Contract, language: str) -> Consent:
        """Return the consent in a signer's language or, if the contract does not have it, in the contract's language.
        For a contract with an OFD, it names the hashes of both files. Raises BadInput as `demands_on` does."""
        consents = self.demands_on(contract).consents
        spoken = language if language in consents else contract.language
        if contract.issued_ofd_sha256 is None:
            return consents[spoken]
        return consents[spoken].for_both_files(spoken, contract.document_sha256, contract.issued_ofd_sha256)

    def in_languages(self, template_id: str) -> dict[str, ContractTemplate]:
        """Return a template in each of its languages; empty if it does not exist."""
        return {language: self._templates[template_id, language] for language in self.languages(template_id)}

    def as_kept(self, template_id: str, language: str, kept: Mapping[str, Any]) -> ContractTemplate:
        """Return a template that lays out a contract with the text that `keep` saved, even if the files differ now."""
        layout_from = kept["layout"]
        layout, root = self.layout_of(layout_from, language)
        return ContractTemplate(
            id=template_id,
            language=language,
            version=kept["version"],
            title=kept["title"],
            requires=(),
            consent=Consent("", ""),
            words=kept["words"],
            clauses=kept["clauses"],
            layout_from=layout_from,
            layout=layout,
            root=root,
            asks=read_asked_fields(kept["asks"]),
        )

    def layout_of(self, template_id: str, language: str) -> tuple[Path, Path]:
        """Return the Typst file of a template and the folder that it may read; the general layout if the template is
        gone."""
        template = self._templates.get((template_id, language))
        return (template.layout, template.root) if template else (self._folder / LAYOUT, self._folder)

    def ids(self) -> list[str]:
        return sorted({template_id for template_id, _ in self._templates})

    def languages(self, template_id: str) -> list[str]:
        return sorted(language for known, language in self._templates if known == template_id)


def _demands(template: ContractTemplate) -> tuple[object, ...]:
    return template.custody, template.representative, template.needs_approval, template.with_ofd, template.copies


def _read_all(folder: Path, packed: Path) -> list[ContractTemplate]:
    return [_read(path.parent, folder, packed) for path in sorted(folder.glob("*/template.toml"))]


def _read(folder: Path, root: Path, packed: Path) -> ContractTemplate:
    """Read the template in `folder`. `packed`: the folder with the layout for templates that have none."""
    layouts = ((folder, root), (root, root), (packed, packed))
    try:
        facts: dict[str, Any] = tomllib.loads((folder / "template.toml").read_text("utf-8"))
        if str(facts["version"]).startswith(CONSOLE_PREFIX):
            raise ValueError(f"versions named {CONSOLE_PREFIX}… are made in the console")
        place, base = next((each for each in layouts if (each[0] / LAYOUT).is_file()), layouts[-1])
        return ContractTemplate(
            id=facts["id"],
            language=facts["language"],
            version=facts["version"],
            title=facts["title"],
            requires=tuple(facts.get("requires", ())),
            consent=Consent(**facts["consent"]),
            words=facts["words"],
            clauses=(folder / "clauses.txt.j2").read_text("utf-8"),
            layout_from=facts["id"],
            layout=place / LAYOUT,
            root=base,
            trial_allowed=_yes_or_no(facts, "trial_allowed"),
            custody=_custody(facts.get("custody", {})),
            representative=_yes_or_no(facts, "representative"),
            asks=read_asked_fields(facts.get("asks", [])),
            needs_approval=_yes_or_no(facts, "needs_approval"),
            with_ofd=_yes_or_no(facts, "with_ofd"),
            copies=_copies(facts.get("copies", [])),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise TemplateFailed(f"The contract template {folder.name} is not complete: {error!r}") from error


def _yes_or_no(facts: Mapping[str, Any], name: str) -> bool:
    value = facts.get(name, False)
    if not isinstance(value, bool):
        raise TypeError(f"{name} has to be true or false")
    return value


def _copies(named: Any) -> tuple[CopyRecipient, ...]:
    """Read the recipients of copies. A copy to a fixed address must state the address. Raises TypeError, ValueError."""
    copies = read_copies(named)
    if any(each.role is CopyRole.ADDRESS and not each.email for each in copies):
        raise ValueError("a copy to an address needs its email")
    return copies


def _custody(asked: Any) -> dict[Role, tuple[Custody, ...]]:
    """Read the accepted custodies: one list for everybody, or a table of lists by role. Raises ValueError otherwise."""
    by_role = asked if isinstance(asked, dict) else dict.fromkeys(Role, asked)
    if not all(isinstance(accepted, list) and accepted for accepted in by_role.values()):
        raise ValueError("custody is a list of what is accepted, or a table of such lists by role")
    return {Role(role): tuple(map(Custody, accepted)) for role, accepted in by_role.items()}
