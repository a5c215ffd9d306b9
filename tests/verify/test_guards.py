"""Rules that no other check covers: who certifies, what the last timestamp covers, that every field is signed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from qianda.checks import RefusedToSign
from qianda.update import check_update
from qianda.verify import reasons, verify_bytes
from qianda.verify.findings import Element
from qianda.verify.pdf.structure import check_finished
from qianda.verify.trust import Trust
from tests.pdf_steps import close, with_signature_fields, with_validation_data
from tests.signing_parts import SEAL, FinishedParts, boxes_for, finished_contract, pki_certificates, sample_pdf, sign
from tests.verify.reading import FIELDS, complaints, failed


async def signed_and_closed(contract: FinishedParts, *, certify: bool) -> bytes:
    """Make a contract as `finished_contract` does. `certify`: whether the first signature certifies."""
    pki = contract.pki
    current, crl = with_signature_fields(sample_pdf(), boxes_for(FIELDS[:2])), await pki.authority.revocation_list([])
    for name in FIELDS[:2]:
        key, chain = contract.signer_keys[name], contract.signers[name].chain
        current = await sign(current, name, key, chain, pki, certify=certify and name == FIELDS[0])
        current = with_validation_data(current, name, pki_certificates(pki), [crl])
    current = await sign(current, SEAL, pki.seal_key, pki.seal.chain, pki, final=True)
    return await close(current, pki.timestamps, pki_certificates(pki), [crl])


async def test_the_first_signature_certifies(contract: FinishedParts, trust: Trust) -> None:
    """Without DocMDP in the first signature, other readers would not say that the text may not be changed."""
    good = await signed_and_closed(contract, certify=True)
    assert check_finished(good, FIELDS) == []
    final = await signed_and_closed(contract, certify=False)
    assert reasons.NOT_CERTIFIED in [finding.reason for finding in check_finished(final, FIELDS)]
    report = await asyncio.to_thread(verify_bytes, final, trust)
    assert Element.TEXT in failed(report) and reasons.NOT_CERTIFIED.en in complaints(report)


async def test_the_document_timestamp_covers_the_whole_file(contract: FinishedParts, trust: Trust) -> None:
    """Evidence after it would be as well-formed as any before it, but without a time that anybody vouches for."""
    crl = await contract.pki.authority.revocation_list([])
    longer = with_validation_data(contract.final, SEAL, pki_certificates(contract.pki), [crl])
    assert longer.startswith(contract.final) and len(longer) > len(contract.final)
    assert reasons.NOT_TO_THE_END in [finding.reason for finding in check_finished(longer, FIELDS)]
    report = await asyncio.to_thread(verify_bytes, longer, trust)
    assert Element.TEXT in failed(report) and reasons.NOT_TO_THE_END.en in complaints(report)


async def test_every_field_is_signed(tmp_path: Path) -> None:
    """A contract that one of its parties never signed is not finished, though everything in it is right."""
    nobodys = with_signature_fields(sample_pdf(), boxes_for(["student-9"])[:1])
    made = await finished_contract(tmp_path, document=nobodys)
    found = check_finished(made.final, ["guardian-1", SEAL])
    assert reasons.UNSIGNED_FIELD.about(name="student-9") in [finding.reason for finding in found]


def test_a_client_signs_only_what_adds_one_signature(contract: FinishedParts) -> None:
    """A revision that adds only evidence, for example, has no place for the signature."""
    signed, evidence = (contract.revisions[f"guardian-1-{what}"] for what in ("signed", "validated"))
    with pytest.raises(RefusedToSign) as raised:
        check_update(signed, evidence)
    assert raised.value.reason == "the prepared file does not add exactly one signature"
