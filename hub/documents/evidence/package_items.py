"""The items of an evidence package, from the facts of a contract that has ended. Pure: the same facts, the same bytes.

Phone numbers, document numbers and e-mail addresses are masked, and texts that people wrote are left out; the record
has commitments to them. Names are readable, as in the certificates.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from asn1crypto import pem

from hub.content_hash import hash_content
from hub.documents.contract.contract_templates import Consent
from hub.model.contract.case import Party
from hub.model.contract.person import mask_id, mask_phone
from hub.model.evidence.package import PackageFacts, head_text
from hub.model.evidence.record import RecordEntry, entry_text
from hub.model.messaging.message import Purpose
from hub.model.signing.signature_request import SignatureRequest
from qianda.cms_parts import CertificateNames
from qianda.evidence.contents import HASHES, HEAD

# Messages whose text is left out: texts that people wrote, and codes.
_UNTOLD: Final = (Purpose.REPLY, Purpose.CODE)
_CONTRACT: Final = (
    "id number state title language campus course template template_version issued_sha256 created_at "
    "issued_at deadline completed_at ended_at replaces replaced_by fields pages"
).split()
_DELIVERY: Final = (
    "purpose channel provider language state created_at called_at state_at provider_reference failure_kind calls rung"
).split()


@dataclass(frozen=True)
class PackageFiles:
    """The files that a package contains besides the facts.

    `pdf`: the final file of a completed contract, otherwise the file as it was issued. `ofds`: its OFDs, if it has any,
    by the item's name; `sm2_chain`: the certificates (DER) with which the final OFD was sealed. `consents`: the texts
    with which the contract was issued, by signer's field. `timestamps`: tokens in the final file, by field.
    `seal_chain`: the seal's certificate and those above it; `timestamp_certificates`: those of the timestamp services;
    `lists`: the revocation lists for the seal's certificate; all in DER.
    """

    pdf: bytes
    ofds: Mapping[str, bytes]
    sm2_chain: Sequence[bytes]
    consents: Mapping[str, Consent]
    template_sha256: str
    timestamps: Mapping[str, bytes]
    seal_chain: Sequence[bytes]
    timestamp_certificates: Sequence[bytes]
    lists: Sequence[bytes]
    origin: str
    school: str


def package_items(facts: PackageFacts, files: PackageFiles, texts: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return all items but the manifest and its signature. `texts`: the report and the instructions, by name."""
    items = dict(texts)
    contract = facts.case.contract
    items["contract/final.pdf" if contract.completed_at else "contract/issued.pdf"] = files.pdf
    items |= files.ofds
    items["contract/contract.json"] = _json(_contract(facts, files))
    items["contract/versions.json"] = _json(_parts_of(facts.versions, "kind sha256 size created_at"))
    if attachments := contract.data.get("attachments"):
        items["contract/attachments.json"] = _json(attachments)
    for party in facts.case.parties:
        items |= dict(_of_party(facts, files, party))
    items["messages/messages.json"] = _json(list(_messages(facts)))
    reminders = _parts_of(facts.ledger, "task kind step number due_at at reason delivery")
    items["messages/reminders.json"] = _json(reminders)
    items["seal/seal.json"] = _json(_seal_uses(facts))
    items["record/record.jsonl"] = "".join(f"{entry_text(entry)}\n" for entry in facts.entries).encode()
    last = facts.entries[-1]
    items[HEAD] = head_text(contract.number, contract.id, last.sequence, last.digest).encode()
    items |= _trust(facts, files)
    items[HASHES] = "".join(hash_line(name, content) for name, content in items.items()).encode()
    return items


def _parts_of(rows: Sequence[Mapping[str, Any]], names: str) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names.split()} for row in rows]


def _contract(facts: PackageFacts, files: PackageFiles) -> dict[str, Any]:
    contract = facts.case.contract
    return {name: getattr(contract, name) for name in _CONTRACT} | {
        "school": files.school,
        "origin": files.origin,
        "template_sha256_now": files.template_sha256,
    }


def _of_party(facts: PackageFacts, files: PackageFiles, party: Party) -> Iterator[tuple[str, bytes]]:
    folder = f"signers/{party.signer.field}"
    yield f"{folder}/signer.json", _json(_party(facts, party))
    if consent := files.consents.get(party.signer.field):
        yield f"{folder}/consent-now.txt", consent.text.encode()
    for number, request in enumerate(facts.signatures_of(party), start=1):
        yield from _of_signature(facts, files, f"{folder}/", f"{number:03}", request)


def _of_signature(
    facts: PackageFacts, files: PackageFiles, folder: str, part: str, request: SignatureRequest
) -> Iterator[tuple[str, bytes]]:
    assert request.signature is not None  # only signed requests get here
    yield f"{folder}signature-{part}.der", request.signature
    yield f"{folder}attributes-{part}.der", request.to_be_signed
    yield f"{folder}certificate-{part}.pem", _pem(request.chain[:1])
    yield f"{folder}chain-{part}.pem", _pem(request.chain)
    if request.field in files.timestamps:
        yield f"{folder}timestamp-{part}.tst", files.timestamps[request.field]
    if request.confirmation is not None:
        yield f"{folder}confirmation-{part}.der", request.confirmation
    if applied := _application(facts, request):
        yield f"{folder}application-{part}.bin", applied[0]
        yield f"{folder}application-{part}.sig", applied[1]


def _application(facts: PackageFacts, request: SignatureRequest) -> tuple[bytes, bytes] | None:
    """Return the signer's application for this certificate and the signature over it; None for older certificates."""
    entry = find_application(facts, request)
    if entry is None or "key_proof" not in entry.facts:
        return None
    return bytes.fromhex(entry.facts["key_statement"]), bytes.fromhex(entry.facts["key_proof"])


def find_application(facts: PackageFacts, request: SignatureRequest) -> RecordEntry | None:
    sha256 = hashlib.sha256(request.chain[0]).hexdigest()
    kinds = ("certificate-issued", "certificate-brought")
    applied = [entry for entry in facts.entries if entry.kind in kinds]
    return next((entry for entry in applied if entry.facts.get("certificate_sha256") == sha256), None)


def _party(facts: PackageFacts, party: Party) -> dict[str, Any]:
    signer, task = party.signer, party.task
    return {
        "id": signer.id,
        "field": signer.field,
        "role": signer.role,
        "order": signer.order,
        "name": signer.name,
        "id_type": signer.id_type,
        "id_number_masked": mask_id(signer.id_number),
        "phone_masked": mask_phone(signer.phone),
        "task": {
            name: getattr(task, name)
            for name in ("state", "invited_at", "opened_at", "opened_through", "accepted_at", "signed_at")
        },
        "identity": [_plain(vars(check)) for check in facts.identities if check.signer == signer.id],
        "pages_seen": [
            {"document": page.document, "page": page.page, "at": page.at}
            for page in facts.pages
            if page.task == task.id
        ],
        "signatures": [_signature(facts, request) for request in facts.signatures_of(party)],
    }


def _signature(facts: PackageFacts, request: SignatureRequest) -> dict[str, Any]:
    names = ("field", "base", "custody_claimed", "custody", "consent_version", "consent_sha256", "created_at")
    entry = find_application(facts, request)
    return {name: getattr(request, name) for name in (*names, "accepted_at", "embedded_at", "key_deleted_at")} | {
        "certificate_sha256": hashlib.sha256(request.chain[0]).hexdigest(),
        "passkey_confirmed": request.confirmation is not None,
        "applied": entry and {"at": entry.at, "entry": entry.sequence, "kind": entry.kind, **entry.facts},
    }


def _messages(facts: PackageFacts) -> Iterator[dict[str, Any]]:
    for delivery in facts.deliveries:
        told = {name: getattr(delivery, name) for name in _DELIVERY}
        masked = "***" if "@" in delivery.to else mask_phone(delivery.to)
        text = None if delivery.purpose in _UNTOLD else delivery.text
        yield told | {"id": delivery.id, "signer": delivery.signer, "to_masked": masked, "text": text}


def _seal_uses(facts: PackageFacts) -> dict[str, Any]:
    return {
        "signatures": [
            {
                "created_at": request.created_at,
                "accepted_at": request.accepted_at,
                "embedded_at": request.embedded_at,
                "prepared_sha256": request.prepared,
                "certificate_sha256": hashlib.sha256(request.chain[0]).hexdigest(),
            }
            for request in facts.seals
        ],
        "record": [
            {"at": entry.at, "entry": entry.sequence, **entry.facts}
            for entry in facts.entries
            if entry.kind in ("seal-used", "ofd-sealed")
        ],
        "attempts": _parts_of(facts.attempts, "kind state started_at ended_at"),
    }


def _trust(facts: PackageFacts, files: PackageFiles) -> dict[str, bytes]:
    chains = [files.seal_chain, files.timestamp_certificates, *(request.chain for request in facts.requests)]
    every = list(dict.fromkeys(certificate for chain in chains for certificate in chain))
    roots = [certificate for certificate in every if CertificateNames.read(certificate).is_self_issued]
    listed = {f"trust/list-{number:03}.crl": each for number, each in enumerate(files.lists, start=1)}
    return {
        "trust/authorities.pem": _pem(roots),
        "trust/chain.pem": _pem(files.seal_chain),
        "trust/timestamps.pem": _pem(files.timestamp_certificates),
        **({"trust/sm2.pem": _pem(files.sm2_chain)} if files.sm2_chain else {}),
        **listed,
    }


def hash_line(name: str, content: bytes) -> str:
    return f"{hash_content(content).hexdigest()} {hashlib.new('sm3', content).hexdigest()} {name}\n"


def _pem(certificates: Sequence[bytes]) -> bytes:
    return b"".join(pem.armor("CERTIFICATE", certificate) for certificate in certificates)


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, default=_plain) + "\n").encode()


def _plain(value: Any) -> Any:
    """Return what JSON has no word for as text, moments in UTC. Raises TypeError for what no package contains."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
