"""A signature in the first revision follows no document that was issued. It could have any form, and so be left out of
the check of certificates."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from qianda.pdf import read_revisions
from qianda.verify import verify_bytes
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Element
from qianda.verify.pdf.structure import check_finished
from qianda.verify.trust import Trust
from tests.browser.update_files import Revision, next_trailer, own_field
from tests.signing_parts import FinishedParts, RsaKey, utc_now
from tests.verify.insider import STEPS, Insider
from tests.verify.reading import FIELDS, failed

Change = Callable[[bytes], bytes]
SPELLINGS: dict[str, Change] = {
    "as it has to be": bytes,
    "no signature by its type": lambda value: re.sub(rb"/Type /Sig\b", b"/Type /Sgn", value),
    "no signature by its format": lambda value: value.replace(b"CAdES.detached", b"CAdES.attached"),
}


def nothing(revision: Revision) -> None: ...


def in_one_revision(file: bytes, change: Change) -> bytes:
    """Return a prepared file as if it had been written at once. `change` is made to the signature's value."""
    revisions = read_revisions(file)
    written = {number: one for each in revisions for number, one in each.objects.items()}
    bodies = {number: file[one.start : one.end] for number, one in written.items()}
    bodies = {number: body.partition(b" 0 obj\n")[2].removesuffix(b"\nendobj\n") for number, body in bodies.items()}
    whole = Revision(file[: revisions[0].start], bodies, re.sub(rb"/Prev \d+", b"", next_trailer(file)))
    value = int(re.findall(rb"/V (\d+) 0 R", bodies[own_field(whole)])[0])
    whole.objects[value] = change(whole.objects[value])
    return whole.write()


class Stranger(RsaKey):
    """A key with a certificate that bears the names of others, and that no authority issued."""

    def certificate(self) -> bytes:
        issuer, own = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("示范学校 Root", "王小明")
        )
        now, usage = utc_now(), x509.KeyUsage(*[True, True], *[False] * 7)
        builder = x509.CertificateBuilder(issuer, own, self._private_key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        made = builder.add_extension(usage, critical=True).sign(
            ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()
        )
        return made.public_bytes(serialization.Encoding.DER)


class FromTheStart(Insider):
    """An insider who writes the first signature together with the document."""

    def _maybe_changed(self, step: str, before: bytes, after: bytes) -> bytes:
        return in_one_revision(after, SPELLINGS[self.step]) if step == STEPS[0] else after


async def made(contract: FinishedParts, spelling: str) -> bytes:
    insider, document = FromTheStart(contract, spelling, nothing), contract.revisions["unsigned"]
    for step in STEPS:
        document = await insider._after(step, document)
    return document


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_signature_may_be_there_from_the_start(contract: FinishedParts, trust: Trust, spelling: str) -> None:
    pdf = asyncio.run(made(contract, spelling))
    assert [finding.element for finding in check_finished(pdf, FIELDS)] == [Element.TEXT]
    assert Element.TEXT in failed(verify_bytes(pdf, trust, Expectation(FIELDS)))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_certificates_of_all_signatures_are_checked(contract: FinishedParts, trust: Trust, spelling: str) -> None:
    """pyHanko passes over what is no signature by its type or format, so a stranger's certificate was never judged."""
    stranger = Stranger("")
    chain = (stranger.certificate(), contract.pki.authority.root)
    signers = {**contract.signers, STEPS[0]: replace(contract.signers[STEPS[0]], chain=chain)}
    keys = {**contract.signer_keys, STEPS[0]: stranger}
    pdf = asyncio.run(made(replace(contract, signers=signers, signer_keys=keys), spelling))
    assert failed(verify_bytes(pdf, trust, Expectation(FIELDS))) & {Element.OWNED, Element.SIGNATURE}
