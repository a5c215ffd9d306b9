"""Whose seal it is: a certificate that is merely from a trusted authority makes no seal of the organisation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from asn1crypto import x509

from hub.authorities import Issued
from hub.tokens.softkey import SoftKey
from qianda.verify import verify_bytes
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Element
from qianda.verify.pdf.structure import check_finished
from qianda.verify.trust import Trust
from tests.signing_parts import ORGANISATION, FinishedParts, Pki, finished_contract
from tests.verify.reading import complaints, failed, failed_of

FIELDS = ("guardian-1", "seal")


def sealed_by_a_person(folder: Path) -> FinishedParts:
    """Return a correct contract whose "seal" is a second certificate of a person who uses the school's name."""

    async def make() -> FinishedParts:
        pki, key = await Pki.make(), SoftKey.generate("mine")
        mine = await pki.authority.enrol(key.spki, ORGANISATION, "P-666")
        return await finished_contract(folder, pki=replace(pki, seal_key=key, seal=mine))

    return asyncio.run(make())


def pinned(trust: Trust, issued: Issued) -> Trust:
    return replace(trust, seals=(x509.Certificate.load(issued.certificate),))


def test_a_persons_certificate_makes_no_seal(tmp_path: Path) -> None:
    forged = sealed_by_a_person(tmp_path)
    trust = Trust.load([forged.trust_pem])
    assert check_finished(forged.final, FIELDS) == [], "nothing but the seal's certificate is wrong"
    for known in (trust, pinned(trust, asyncio.run(Pki.make()).seal)):
        report = verify_bytes(forged.final, known, Expectation(FIELDS))
        assert (failed(report), failed_of(report, "seal")) == ({Element.OWNED}, {Element.OWNED})
        assert not failed_of(report, "guardian-1")
        assert "the certificate of the organisation's seal" in complaints(report)


def test_a_seal_that_does_not_say_so_counts_where_its_certificate_is_pinned(tmp_path: Path) -> None:
    """Certificates of outside authorities are like this, and those of the built-in one before it marked seals."""
    unmarked = sealed_by_a_person(tmp_path)
    seal = tmp_path / "seal.der"
    seal.write_bytes(unmarked.pki.seal.certificate)
    report = verify_bytes(unmarked.final, Trust.load([unmarked.trust_pem, seal]), Expectation(FIELDS))
    assert not report.failed, complaints(report)


def test_a_pinned_seal_has_to_lead_to_an_authority_all_the_same(contract: FinishedParts, trust: Trust) -> None:
    other = asyncio.run(Pki.make()).authority.root
    report = verify_bytes(
        contract.final, pinned(replace(trust, authorities=(x509.Certificate.load(other),)), contract.pki.seal)
    )
    assert failed_of(report, "seal") == {Element.OWNED}


def test_a_person_does_not_sign_with_the_certificate_of_a_seal(contract: FinishedParts, trust: Trust) -> None:
    report = verify_bytes(contract.final, pinned(trust, contract.signers["student-1"]))
    assert (failed_of(report, "student-1"), failed_of(report, "guardian-1")) == ({Element.OWNED}, set())
    assert not failed_of(report, "seal")
