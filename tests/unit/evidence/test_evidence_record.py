"""Evidence records that were renewed: what a later chain covers are the bytes of the chains before it."""

from __future__ import annotations

import hashlib

from asn1crypto import cms

from hub.documents.evidence.hash_tree import evidence_record, group_leaf, renewed_digests, with_renewed_tree
from qianda.cms_parts import CONTEXT_0
from qianda.der import SEQUENCE, encode
from qianda.evidence.evidence_record import check_evidence_record
from tests.signing_parts import Pki

FILES = {"contract.pdf": b"a contract", "record.json": b"a record"}


def with_certificates(token: bytes, certificates: list[bytes]) -> bytes:
    """Return the timestamp with these certificates, in this order. No signature covers them."""
    content = cms.ContentInfo.load(token, strict=True)
    signed = content["content"]
    before = [signed[name].dump() for name in ("version", "digest_algorithms", "encap_content_info")]
    body = [*before, encode(CONTEXT_0, b"".join(certificates)), signed["signer_infos"].dump()]
    return encode(SEQUENCE, content["content_type"].dump() + encode(CONTEXT_0, encode(SEQUENCE, b"".join(body))))


async def test_a_timestamp_stays_as_its_service_wrote_it() -> None:
    """DER would have the certificates in ascending order. Timestamp services have their own first."""
    pki = await Pki.make()
    certificates = sorted((pki.timestamps.certificates[0], pki.authority.root), reverse=True)
    digests = [hashlib.sha256(each).digest() for each in FILES.values()]
    first = with_certificates(await pki.timestamps.timestamp(group_leaf(digests)), certificates)
    record = evidence_record(digests, [], first)
    anew = renewed_digests(record, list(FILES.values()), "sha512")
    second = await pki.timestamps.timestamp(group_leaf(anew, "sha512"))
    renewed = with_renewed_tree(record, anew, "sha512", second)
    assert first in renewed
    assert check_evidence_record(renewed, FILES).renewals == 1
