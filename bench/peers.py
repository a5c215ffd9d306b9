"""Measure other programs that sign PDFs (pyHanko's command line, endesive and @signpdf) with an RSA key, which all
accept.

They are installed into a temporary folder. If that fails, the bench says so and leaves them out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID

from bench.pieces.school import BenchSchool, RsaSoftKey, issued_contract, private_der
from bench.pieces.stock import SEAL
from bench.pieces.trials import Ledger, UsedElsewhere, Work, interleaved, typical
from bench.pieces.warm_signer import warm_signer
from bench.results import Result
from bench.seal import FreshFile, ProductSeal

ROUNDS = 10
PROGRAMS = Path(__file__).with_name("peer_programs")
INSTALL_TIMEOUT = 600

log = logging.getLogger(__name__)


def run(rounds: int) -> Result:
    ledger = asyncio.run(_measured(rounds))
    works = list(dict.fromkeys(row["work"] for row in ledger))
    peers = [work for work in works if work != "ours"]
    figures = {f"ratio_{work}": typical(ledger, work) / typical(ledger, "ours") for work in peers}
    return Result("peers", figures | {f"ms_{work}": typical(ledger, work) * 1000 for work in works}, ledger)


@dataclass(frozen=True)
class PeersFolder:
    """The folder in which the peers are installed, with the contract that they sign and the identity that they use."""

    folder: Path

    @property
    def document(self) -> str:
        return str(self.folder / "document.pdf")

    @property
    def identity(self) -> str:
        return str(self.folder / "identity.p12")

    def put(self, school: BenchSchool, issued: bytes) -> None:
        """Write the files that the peers need."""
        key = school.rsa_private_key
        builder = PrivateFormat.PKCS12.encryption_builder().key_cert_algorithm(
            pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC  # what node-forge reads
        )
        sealed = builder.hmac_hash(hashes.SHA1()).build(b"1234")
        packed = pkcs12.serialize_key_and_certificates(b"seal", key, _certificate_of(key), None, sealed)
        Path(self.identity).write_bytes(packed)
        Path(self.document).write_bytes(issued)
        (self.folder / "key.der").write_bytes(private_der(key))
        for number, certificate in enumerate(school.rsa_seal.chain):
            (self.folder / f"certificate-{number}.der").write_bytes(certificate)

    def install_python_peers(self) -> str:
        """Install the peers, and return the interpreter that has them. Raises as subprocess does."""
        _run([sys.executable, "-m", "venv", str(self.folder / "venv")])
        python = str(self.folder / "venv" / "bin" / "python")
        _run([python, "-m", "pip", "install", "-q", "-r", str(PROGRAMS / "requirements.txt")])
        return python

    def install_node_peers(self) -> None:
        """Install the peers below `node_modules`. Raises as subprocess does."""
        (self.folder / "package.json").write_bytes((PROGRAMS / "package.json").read_bytes())
        _run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(self.folder)])

    async def sign_by_command(self, python: str) -> UsedElsewhere:
        """Run pyHanko's command line once. Its start is included, since every user of the command pays for it."""
        with (self.folder / "nothing").open("wb") as nothing:
            command = [python, "-m", "pyhanko", "sign", "addsig", "--field", SEAL, "--use-pades", "--existing-only"]
            command += ["pemder", "--no-pass", "--key", "key.der", "--cert", "certificate-0.der"]
            command += ["document.pdf", "signed.pdf"]
            process = subprocess.Popen(command, cwd=self.folder, stdout=nothing, stderr=nothing)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError("pyHanko's command line did not sign")
        return UsedElsewhere(used.ru_utime + used.ru_stime)


def _certificate_of(key: rsa.RSAPrivateKey) -> x509.Certificate:
    """Return a certificate signed by the key itself: node-forge cannot read a certificate that an EC key signed."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Seal")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    now = datetime.now(UTC)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=INSTALL_TIMEOUT)


async def _measured(rounds: int) -> Ledger:
    school, issued = await BenchSchool.make(), issued_contract()
    ours = ProductSeal(school, RsaSoftKey(school.rsa_private_key), school.rsa_seal.chain)
    file = FreshFile(issued)
    works: dict[str, Work] = {"ours": lambda: ours.plain(file.content)}
    with contextlib.ExitStack() as stack:
        place = PeersFolder(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qianda-peers-"))))
        place.put(school, issued)
        works |= _python_works(place, stack) | _node_works(place, stack)
        return await interleaved(works, rounds, before_each=file.renew)


def _python_works(place: PeersFolder, stack: contextlib.ExitStack) -> dict[str, Work]:
    try:
        python = place.install_python_peers()
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("peers: pyHanko's command line and endesive are left out: %s", error)
        return {}
    command = [python, str(PROGRAMS / "sign_with_endesive.py"), place.document, place.identity]
    endesive = stack.enter_context(warm_signer(command, place.folder))
    return {"pyhanko_command": lambda: place.sign_by_command(python), "endesive": endesive.sign}


def _node_works(place: PeersFolder, stack: contextlib.ExitStack) -> dict[str, Work]:
    try:
        place.install_node_peers()
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("peers: @signpdf is left out: %s", error)
        return {}
    command = ["node", str(PROGRAMS / "sign_with_signpdf.mjs"), place.document, place.identity]
    return {"signpdf": stack.enter_context(warm_signer(command, place.folder)).sign}
