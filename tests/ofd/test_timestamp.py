"""The timestamp in a seal: it may be missing; if it is there, it has to be right and of a trusted service."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import timedelta

from asn1crypto import x509

from hub.documents.ofd.sign import prepare_seal
from qianda.verify import Word, verify_bytes
from qianda.verify.findings import Element
from tests.ofd.identities import PLACE, USED_AT, Identities
from tests.ofd.plain import plain_ofd
from tests.signing_parts import Pki


async def stamped(who: Identities, pki: Pki, over: bytes | None = None) -> bytes:
    """Return a sealed file with a timestamp over the signature, or over other bytes."""
    prepared = prepare_seal(plain_ofd(), who.seal, who.seal_certificate, USED_AT, [PLACE])
    signature = await who.seal_key.sign(prepared.to_be_signed)
    token = await pki.timestamps.timestamp(hashlib.sha256(over or signature).digest())
    return prepared.finish(signature, token)


async def test_a_timestamp_of_a_trusted_service_gives_the_time(who: Identities) -> None:
    stamped_at = USED_AT + timedelta(minutes=1)
    pki = await Pki.make(lambda: stamped_at)
    file = await stamped(who, pki)
    trust = dataclasses.replace(
        who.trust, timestamp_authorities=(x509.Certificate.load(pki.timestamps.certificates[0]),)
    )
    report = verify_bytes(file, trust)
    assert not report.failed
    assert report.parties[0].signed_at == stamped_at
    words = {answer.element: answer.word for answer in report.document}
    assert words[Element.TIME] is Word.NOT_SHOWN  # the built-in service is for trial
    wrong = verify_bytes(await stamped(who, pki, b"another signature"), trust)
    assert {answer.element for answer in wrong.document if answer.word is Word.FAILED} == {Element.TIME}


async def test_a_timestamp_of_anybody_fails(who: Identities) -> None:
    report = verify_bytes(await stamped(who, await Pki.make(lambda: USED_AT)), who.trust)
    failed = {answer.element: answer.reason.en for answer in report.document if answer.word is Word.FAILED}
    assert failed == {Element.TIME: "The timestamp is not of a trusted timestamp authority."}
