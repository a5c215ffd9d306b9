"""SM2 by libcrypto and by gmssl-pyx: each accepts the other's signatures, and OpenSSL's program accepts both."""

from __future__ import annotations

import builtins
import ctypes
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import pem

from qianda import sm2
from qianda.sm2 import Engine, NoSm2
from qianda.sm2.libcrypto import load_libcrypto
from qianda.sm2.with_gmssl import GmsslEngine
from tests.judges import program, run

MESSAGE = "合同 HF-2026-000001".encode()


@pytest.fixture(params=["libcrypto", "gmssl-pyx"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "gmssl-pyx":
        return GmsslEngine()
    found = load_libcrypto()
    if found is None:
        pytest.skip("no libcrypto of OpenSSL 3")
    return found


def test_every_engine_accepts_what_the_other_signed(engine: Engine) -> None:
    private_key, point = engine.generate()
    for signing in (engine, GmsslEngine(), sm2.engine()):
        signature = signing.signer(private_key, point)(MESSAGE)
        assert engine.verify(point, MESSAGE, signature)
        assert sm2.verify(sm2.write_spki(point), MESSAGE, signature)


def test_openssl_accepts_it(engine: Engine, tmp_path: Path) -> None:
    private_key, point = engine.generate()
    (tmp_path / "key.pem").write_bytes(pem.armor("PUBLIC KEY", sm2.write_spki(point)))
    (tmp_path / "signature").write_bytes(engine.signer(private_key, point)(MESSAGE))
    (tmp_path / "message").write_bytes(MESSAGE)
    command: list[str | Path] = [program("openssl"), "dgst", "-sm3", "-verify", tmp_path / "key.pem", "-sigopt"]
    files: list[str | Path] = ["-signature", tmp_path / "signature", tmp_path / "message"]
    assert "Verified OK" in run(*command, f"distid:{sm2.DEFAULT_ID.decode()}", *files)
    other = [*map(str, command), "distid:somebody-else", *map(str, files)]
    assert subprocess.run(other, capture_output=True, check=False).returncode != 0


def test_another_message_key_or_value_is_refused(engine: Engine) -> None:
    private_key, point = engine.generate()
    signature = engine.signer(private_key, point)(MESSAGE)
    assert not engine.verify(point, MESSAGE + b"0", signature)
    assert not engine.verify(engine.generate()[1], MESSAGE, signature)
    assert not engine.verify(bytes(64), MESSAGE, signature)  # no point of the curve
    for at in range(len(signature)):
        changed = signature[:at] + bytes((signature[at] ^ 1,)) + signature[at + 1 :]
        assert not sm2.verify(sm2.write_spki(point), MESSAGE, changed)


def test_what_does_not_fit_is_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    engine = GmsslEngine()
    private_key, point = engine.generate()
    signature = engine.signer(private_key, point)(MESSAGE)
    assert not engine.verify(point, MESSAGE + b"0", signature) and not engine.verify(b"\1" * 64, MESSAGE, signature)
    print("still heard", file=sys.stderr)
    ctypes.CDLL(None).perror(b"C is still heard")
    err = capfd.readouterr().err
    assert "sm2" not in err and "still heard" in err and "C is still heard" in err


def test_a_raw_value_is_read_and_odd_numbers_are_not() -> None:
    private_key, point = sm2.engine().generate()
    signature = sm2.engine().signer(private_key, point)(MESSAGE)
    raw = b"".join(n.to_bytes(32, "big") for n in _numbers(signature))
    assert sm2.verify(sm2.write_spki(point), MESSAGE, raw)
    assert sm2.der_signature(signature + b"\0") is None
    assert sm2.der_signature(bytes.fromhex("3006020100020101")) is None  # zero
    assert sm2.der_signature(bytes.fromhex("30060201ff020101")) is None  # negative
    assert sm2.der_signature(bytes.fromhex("3007020200010201 01".replace(" ", ""))) is None  # not the shortest form


def _numbers(signature: bytes) -> tuple[int, int]:
    size = signature[3]
    return int.from_bytes(signature[4 : 4 + size], "big"), int.from_bytes(signature[6 + size :], "big")


def test_the_hash_that_a_token_signs_is_that_of_the_standard() -> None:
    """GB/T 32918.5-2017, annex A.2, gives the value for this key and message."""
    point = bytes.fromhex(
        "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
        "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
    )
    expected = "F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640"
    assert sm2.message_digest(point, b"message digest").hex().upper() == expected


def test_sm3_is_that_of_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """GB/T 32905-2016, annex A.1; also by gmssl-pyx, where Python's OpenSSL has no SM3."""
    expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert sm2.sm3(b"abc").hex() == expected

    def without_sm3(_name: str, _data: bytes) -> None:
        raise ValueError

    monkeypatch.setattr(hashlib, "new", without_sm3)
    assert sm2.sm3(b"abc").hex() == expected


def test_it_says_clearly_when_nothing_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: Callable[..., Any] = builtins.__import__

    def without_gmssl(name: str, *rest: Any) -> Any:
        if name.startswith(("gmssl_pyx", "qianda.sm2.with_gmssl")):
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr("qianda.sm2.libcrypto.load_libcrypto", lambda: None)
    monkeypatch.setattr(builtins, "__import__", without_gmssl)
    sm2.engine.cache_clear()
    try:
        with pytest.raises(NoSm2, match="pip install gmssl-pyx"):
            sm2.engine()
    finally:
        sm2.engine.cache_clear()
