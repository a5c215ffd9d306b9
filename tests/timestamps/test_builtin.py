"""The built-in responder against `openssl ts`."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import cms, core, pem, tsp, x509

from hub.errors import TimestampUnavailable, TokenUnavailable
from hub.timestamps.builtin import BuiltinTimestamps
from qianda.trust_marks import TRIAL_TIMESTAMP_POLICY_OID
from tests.signing_parts import Pki, utc_now

Openssl = Callable[..., str]


@pytest.fixture
def openssl(tmp_path: Path) -> Openssl:
    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        return done.stdout + done.stderr

    return run


@pytest.mark.parametrize("algorithm", ["-sha256", "-sha384", "-sha512"])
@pytest.mark.parametrize("options", [["-cert"], [], ["-no_nonce", "-cert"]])
async def test_openssl_verifies_what_was_answered(
    pki: Pki, openssl: Openssl, tmp_path: Path, algorithm: str, options: list[str]
) -> None:
    (tmp_path / "data").write_bytes(b"what is to be timestamped")
    openssl("ts", "-query", "-data", "data", algorithm, *options, "-out", "query.tsq")
    (tmp_path / "reply.tsr").write_bytes(await pki.timestamps.respond((tmp_path / "query.tsq").read_bytes()))
    (tmp_path / "root.pem").write_bytes(pem.armor("CERTIFICATE", pki.authority.root))
    (tmp_path / "tsa.pem").write_bytes(pem.armor("CERTIFICATE", pki.timestamps.certificates[0]))
    verify = ["ts", "-verify", "-in", "reply.tsr", "-CAfile", "root.pem", "-untrusted", "tsa.pem"]
    assert "Verification: OK" in openssl(*verify, "-queryfile", "query.tsq")
    (tmp_path / "data").write_bytes(b"something else")
    assert "Verification: FAILED" in openssl(*verify, "-data", "data")
    text = openssl("ts", "-reply", "-in", "reply.tsr", "-text")
    assert f"Policy OID: {TRIAL_TIMESTAMP_POLICY_OID}" in text


async def test_the_hub_gets_a_token_directly(pki: Pki, openssl: Openssl, tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    token = await pki.timestamps.timestamp(hashlib.sha256(b"signature value").digest())
    after = datetime.now(UTC)
    (tmp_path / "token.der").write_bytes(token)
    (tmp_path / "data").write_bytes(b"signature value")
    (tmp_path / "root.pem").write_bytes(pem.armor("CERTIFICATE", pki.authority.root))
    said = openssl("ts", "-verify", "-in", "token.der", "-token_in", "-data", "data", "-CAfile", "root.pem")
    assert "Verification: OK" in said
    info = cms.ContentInfo.load(token)["content"]["encap_content_info"]["content"].parsed
    assert before <= info["gen_time"].native <= after


def request(algorithm: str = "sha256", size: int = 32, **parts: object) -> bytes:
    imprint = {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": bytes(size)}
    return bytes(tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, **parts}).dump())


class Answer(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [("status", tsp.PKIStatusInfo)]  # noqa: RUF012 - the way asn1crypto wants it


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (request("sha1", 20), "bad_alg"),
        (request("md5", 16), "bad_alg"),
        (request(size=20), "bad_data_format"),
        (b"GET / HTTP/1.1", "bad_data_format"),
        (b"", "bad_data_format"),
        (request() + b"\0", "bad_data_format"),
        (request(req_policy="1.2.3"), "unaccepted_policy"),
        (request(extensions=[{"extn_id": "1.2.3.4", "extn_value": b"\x05\x00"}]), "unaccepted_extensions"),
    ],
    ids=["sha1", "md5", "short", "http", "empty", "trailing", "policy", "extension"],
)
async def test_what_cannot_be_timestamped_is_rejected_with_its_reason(
    pki: Pki, openssl: Openssl, tmp_path: Path, wrong: bytes, reason: str
) -> None:
    answer = await pki.timestamps.respond(wrong)
    status = Answer.load(answer, strict=True)["status"]
    assert status["status"].native == "rejection"
    assert status["fail_info"].native == {reason}
    (tmp_path / "reply.tsr").write_bytes(answer)
    assert "Status: Rejected." in openssl("ts", "-reply", "-in", "reply.tsr", "-text")


class AwayKey:
    async def sign(self, message: bytes) -> bytes:
        raise TokenUnavailable("unplugged")


async def test_without_its_key_it_says_so_and_gives_no_time(pki: Pki) -> None:
    away = BuiltinTimestamps(AwayKey(), pki.timestamps.certificates, utc_now)
    with pytest.raises(TimestampUnavailable) as raised:
        await away.timestamp(bytes(32))
    assert raised.value.retry
    status = Answer.load(await away.respond(request()))["status"]
    assert status["fail_info"].native == {"system_failure"}


class FixedKey:
    """A key that always gives the same signature, and keeps the message that it was asked to sign."""

    def __init__(self) -> None:
        self.asked = b""

    async def sign(self, message: bytes) -> bytes:
        self.asked = message
        return bytes(70)


@pytest.mark.parametrize("serial", [0, 1, 127, 128, 2**63 - 1])
@pytest.mark.parametrize("nonce", [None, 0, 200, 2**64])
@pytest.mark.parametrize("with_certificate", [True, False])
async def test_the_bytes_are_those_that_asn1crypto_encodes(
    pki: Pki, serial: int, nonce: int | None, with_certificate: bool
) -> None:
    now, key = datetime(2026, 11, 26, 12, 0, 5, tzinfo=UTC), FixedKey()
    service = BuiltinTimestamps(key, pki.timestamps.certificates, lambda: now, lambda: serial)
    parts = {} if nonce is None else {"nonce": nonce}
    asked = request("sha384", 48, cert_req=with_certificate, **parts)
    token = tsp.TimeStampResp.load(await service.respond(asked), strict=True)["time_stamp_token"].dump()
    info = {"version": "v1", "policy": TRIAL_TIMESTAMP_POLICY_OID, "serial_number": serial, "gen_time": now}
    info |= {"message_imprint": tsp.TimeStampReq.load(asked)["message_imprint"], "accuracy": {"seconds": 1}} | parts
    assert token == encoded(pki.timestamps.certificates[0], tsp.TSTInfo(info).dump(), key, with_certificate)


def encoded(certificate: bytes, content: bytes, key: FixedKey, with_certificate: bool) -> bytes:
    own = x509.Certificate.load(certificate)
    reference = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(certificate).digest()})
    values = {
        "content_type": "tst_info",
        "message_digest": hashlib.sha256(content).digest(),
        "signing_certificate_v2": tsp.SigningCertificateV2({"certs": [reference]}),
    }
    attributes = cms.CMSAttributes([cms.CMSAttribute({"type": n, "values": [v]}) for n, v in values.items()])
    assert key.asked == attributes.dump()
    identifier = cms.IssuerAndSerialNumber({"issuer": own.issuer, "serial_number": own.serial_number})
    signer = {
        "version": "v1",
        "sid": cms.SignerIdentifier({"issuer_and_serial_number": identifier}),
        "digest_algorithm": {"algorithm": "sha256"},
        "signed_attrs": attributes,
        "signature_algorithm": {"algorithm": "sha256_ecdsa"},
        "signature": bytes(70),
    }
    signed = {
        "version": "v3",
        "digest_algorithms": [{"algorithm": "sha256"}],
        "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
        "signer_infos": [cms.SignerInfo(signer)],
    }
    if with_certificate:
        signed["certificates"] = [cms.CertificateChoices("certificate", own)]
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)}).dump())


@pytest.mark.parametrize("bits", range(0, 8 * 59, 7))
async def test_a_request_with_one_bit_changed_is_answered_or_rejected(pki: Pki, bits: int) -> None:
    """A request can come from anybody."""
    asked = bytearray(request(nonce=77, cert_req=True, req_policy=TRIAL_TIMESTAMP_POLICY_OID))
    asked[bits // 8 % len(asked)] ^= 1 << bits % 8
    status = Answer.load(await pki.timestamps.respond(bytes(asked)))["status"]["status"].native
    assert status in ("granted", "rejection")
