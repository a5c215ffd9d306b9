"""A stranger checks a sealed OFD with `openssl` and `unzip` alone: the value, the hashes, the certificates."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from asn1crypto import pem, x509

from qianda import sm2
from qianda.ofd.values import read_value
from tests.judges import program, run
from tests.ofd.identities import Identities
from tests.ofd.plain import members_of

ID = ("-sigopt", f"distid:{sm2.DEFAULT_ID.decode()}")


def test_openssl_accepts_value_hashes_and_certificates(who: Identities, sealed: bytes, tmp_path: Path) -> None:
    openssl, members = program("openssl"), members_of(sealed)
    value = read_value(members["Doc_0/Signs/Sign_1/SignedValue.dat"], "value")
    assert value.seal is not None
    signed = {
        "seal": (value.certificate, value.signed, value.signature),
        "maker": (value.seal.maker, value.seal.signed[0], value.seal.signature),
    }
    for name, (certificate, message, signature) in signed.items():
        key = x509.Certificate.load(certificate).public_key.dump()
        (tmp_path / f"{name}.pem").write_bytes(pem.armor("PUBLIC KEY", key))
        (tmp_path / "message").write_bytes(message)
        (tmp_path / "signature").write_bytes(signature)
        files = ("-verify", tmp_path / f"{name}.pem", "-signature", tmp_path / "signature", tmp_path / "message")
        assert "Verified OK" in run(openssl, "dgst", "-sm3", *ID, *files)
    described = members["Doc_0/Signs/Sign_1/Signature.xml"].decode()
    references = re.findall(r'FileRef="/([^"]+)"><ofd:CheckValue>([^<]+)<', described)
    assert len(references) == len(members) - 3  # the list, and the seal's own two files
    for name, hashed in references[:3]:
        (tmp_path / "member").write_bytes(members[name])
        said = run(openssl, "dgst", "-sm3", tmp_path / "member").split()[-1]
        assert bytes.fromhex(said) == base64.b64decode(hashed)
    root = who.write_trust(tmp_path / "root.pem")
    (tmp_path / "leaf.pem").write_bytes(pem.armor("CERTIFICATE", who.seal_certificate))
    at = ("-attime", "1795750000")
    said = run(openssl, "verify", *at, "-vfyopt", ID[1], "-CAfile", root, tmp_path / "leaf.pem")
    assert said.strip().endswith("OK")
