"""The certificate of the school's seal, for a key that stays on its token: asked for, installed, renewed, looked at.

Where another certificate takes the old one's place, the file comes first, then the row in the database: killed in
between, every start is refused until `qianda init --renew`, which says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from hub.authorities.request import accept_certificate, certificate_request, read_certificates
from hub.bootstrap import BuiltinPki, load_pki, one_at_a_time, open_token, put_seal_down
from hub.errors import BadInput
from hub.initialise import renew
from hub.settings import Settings
from hub.wiring import Clock, Hub, utc_now
from qianda.verify.findings import Element, Reason, Word
from qianda.verify.reasons import OWNED_DECLARED, OWNED_TRIAL


@dataclass(frozen=True)
class SealStatus:
    """What can be said of the seal. `said`: the word and the reason that `qianda verify` gives for "exclusively owned",
    where the authority above is trusted."""

    subject: str
    issuer: str
    serial: int
    begins: datetime
    ends: datetime
    is_builtin: bool
    is_remote: bool
    said: tuple[Word, Reason]

    def lines(self) -> list[str]:
        kind = "of the built-in authority" if self.is_builtin else f"issued by {self.issuer}"
        where = "at a signing service" if self.is_remote else "on the token"
        word, reason = self.said
        return [
            f"seal of {self.subject}, {kind}; its key is {where}",
            f"serial number {self.serial:x}, valid from {self.begins:%Y-%m-%d} until {self.ends:%Y-%m-%d}",
            f"`qianda verify` will say of it: {Element.OWNED}: {word}. {reason.en} {reason.zh}",
        ]


def seal_status(hub: Hub) -> SealStatus:
    """Return what the certificate of the running configuration says."""
    seal = hub.services.sealing.seal
    certificate = x509.load_der_x509_certificate(seal.chain[0])
    is_builtin = seal.chain[-1] == hub.pki.authority.root
    return SealStatus(
        subject=_common_name(certificate.subject),
        issuer=_common_name(certificate.issuer),
        serial=certificate.serial_number,
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
        is_builtin=is_builtin,
        is_remote=seal.remote,
        said=(Word.NOT_SHOWN, OWNED_TRIAL) if is_builtin else (Word.DECLARED, OWNED_DECLARED),
    )


async def request_seal(settings: Settings, clock: Clock = utc_now) -> bytes:
    """Return a PKCS#10 request (PEM) for the seal's key, signed by it on the token.

    Raises BadInput where the key is at a signing service.
    """
    async with _opened(settings, clock) as pki:
        return await certificate_request(pki.seal_key, settings.school.name, settings.school.credit_code)


async def install_seal(
    settings: Settings, owner_dsn: str, files: Sequence[tuple[str, bytes]], clock: Clock = utc_now
) -> str:
    """Check the certificates in these files, by name, put the chain down and bind the database to it.

    Returns what was done, for people. Raises what `accept_certificate` raises, having changed nothing.
    """
    async with _opened(settings, clock) as pki:
        certificates = read_certificates(files)
        chain = await accept_certificate(certificates, pki.seal_key.spki, pki.authority.root, clock())
        if chain == pki.seal_chain:
            return "This certificate is the seal's already. Nothing was changed."
        async with one_at_a_time(settings):
            put_seal_down(settings, chain)
    return await renew(settings, owner_dsn, clock)


async def renew_builtin_seal(settings: Settings, owner_dsn: str, clock: Clock = utc_now) -> str:
    """Have the built-in authority certify the seal's key anew, and bind the database to that certificate.

    Returns what was done, for people. Raises BadInput where an outside authority issued the seal's certificate.
    """
    async with _opened(settings, clock) as pki:
        if pki.seal_chain[-1] != pki.authority.root:
            raise BadInput(
                "an outside authority issued the seal's certificate: run `qianda seal request`, have that authority "
                "issue a new one, and run `qianda seal install`",
                field="seal",
            )
        issued = await pki.authority.enrol_seal(pki.seal_key.spki, settings.school.name)
        async with one_at_a_time(settings):
            put_seal_down(settings, issued.chain[:1])
    return await renew(settings, owner_dsn, clock)


@asynccontextmanager
async def _opened(settings: Settings, clock: Clock) -> AsyncIterator[BuiltinPki]:
    if settings.seal:
        raise BadInput(
            "the seal's key is at a signing service, which gets its certificates itself ([seal] in the configuration)",
            field="seal",
        )
    token = open_token(settings)
    try:
        async with one_at_a_time(settings):
            pki = await load_pki(settings, token, clock)
        yield pki
    finally:
        token.close()


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
