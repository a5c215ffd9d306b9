"""Request, install, renew and inspect the certificate of the school's seal. Its key stays on its token, or is imported
with the certificate (PKCS#12).

When a new certificate replaces the old one, the file is written first, then the row in the database. If it is killed in
between, every start is refused, with the advice to run `qianda init --renew`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from hub.authorities.request import accept_certificate, certificate_request, read_certificate_files
from hub.documents.signing.signature import certified_key
from hub.errors import BadInput
from hub.initialise import renew
from hub.installation.pki import BuiltinPki, load_pki, lock_installation, write_seal_certificate
from hub.installation.seal_keys import is_brought, keep_brought_key
from hub.installation.token import open_token
from hub.settings import Settings
from hub.tokens.pkcs12 import Pkcs12Content, read_pkcs12
from hub.tokens.several import SeveralTokens
from hub.tokens.softkey import public_key_info
from hub.wiring import Hub, utc_now
from qianda.certificate_facts import common_name
from qianda.certificate_loading import load_certificate
from qianda.verify.findings import Element, Reason, Word
from qianda.verify.reasons import OWNED_DECLARED, OWNED_TRIAL

UNCHANGED = "This certificate is the seal's already. Nothing was changed."


@dataclass(frozen=True)
class SealStatus:
    """The state of the seal. `said`: the word and the reason that `qianda verify` gives for "exclusively owned", if the
    authority above is trusted."""

    subject: str
    issuer: str
    serial: int
    begins: datetime
    ends: datetime
    is_builtin: bool
    is_remote: bool
    is_software: bool
    is_brought: bool
    said: tuple[Word, Reason]

    def lines(self) -> list[str]:
        kind = "of the built-in authority" if self.is_builtin else f"issued by {self.issuer}"
        word, reason = self.said
        return [
            f"seal of {self.subject}, {kind}; its key {self._where()}",
            f"serial number {self.serial:x}, valid from {self.begins:%Y-%m-%d} until {self.ends:%Y-%m-%d}",
            f"`qianda verify` will say of it: {Element.OWNED}: {word}. {reason.en}",
        ]

    def _where(self) -> str:
        if self.is_remote:
            return "is at a signing service"
        if self.is_software:
            return "is kept in software: encrypted, but no token protects it"
        return "was imported into the token; copies of its file may exist" if self.is_brought else "is on the token"


def seal_status(hub: Hub) -> SealStatus:
    """Return what the certificate of the running configuration says."""
    seal = hub.services.sealing.seal
    certificate = load_certificate(seal.chain[0])
    is_builtin = seal.chain[-1] == hub.pki.authority.root
    return SealStatus(
        subject=common_name(certificate.subject),
        issuer=common_name(certificate.issuer),
        serial=certificate.serial_number,
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
        is_builtin=is_builtin,
        is_remote=seal.remote,
        is_software=seal.software,
        is_brought=is_brought(seal.key),
        said=(Word.NOT_SHOWN, OWNED_TRIAL) if is_builtin else (Word.DECLARED, OWNED_DECLARED),
    )


async def request_seal(settings: Settings) -> bytes:
    """Return a PKCS#10 request (PEM) for the seal's key on the token, signed with that key.

    Raises BadInput if the key is at a signing service.
    """
    async with _opened(settings) as (_, token):
        key = await token.key(settings.token.seal_key)
        return await certificate_request(key, settings.school.name, settings.school.credit_code)


async def install_seal(settings: Settings, owner_dsn: str, files: Sequence[tuple[str, bytes]]) -> str:
    """Check the certificates in these files (by name), install the chain and bind the database to it.

    They have to be for the key that was made on the token, or for the seal's present key. Return what was done, as a
    sentence. Raises as `accept_certificate` does; then nothing was changed.
    """
    async with _opened(settings) as (pki, token):
        certificates = read_certificate_files(files)
        own = await token.key(settings.token.seal_key)
        certified = {certified_key(each) for each in certificates}
        spki = pki.seal_key.spki if pki.seal_key.spki in certified else own.spki
        chain = await accept_certificate(certificates, spki, pki.authority.root, utc_now())
        if chain == pki.seal_chain:
            return UNCHANGED
        async with lock_installation(settings):
            write_seal_certificate(settings, chain)
    return await renew(settings, owner_dsn)


@dataclass(frozen=True)
class Pkcs12File:
    """A file with a key and its certificates, and files with certificates above them, which it may lack, by name."""

    name: str
    data: bytes = field(repr=False)
    password: str = field(repr=False)
    above: Sequence[tuple[str, bytes]] = ()

    def read(self) -> Pkcs12Content:
        """Return the key, and the certificates from all files. Raises BadInput."""
        content = read_pkcs12(self.name, self.data, self.password)
        return replace(content, certificates=(*content.certificates, *read_certificate_files(self.above)))


async def check_pkcs12(file: Pkcs12File, own_root: bytes, now: datetime) -> tuple[Pkcs12Content, tuple[bytes, ...]]:
    """Return the content of the file, and the chain of its key's certificate. Raises BadInput, and as
    `accept_certificate` does."""
    content = file.read()
    spki = public_key_info(content.key)
    if spki not in {certified_key(each) for each in content.certificates}:
        raise BadInput(f"no certificate in {file.name} is for the key in it", field="file")
    return content, await accept_certificate(content.certificates, spki, own_root, now)


async def install_pkcs12(settings: Settings, owner_dsn: str, file: Pkcs12File) -> str:
    """Import the key in the file into the token, or keep it encrypted if the token does not accept it, and make its
    certificate that of the seal.

    Return what was done, as a sentence. Raises as `check_pkcs12` does; then nothing was changed.
    """
    async with _opened(settings) as (pki, token):
        content, chain = await check_pkcs12(file, pki.authority.root, utc_now())
        if chain == pki.seal_chain:
            return UNCHANGED
        # The key is kept first. If the process is killed afterwards, the key is there but unused.
        async with lock_installation(settings):
            await keep_brought_key(settings, token, content.key)
            write_seal_certificate(settings, chain)
    return await renew(settings, owner_dsn)


async def renew_builtin_seal(settings: Settings, owner_dsn: str) -> str:
    """Have the built-in authority renew the certificate of the seal's key, and bind the database to the new
    certificate.

    Return what was done, as a sentence. Raises BadInput if an outside authority issued the seal's certificate.
    """
    async with _opened(settings) as (pki, _):
        if pki.seal_chain[-1] != pki.authority.root:
            raise BadInput(
                "an outside authority issued the seal's certificate: run `qianda seal request`, have that authority "
                "issue a new one, and run `qianda seal install`",
                field="seal",
            )
        issued = await pki.authority.enrol_seal(pki.seal_key.spki, settings.school.name)
        async with lock_installation(settings):
            write_seal_certificate(settings, issued.chain[:1])
    return await renew(settings, owner_dsn)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[BuiltinPki, SeveralTokens]]:
    if settings.seal:
        raise BadInput(
            "the seal's key is at a signing service, which gets its certificates itself ([seal] in the configuration)",
            field="seal",
        )
    token = open_token(settings, utc_now)
    try:
        async with lock_installation(settings):
            pki = await load_pki(settings, token, utc_now)
        yield pki, token
    finally:
        token.close()
