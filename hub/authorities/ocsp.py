"""Read OCSP requests and build responses (RFC 6960). Nothing here signs; `builtin.py` does.

The responses follow RFC 5019, so that they can be cached and made in advance: they have no nonce, and a request about a
certificate that we never issued gets an error, which needs no signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from asn1crypto import algos, core, ocsp, x509

from hub.authorities import Revoked
from hub.errors import BadInput

MAX_ASKED: Final = 20  # certificates in one request
MAX_REQUEST_BYTES: Final = 16 * 1024
_HASHES: Final = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}
_SIGNATURE: Final = {"algorithm": "sha256_ecdsa"}


@dataclass(frozen=True)
class CertificateId:
    """A certificate as a request identifies it (RFC 6960, 4.1.1): its serial number, and hashes of its issuer."""

    algorithm: str
    name_hash: bytes
    key_hash: bytes
    serial: int

    def is_issued_by(self, issuer: x509.Certificate) -> bool:
        hashed = _HASHES[self.algorithm]
        key = issuer.public_key["public_key"].contents[1:]  # without the count of unused bits
        return hashed(issuer.subject.dump()).digest() == self.name_hash and hashed(key).digest() == self.key_hash


class _Failure(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """An OCSPResponse without content, which asn1crypto's own class cannot leave out."""

    _fields = [("response_status", ocsp.OCSPResponseStatus)]  # noqa: RUF012 - as asn1crypto requires


def read_request(request: bytes) -> list[CertificateId]:
    """Return the certificates that a request (DER of OCSPRequest) is about.

    Raises BadInput if it cannot be read, or asks about too many.
    """
    try:
        if len(request) > MAX_REQUEST_BYTES:
            raise ValueError("too long")
        lines = ocsp.OCSPRequest.load(request, strict=True)["tbs_request"]["request_list"]
        if not 1 <= len(lines) <= MAX_ASKED:
            raise ValueError("no certificate, or too many")
        return [_certificate_id(line["req_cert"]) for line in lines]
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput("this is no OCSP request that can be answered") from error


def _certificate_id(asked: ocsp.CertId) -> CertificateId:
    algorithm = asked["hash_algorithm"]["algorithm"].native
    if algorithm not in _HASHES:
        raise ValueError("unknown hash")
    return CertificateId(
        algorithm, asked["issuer_name_hash"].native, asked["issuer_key_hash"].native, asked["serial_number"].native
    )


def response_body(
    responder_key: bytes, life: tuple[datetime, datetime], statuses: Iterable[tuple[CertificateId, Revoked | None]]
) -> ocsp.ResponseData:
    """Return the body of a response. `responder_key`: SHA-1 over the responder's key bits. `life`: thisUpdate,
    nextUpdate.

    `statuses`: how each certificate was revoked, or None for a good one.
    """
    this_update, next_update = (moment.astimezone(UTC).replace(microsecond=0) for moment in life)
    lines = [
        {
            "cert_id": _asn1_id(each),
            "cert_status": _status(revoked),
            "this_update": this_update,
            "next_update": next_update,
        }
        for each, revoked in statuses
    ]
    responder = ocsp.ResponderId("by_key", responder_key)
    return ocsp.ResponseData({"responder_id": responder, "produced_at": this_update, "responses": lines})


def signed_response(body: ocsp.ResponseData, signature: bytes) -> bytes:
    basic = ocsp.BasicOCSPResponse(
        {
            "tbs_response_data": body,
            "signature_algorithm": algos.SignedDigestAlgorithm(_SIGNATURE),
            "signature": signature,
        }
    )
    content = {"response_type": "basic_ocsp_response", "response": basic}
    return bytes(ocsp.OCSPResponse({"response_status": "successful", "response_bytes": content}).dump())


def make_failure(reason: str) -> bytes:
    """Return an unsigned response: `malformed_request`, `internal_error`, `try_later` or `unauthorized`."""
    return bytes(_Failure({"response_status": reason}).dump())


def _asn1_id(each: CertificateId) -> dict[str, Any]:
    return {
        "hash_algorithm": {"algorithm": each.algorithm},
        "issuer_name_hash": each.name_hash,
        "issuer_key_hash": each.key_hash,
        "serial_number": each.serial,
    }


def _status(revoked: Revoked | None) -> ocsp.CertStatus:
    if revoked is None:
        return ocsp.CertStatus("good", core.Null())
    info: dict[str, Any] = {"revocation_time": revoked.revoked_at.astimezone(UTC).replace(microsecond=0)}
    if revoked.reason != "unspecified":
        info["revocation_reason"] = revoked.reason
    return ocsp.CertStatus("revoked", ocsp.RevokedInfo(info))
