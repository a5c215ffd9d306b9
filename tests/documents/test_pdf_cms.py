"""Our CMS signatures are the same as pyHanko's, byte for byte."""

from __future__ import annotations

import hashlib

import pytest
from asn1crypto import algos, cms, x509
from pyhanko.sign.signers.pdf_cms import ExternalSigner
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from hub.documents.pades.cms import assembled, attributes_to_sign
from hub.tokens.softkey import SoftKey
from tests.signing_parts import Pki

DIGEST = hashlib.sha256(b"document").digest()


class FixedTimestamp(TimeStamper):
    def __init__(self, token: bytes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # pyHanko
        self._token = cms.ContentInfo.load(token)

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        return self._token


def stock_signer(chain: tuple[bytes, ...], signature: bytes) -> ExternalSigner:
    signer, *above, _root = [x509.Certificate.load(der) for der in chain]
    return ExternalSigner(
        signing_cert=signer,
        cert_registry=SimpleCertificateStore.from_certs(above),  # type: ignore[no-untyped-call]  # has no types
        signature_value=signature,
        signature_mechanism=algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
        embed_roots=False,
    )


@pytest.mark.parametrize("name", ["王小明", "A", "名" * 21], ids=["zh", "a", "long"])
@pytest.mark.parametrize("with_timestamp", [False, True])
@pytest.mark.parametrize("more", [0, 1], ids=["short", "longer"])
async def test_the_same_bytes_as_pyhanko(name: str, with_timestamp: bool, more: int) -> None:
    pki, key = await Pki.make(), SoftKey.generate("signer")
    issued = await pki.authority.enrol(key.spki, name, "P1")
    chain = (issued.certificate, *pki.timestamps.certificates[:more], pki.authority.root)
    ours = attributes_to_sign(DIGEST, chain[0])
    theirs = await stock_signer(chain, b"").signed_attrs(DIGEST, "sha256", use_pades=True)
    assert ours == theirs.dump()
    signature = await key.sign(ours)
    token = await pki.timestamps.timestamp(hashlib.sha256(signature).digest()) if with_timestamp else None
    expected = await stock_signer(chain, signature).async_sign_prescribed_attributes(
        "sha256", signed_attrs=theirs, timestamper=FixedTimestamp(token) if token else None
    )
    assert assembled(ours, signature, chain, token) == expected.dump()
