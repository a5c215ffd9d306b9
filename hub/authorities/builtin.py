"""The built-in authority, for trial and internal use. Its root key is where the configuration says, usually on a
token."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from asn1crypto import x509

from hub.authorities import CLOCK_TOLERANCE, CertificateStatus, Clock, Issued, Revoked, ocsp, profile
from hub.authorities.profile import Extension
from hub.errors import BadInput
from qianda.certificate_loading import load_certificate
from qianda.passkey_binding import PasskeyBinding

ROOT_LIFE: Final = timedelta(days=20 * 365)
SIGNER_LIFE: Final = timedelta(days=30)
SEAL_LIFE: Final = timedelta(days=3 * 365)
TIMESTAMP_LIFE: Final = timedelta(days=10 * 365)
# A CRL must end before the certificates that it covers, because later validation is done as of the CRL's last moment.
REVOCATION_LIST_LIFE: Final = timedelta(days=7)
REVOCATION_LIST_PATH: Final = "/authority/revoked.crl"
STATUS_LIFE: Final = timedelta(hours=12)  # of an OCSP answer
ROOT_PATH: Final = "/authority/root.cer"
STATUS_PATH: Final = "/authority/ocsp"


class AuthorityKey(Protocol):
    """What the authority needs from its key; see `hub.tokens`."""

    @property
    def spki(self) -> bytes: ...

    async def sign(self, message: bytes) -> bytes: ...


def new_serial() -> int:
    """Return a serial number: positive, unpredictable, at most 20 bytes in DER (RFC 5280, 4.1.2.2)."""
    return secrets.randbits(158) | 1 << 158


async def make_root(key: AuthorityKey, clock: Clock, organisation: str) -> bytes:
    """Return the self-signed root certificate (DER), valid for 20 years. Call it once: each call makes another root."""
    subject = profile.name(organisation, f"{profile.shorten_text(organisation, 40)} Root")
    life = (clock() - CLOCK_TOLERANCE, clock() + ROOT_LIFE)
    body = profile.certificate_body(
        subject, profile.KeyHolder(subject, key.spki), new_serial(), life, profile.root_extensions(key.spki)
    )
    return profile.signed(body, await key.sign(body))


class BuiltinAuthority:
    """The built-in authority: one root, the certificates below it, and statements about which of them are revoked.

    Methods raise TokenUnavailable if its key cannot be reached.
    """

    trial = True

    def __init__(self, key: AuthorityKey, root: bytes, clock: Clock, organisation: str, public_origin: str) -> None:
        """Use a `root` made by `make_root` for this key. `public_origin`: like https://sign.example. Raises ValueError
        if the root is not for this key."""
        self.root = root
        self._root = x509.Certificate.load(root)
        if self._root.public_key.dump() != key.spki:
            raise ValueError("the root certificate is not for this key")
        self._key, self._clock, self._organisation = key, clock, organisation
        self._list = b""
        self._listed: tuple[datetime, datetime, tuple[Revoked, ...]] | None = None
        """When the kept CRL was made, when it ends, and what is in it."""
        self._addresses = profile.PublicAddresses(
            public_origin + REVOCATION_LIST_PATH, public_origin + STATUS_PATH, public_origin + ROOT_PATH
        )

    @property
    def chain(self) -> tuple[bytes, ...]:
        return (self.root,)

    async def enrol(
        self,
        spki: bytes,
        common_name: str,
        pseudonym: str,
        lifetime: timedelta = SIGNER_LIFE,
        passkey: PasskeyBinding | None = None,
    ) -> Issued:
        """Issue a signer's certificate.

        It contains the person's name, a random pseudonym as serialNumber, and the only passkey that may confirm this
        key's signatures. Raises BadInput for a weak key.
        """
        subject = profile.name(self._organisation, common_name, pseudonym)
        return await self._issue(subject, spki, lifetime, profile.signing_extensions(passkey))

    async def enrol_seal(self, spki: bytes, organisation_name: str) -> Issued:
        """Issue the certificate of an organisation's seal. It states that it is for a seal; its common name is that of
        the organisation."""
        subject = profile.name(self._organisation, organisation_name)
        return await self._issue(subject, spki, SEAL_LIFE, profile.signing_extensions(), seal=True)

    async def enrol_timestamp(self, spki: bytes) -> Issued:
        """Issue the certificate of the built-in timestamp authority."""
        subject = profile.name(self._organisation, f"{profile.shorten_text(self._organisation, 40)} Timestamps")
        return await self._issue(subject, spki, TIMESTAMP_LIFE, profile.timestamp_extensions())

    async def revoke(self, certificate: bytes, reason: str) -> None:
        """Do nothing, because revocation lists and answers are made from the hub's own rows."""

    async def status(self, certificate: bytes, revoked: Sequence[Revoked] = ()) -> CertificateStatus:
        if not profile.issued_by(certificate, self.root):
            return CertificateStatus.UNKNOWN
        serial = load_certificate(certificate).serial_number
        return CertificateStatus.REVOKED if serial in {each.serial for each in revoked} else CertificateStatus.GOOD

    async def revocation_list(self, revoked: Sequence[Revoked], *, speaks_until: datetime | None = None) -> bytes:
        """Return the current CRL in DER, valid for seven days. Within one second, the unit of its times, it stays the
        same unless a certificate is revoked.

        `speaks_until`: the earliest end of a certificate for which this copy will be kept; the CRL then ends no later.
        Raises BadInput if that moment has passed.
        """
        now = self._clock()
        ends = now + REVOCATION_LIST_LIFE
        if speaks_until is not None:
            ends = min(ends, speaks_until)
        if ends <= now:
            raise BadInput("the certificate has expired: no revocation list can cover it")
        whole = now.replace(microsecond=0), ends.replace(microsecond=0), tuple(revoked)
        if whole != self._listed:
            body = profile.revocation_list_body(self._root.subject, self._key.spki, (now, ends), revoked)
            self._list, self._listed = profile.signed(body, await self._key.sign(body)), whole
        return self._list

    def is_asked(self, asked: ocsp.CertificateId) -> bool:
        """Return whether an OCSP request is about a certificate of this authority."""
        return asked.is_issued_by(self._root)

    async def answer(self, statuses: Iterable[tuple[ocsp.CertificateId, Revoked | None]]) -> bytes:
        """Return a signed OCSP response (DER). `statuses`: how each certificate was revoked, or None for a good one."""
        now = self._clock()
        body = ocsp.response_body(profile.key_identifier(self._key.spki), (now, now + STATUS_LIFE), statuses)
        return ocsp.signed_response(body, await self._key.sign(body.dump()))

    async def check(self) -> str:
        await self._key.sign(hashlib.sha256(b"is the key there").digest())
        return "the key signs; for trial and internal use"

    async def _issue(
        self,
        subject: x509.Name,
        spki: bytes,
        lifetime: timedelta,
        extensions: Sequence[Extension],
        *,
        seal: bool = False,
    ) -> Issued:
        now = self._clock().replace(microsecond=0)
        life = (now - CLOCK_TOLERANCE, min(now + lifetime, self._root.not_valid_after))
        common = profile.leaf_extensions(spki, self._key.spki, self._addresses, seal=seal)
        serial = new_serial()
        holder = profile.KeyHolder(subject, spki)
        body = profile.certificate_body(self._root.subject, holder, serial, life, [*common, *extensions])
        certificate = profile.signed(body, await self._key.sign(body))
        return Issued(certificate, (certificate, self.root), serial, *life)
