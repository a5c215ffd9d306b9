"""A person's USB token: SoftHSM in a folder of its own, used by separate processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hub.tokens.softhsm import module_path

PIN, SO_PIN = "246813", "13572468"
_PUT = """
import sys, pkcs11
from pkcs11 import Attribute
from pkcs11.util.x509 import decode_x509_certificate
module, label, pin, identifier, *paths = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=label).open(user_pin=pin, rw=True) as session:
    for path in paths:
        own = {Attribute.TOKEN: True, Attribute.LABEL: 'c', Attribute.ID: bytes.fromhex(identifier)}
        session.create_object(decode_x509_certificate(open(path, 'rb').read()) | own)
"""


@dataclass
class UsbToken:
    folder: Path
    label: str = "我的签名Key"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    @property
    def module(self) -> str:
        return str(module_path())

    @classmethod
    def make(cls, folder: Path) -> UsbToken:
        (folder / "tokens").mkdir(parents=True)
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
        token = cls(folder)
        token._run("softhsm2-util", "--init-token", "--free", "--label", token.label, "--pin", PIN, "--so-pin", SO_PIN)
        return token

    def add(self, label: str) -> None:
        """Add another token to the same computer."""
        self._run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN)

    def put(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *chain: bytes, identifier: str = "a1") -> None:
        """Store a key with its certificate and those above it, as the maker of a card writes them."""
        pem = self.folder / "key.pem"
        form, no = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, no))
        self._run(
            "softhsm2-util",
            "--import",
            str(pem),
            "--token",
            self.label,
            "--label",
            "k",
            "--id",
            identifier,
            "--pin",
            PIN,
        )
        pem.unlink()
        paths = [self.folder / f"{identifier}-{number}.der" for number in range(len(chain))]
        for path, certificate in zip(paths, chain, strict=True):
            path.write_bytes(certificate)
        self._run(sys.executable, "-c", _PUT, self.module, self.label, PIN, identifier, *map(str, paths))

    def pull_out(self) -> None:
        shutil.rmtree(self.folder / "tokens")
        (self.folder / "tokens").mkdir()

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
