"""An authority that speaks CMP (RFC 4210, RFC 9480), through `openssl cmp` in a child process.

    [authorities.campus_ca]
    kind = "cmp"
    server = "https://ca.example.org/pkix/"
    reference = "qianda"
    secret_file = "/run/secrets/cmp"
    chain = ["/etc/qianda/campus-ca.pem"]

The hub is a registration authority: it has checked the proof of possession itself (`POST key` of the signing protocol),
and tells the authority so (RAVERIFIED, RFC 4211, 4). It authenticates by a shared secret, or by its own certificate
(`certificate`, `key`); then the answers must be signed by a certificate below `trusted`.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from asn1crypto import pem
from pydantic import Field, SecretStr, model_validator

from hub.authorities import Authority, AuthorityContext, Issued
from hub.authorities.outside import OutsideAuthority, OutsideOptions, read_certificates
from hub.authorities.profile import acceptable_key, shorten_text
from hub.errors import AuthorityRefused, AuthorityUnavailable
from hub.rest_mapping import read_options
from qianda.passkey_binding import PasskeyBinding

SECRET_VARIABLE: Final = "QIANDA_CMP_SECRET"  # passed in the environment, since other users can read arguments
# Failure bits of PKIFailureInfo (RFC 4210, 5.2.3) with which an authority rejects this request. The other bits concern
# our account, the message or the server.
DECIDED_NO: Final = re.compile(
    r"PKIFailureInfo: [^\n]*\b(badCertTemplate|badPOP|badCertId|certRevoked|duplicateCertReq)"
)
REASONS: Final = {
    "unspecified": 0,
    "key_compromise": 1,
    "ca_compromise": 2,
    "affiliation_changed": 3,
    "superseded": 4,
    "cessation_of_operation": 5,
    "certificate_hold": 6,
    "privilege_withdrawn": 9,
}


class CmpOptions(OutsideOptions):
    """Options of an authority that speaks CMP.

    `command`: `cr`, or `ir` for some authorities. `profile`: the name of a certificate profile, if the authority has
    several. `tls_trusted`: authorities for the HTTPS server, if they are not among the system's.
    """

    server: str = Field(pattern=r"^(https?://)?[^?#@\s]+$")
    command: str = Field(default="cr", pattern="^(cr|ir)$")
    profile: str = ""
    reference: str = ""
    secret: SecretStr = SecretStr("")
    certificate: Path | None = None
    key: Path | None = None
    trusted: Path | None = None
    tls_trusted: Path | None = None

    @model_validator(mode="after")
    def _known_to_the_authority(self) -> CmpOptions:
        signed = self.certificate and self.key and self.trusted
        if not (signed or (self.reference and self.secret.get_secret_value())):
            raise ValueError("either reference and secret, or certificate, key and trusted have to be set")
        return self


def connect(options: Mapping[str, Any], context: AuthorityContext) -> Authority:
    """Return the authority. Raises ValueError that names the option."""
    return CmpAuthority(read_options(CmpOptions, options, f"authorities.{context.name}"), context)


class CmpAuthority(OutsideAuthority):
    def __init__(self, options: CmpOptions, context: AuthorityContext) -> None:
        super().__init__(options, context)
        self._cmp = options

    async def enrol(
        self, spki: bytes, common_name: str, pseudonym: str, lifetime: timedelta, passkey: PasskeyBinding | None = None
    ) -> Issued:
        acceptable_key(spki)
        with tempfile.TemporaryDirectory(prefix="qianda-cmp-") as name:
            folder = Path(name)
            (folder / "key.pem").write_bytes(pem.armor("PUBLIC KEY", spki))
            subject = f"/serialNumber={_escaped(pseudonym)}/CN={_escaped(shorten_text(common_name))}"
            wanted = [
                "-newkey",
                "key.pem",
                "-popo",
                "0",
                "-subject",
                subject,
                "-certout",
                "certificate.pem",
                "-days",
                str(max(lifetime.days, 1)),
            ]
            wanted += ["-profile", self._cmp.profile] if self._cmp.profile else []
            await self._run(folder, "-cmd", self._cmp.command, *wanted)
            try:
                certificates = read_certificates((folder / "certificate.pem").read_bytes())
            except (OSError, ValueError) as error:
                raise AuthorityUnavailable(f"{self.context.name}: no certificate came") from error
        return self.accepted(certificates, spki)

    async def revoke(self, certificate: bytes, reason: str) -> None:
        with tempfile.TemporaryDirectory(prefix="qianda-cmp-") as name:
            folder = Path(name)
            (folder / "old.pem").write_bytes(pem.armor("CERTIFICATE", certificate))
            code = str(REASONS.get(reason, 0))
            await self._run(folder, "-cmd", "rr", "-oldcert", "old.pem", "-revreason", code)

    async def check(self) -> str:
        with tempfile.TemporaryDirectory(prefix="qianda-cmp-") as name:
            await self._run(Path(name), "-cmd", "genm")
        return "answers"

    async def _run(self, folder: Path, *wanted: str) -> None:
        """Run one exchange within the deadline. Raises AuthorityRefused or AuthorityUnavailable.

        The errors contain no text of the authority, which may name the person.
        """
        program = await asyncio.create_subprocess_exec(
            "openssl",
            "cmp",
            "-config",
            "",
            "-batch",
            "-server",
            self._cmp.server,
            *self._credentials(),
            *wanted,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", os.defpath), SECRET_VARIABLE: self._cmp.secret.get_secret_value()},
        )
        try:
            async with asyncio.timeout(self._cmp.deadline):
                said, _ = await program.communicate()
        except TimeoutError as error:
            raise AuthorityUnavailable(f"{self.context.name}: no answer in {self._cmp.deadline} s") from error
        finally:
            if program.returncode is None:
                with suppress(ProcessLookupError):
                    program.kill()
                await program.wait()
        if program.returncode != 0:
            self._raise(said.decode("utf-8", "replace"))

    def _raise(self, said: str) -> None:
        if no := DECIDED_NO.search(said):
            raise AuthorityRefused(f"{self.context.name}: {no[1]}")
        bits = re.search(r"PKIFailureInfo: ([A-Za-z, ]+)", said)
        raise AuthorityUnavailable(f"{self.context.name}: {bits[1].strip() if bits else 'no usable answer'}")

    def _credentials(self) -> Sequence[str]:
        options = self._cmp
        given: list[str] = []
        if options.reference:
            given += ["-ref", options.reference, "-secret", f"env:{SECRET_VARIABLE}"]
        for name, path in (
            ("-cert", options.certificate),
            ("-key", options.key),
            ("-trusted", options.trusted),
            ("-tls_trusted", options.tls_trusted),
        ):
            if path is not None:
                given += [name, str(path.resolve())]
        if options.server.startswith("https://"):
            given.append("-tls_used")
        return given


def _escaped(text: str) -> str:
    """Escape a name for `openssl`, in which slash, plus, equals sign and backslash have a special meaning."""
    return re.sub(r"([\\/+=])", r"\\\1", text)
