"""The built-in timestamp authority, for trial and internal use: RFC 3161 with a key that may be on a token.

Sources: RFC 3161 (2.4 request and response), RFC 5816 (ESSCertIDv2), RFC 5652, 5.4 (signed attributes).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from asn1crypto import cms, core, tsp, x509

from hub.errors import TimestampUnavailable, TokenUnavailable
from qianda.trust_marks import TRIAL_TIMESTAMP_POLICY_OID

DIGEST_SIZES: Final = {"sha256": 32, "sha384": 48, "sha512": 64}  # bytes


class TimestampKey(Protocol):
    """What the responder needs of its key; see `hub.tokens`."""

    async def sign(self, message: bytes) -> bytes: ...


class _Rejected(Exception):
    """Carries the name of a PKIFailureInfo bit (RFC 3161, 2.4.2)."""


class _Rejection(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """A TimeStampResp without a token: asn1crypto's own class cannot leave the token out."""

    _fields = [("status", tsp.PKIStatusInfo)]  # noqa: RUF012 - the way asn1crypto wants it


class BuiltinTimestamps:
    """Answers requests (`respond`) and serves the hub itself (`timestamp`) with the same tokens."""

    def __init__(
        self,
        key: TimestampKey,
        chain: Sequence[bytes],
        clock: Callable[[], datetime],
        new_serial: Callable[[], int] = lambda: secrets.randbits(63),
    ) -> None:
        """`chain`: certificates in DER, the timestamp authority's own first."""
        self.certificates = tuple(chain)
        self._key, self._clock, self._new_serial = key, clock, new_serial
        self._certificate = x509.Certificate.load(self.certificates[0])

    async def timestamp(self, digest: bytes) -> bytes:
        """A token over a SHA-256 digest; TimestampUnavailable when the key is away."""
        imprint = tsp.MessageImprint({"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest})
        try:
            token = await self._token(imprint, nonce=None, with_certificate=True)
        except TokenUnavailable as error:
            raise TimestampUnavailable(f"the key of the built-in timestamp authority: {error}") from error
        return _der(token)

    async def respond(self, request: bytes) -> bytes:
        """The answer (DER of TimeStampResp) to a DER TimeStampReq: granted, or a rejection with its reason."""
        try:
            checked = _checked(request)
            token = await self._token(
                checked["message_imprint"], checked["nonce"].native, with_certificate=checked["cert_req"].native
            )
        except _Rejected as reason:
            return _rejection(str(reason))
        except TokenUnavailable:
            return _rejection("system_failure")
        return _der(tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}))

    async def _token(self, imprint: tsp.MessageImprint, nonce: int | None, with_certificate: bool) -> cms.ContentInfo:
        info: dict[str, Any] = {
            "version": "v1",
            "policy": TRIAL_TIMESTAMP_POLICY_OID,
            "message_imprint": imprint,
            "serial_number": self._new_serial(),
            "gen_time": self._clock().astimezone(UTC).replace(microsecond=0),
            "accuracy": {"seconds": 1},
        }
        if nonce is not None:
            info["nonce"] = nonce
        content = _der(tsp.TSTInfo(info))
        attributes = self._signed_attributes(content)
        # What is signed is the SET form (tag 0x31), which `dump` gives; inside the SignerInfo its tag is 0xA0.
        signature = await self._key.sign(_der(attributes))
        signed: dict[str, Any] = {
            "version": "v3",  # because the content is not of type data
            "digest_algorithms": [{"algorithm": "sha256"}],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
            "signer_infos": [self._signer_info(attributes, signature)],
        }
        if with_certificate:
            signed["certificates"] = [cms.CertificateChoices("certificate", self._certificate)]
        return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)})

    def _signed_attributes(self, content: bytes) -> cms.CMSAttributes:
        own = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(self.certificates[0]).digest()})  # SHA-256 is the default
        values = {
            "content_type": "tst_info",
            "message_digest": hashlib.sha256(content).digest(),
            "signing_certificate_v2": tsp.SigningCertificateV2({"certs": [own]}),
        }
        return cms.CMSAttributes(
            [cms.CMSAttribute({"type": name, "values": [value]}) for name, value in values.items()]
        )

    def _signer_info(self, attributes: cms.CMSAttributes, signature: bytes) -> cms.SignerInfo:
        identifier = cms.IssuerAndSerialNumber(
            {"issuer": self._certificate.issuer, "serial_number": self._certificate.serial_number}
        )
        return cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier({"issuer_and_serial_number": identifier}),
                "digest_algorithm": {"algorithm": "sha256"},
                "signed_attrs": attributes,
                "signature_algorithm": {"algorithm": "sha256_ecdsa"},
                "signature": signature,
            }
        )


def _checked(request: bytes) -> tsp.TimeStampReq:
    try:
        parsed = tsp.TimeStampReq.load(request, strict=True)
        imprint = parsed["message_imprint"]
        algorithm = imprint["hash_algorithm"]["algorithm"].native
        policy, extensions = parsed["req_policy"].native, parsed["extensions"].native
        size = len(imprint["hashed_message"].native)
        _ = parsed["nonce"].native, parsed["cert_req"].native
    except (ValueError, TypeError) as error:
        raise _Rejected("bad_data_format") from error
    if algorithm not in DIGEST_SIZES:
        raise _Rejected("bad_alg")
    if size != DIGEST_SIZES[algorithm]:
        raise _Rejected("bad_data_format")
    if policy not in (None, TRIAL_TIMESTAMP_POLICY_OID):
        raise _Rejected("unaccepted_policy")
    if extensions:
        raise _Rejected("unaccepted_extensions")
    return parsed


def _rejection(reason: str) -> bytes:
    return _der(_Rejection({"status": {"status": "rejection", "fail_info": {reason}}}))


def _der(value: Any) -> bytes:
    return bytes(value.dump())
