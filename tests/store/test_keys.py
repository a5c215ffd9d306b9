"""Master key, derived keys, sealed columns and lookup hashes."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from hub.store.kernel.cipher import Cipher
from hub.store.kernel.keys import Keys


def test_the_master_key_is_made_once_for_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    made: list[Keys] = []
    threads = [threading.Thread(target=lambda: made.append(Keys.load_or_create(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8 and len(set(made)) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["master.key"]


def test_each_purpose_has_a_key_of_its_own() -> None:
    keys = Keys.derived_from(b"m" * 32)
    assert len({keys.link, keys.code, keys.columns, keys.lookup}) == 4
    assert Keys.derived_from(b"m" * 32) == keys != Keys.derived_from(b"n" * 32)


def test_a_master_key_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        Keys.load_or_create(path)


def test_sealed_values_open_with_their_key_alone_and_show_nothing() -> None:
    cipher, other = Cipher(Keys.derived_from(b"m" * 32)), Cipher(Keys.derived_from(b"n" * 32))
    sealed = cipher.seal("340104198501010019")
    assert cipher.open(sealed) == "340104198501010019"
    assert sealed != cipher.seal("340104198501010019")
    assert b"3401" not in sealed
    with pytest.raises(InvalidTag):
        other.open(sealed)
    with pytest.raises(InvalidTag):
        cipher.open(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert cipher.open_json(cipher.seal_json({"名": [1, None]})) == {"名": [1, None]}


def test_the_same_value_is_found_by_the_same_hash_of_its_kind() -> None:
    cipher = Cipher(Keys.derived_from(b"m" * 32))
    assert cipher.found_by("phone", "1") == cipher.found_by("phone", "1") != cipher.found_by("id-tail", "1")
    assert cipher.person("cn-id", "34010419850101001x") == cipher.person("cn-id", "34010419850101001X")
    assert cipher.person("cn-id", "P1234567") != cipher.person("passport", "P1234567")
