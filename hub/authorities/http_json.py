"""An authority with its own JSON API over HTTP, as licensed authorities in China have. A mapping describes the API.

    [authorities.szca]
    kind = "http_json"
    url = "https://ra.example.org/api"
    headers = { Authorization = "Bearer {secret}" }
    secret_file = "/run/secrets/szca"
    chain = ["/etc/qianda/szca.pem"]
    certificate = "data.certificate"
    [authorities.szca.enrol]
    path = "/certificates"
    body = { "applicant.name" = "{name}", "publicKey" = "{spki}", "days" = "{days:number}" }
    success = { "code" = ["0"] }

Placeholders of `enrol`: name, pseudonym, spki (base64 of DER), spki_pem, days. Of `revoke`: serial (decimal),
serial_hex, certificate (base64 of DER), reason. Certificates in answers may be PEM, base64 or hex of DER, or PKCS#7.

An authority that signs its API calls in its own way, or has the certificate some seconds after the order, needs a
module of its own in this package. One that demands a PKCS#10 request signed by the person's key cannot be used: that
key signs the proof of possession for the hub, and nothing else before the contract.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from asn1crypto import cms, pem

from hub.authorities import Authority, AuthorityContext, Issued
from hub.authorities.outside import OutsideAuthority, OutsideOptions, read_certificates
from hub.authorities.profile import acceptable_key
from hub.errors import AuthorityRefused, AuthorityUnavailable
from hub.rest_mapping import CallOptions, DecidedNo, JsonService, NotServed, ServiceOptions, find_value, read_options
from qianda.certificate_loading import load_certificate
from qianda.passkey_binding import PasskeyBinding

ENROL_BLANKS: Final = ("name", "pseudonym", "spki", "spki_pem", "days")
REVOKE_BLANKS: Final = ("serial", "serial_hex", "certificate", "reason")


class HttpJsonAuthorityOptions(OutsideOptions, ServiceOptions):
    """Options of an authority with a JSON API.

    `certificate`: the field of the answer that holds the certificate, or a PKCS#7 with it. Without `revoke`, the
    authority cannot be asked to revoke a certificate; without `health`, its state cannot be checked.
    """

    enrol: CallOptions
    certificate: str
    revoke: CallOptions | None = None
    health: CallOptions | None = None


def connect(options: Mapping[str, Any], context: AuthorityContext) -> Authority:
    """Return the authority. Raises ValueError that names the option."""
    read = read_options(HttpJsonAuthorityOptions, options, f"authorities.{context.name}")
    read.enrol.check_blanks(ENROL_BLANKS)
    if read.revoke:
        read.revoke.check_blanks(REVOKE_BLANKS)
    return HttpJsonAuthority(read, context)


class HttpJsonAuthority(OutsideAuthority):
    def __init__(self, options: HttpJsonAuthorityOptions, context: AuthorityContext) -> None:
        super().__init__(options, context)
        self._mapping = options
        self._service = JsonService(context.http, options)

    async def enrol(
        self, spki: bytes, common_name: str, pseudonym: str, lifetime: timedelta, passkey: PasskeyBinding | None = None
    ) -> Issued:
        acceptable_key(spki)
        answer = await self._call(
            self._mapping.enrol,
            {
                "name": common_name,
                "pseudonym": pseudonym,
                "spki": base64.b64encode(spki).decode(),
                "spki_pem": pem.armor("PUBLIC KEY", spki).decode(),
                "days": str(max(lifetime.days, 1)),
            },
        )
        try:
            certificates = certificates_of(find_value(answer, self._mapping.certificate))
        except (ValueError, TypeError) as error:
            raise AuthorityUnavailable(f"{self.context.name}: there is no certificate in the answer") from error
        return self.accepted(certificates, spki)

    async def revoke(self, certificate: bytes, reason: str) -> None:
        if self._mapping.revoke is None:
            raise AuthorityRefused(f"{self.context.name}: it is not configured how it revokes")
        serial = load_certificate(certificate).serial_number
        await self._call(
            self._mapping.revoke,
            {
                "serial": str(serial),
                "serial_hex": f"{serial:x}",
                "reason": reason,
                "certificate": base64.b64encode(certificate).decode(),
            },
        )

    async def check(self) -> str:
        if self._mapping.health is None:
            return "configured; its state cannot be checked"
        await self._call(self._mapping.health, {})
        return "answers"

    async def _call(self, call: CallOptions, blanks: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            return await self._service.call(call, blanks)
        except NotServed as error:
            raise AuthorityUnavailable(f"{self.context.name}: {error}") from error
        except DecidedNo as error:
            raise AuthorityRefused(f"{self.context.name}: {error}") from error


def certificates_of(value: Any) -> list[bytes]:
    """Return every certificate (DER) in a field: PEM, base64, hex or PKCS#7, one or a list. Raises ValueError."""
    if isinstance(value, list):
        return [der for each in value for der in certificates_of(each)]
    if not isinstance(value, str) or not value.strip():
        raise ValueError("no text")
    text = value.strip().encode()
    if pem.detect(text):
        kind, _, der = pem.unarmor(text)
        return _in_bag(der) if kind in ("PKCS7", "CMS") else read_certificates(text)
    der = _decoded(re.sub(r"\s+", "", value))
    try:
        return read_certificates(der)
    except ValueError:
        return _in_bag(der)


def _decoded(text: str) -> bytes:
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", text):
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("neither base64 nor hex") from error


def _in_bag(der: bytes) -> list[bytes]:
    content = cms.ContentInfo.load(der)
    if content["content_type"].native != "signed_data":
        raise ValueError("no bag of certificates")
    return [bytes(each.chosen.dump()) for each in content["content"]["certificates"]]
