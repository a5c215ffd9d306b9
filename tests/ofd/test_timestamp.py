"""The timestamp in a seal: it may be missing; if it is there, it has to be right and of a trusted service."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import timedelta

import pytest
from asn1crypto import x509

from hub.documents.ofd.seal import finish_seal, seal_info
from hub.documents.ofd.sign import prepare_seal
from qianda.verify import Word, verify_bytes
from qianda.verify.findings import Element
from qianda.verify.trust import Trust
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


async def test_whose_seal_or_time_is_for_trial_is_said(who: Identities, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seal's certificate is of an outside authority; its maker, or the timestamp, is of the built-in one."""
    monkeypatch.setattr("hub.authorities.sm2.TRIAL_POLICY_OID", "1.2.3.4")
    outside = await Identities.make()
    new = dataclasses.replace(outside.new_seal, maker=who.new_seal.maker)
    info = seal_info(new)
    made_for_trial = dataclasses.replace(outside, seal=finish_seal(new, info, await who.maker_key.sign(info)))
    pki = await Pki.make(lambda: USED_AT)
    trust = Trust(
        (*who.trust.authorities, *outside.trust.authorities),
        (x509.Certificate.load(pki.timestamps.certificates[0]),),
    )
    files = await outside.sealed(plain_ofd()), await made_for_trial.sealed(plain_ofd()), await stamped(outside, pki)
    reports = [verify_bytes(file, trust) for file in files]
    assert [(report.failed, report.trial) for report in reports] == [(False, False), (False, True), (False, True)]
