"""Master key, derived keys, sealed columns and lookup hashes."""

from __future__ import annotations

import stat
import threading
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag

from hub.store.encryption.cipher import Cipher
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.encryption.keys import Keys, key_id_of, make_sealing_key, retire_sealing_key


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


HERE, THERE = (EncryptedColumn("signer", "phone_sealed").at(UUID(int=number)) for number in (1, 2))


def rotated(folder: Path) -> tuple[Cipher, str]:
    """A cipher of the keys in this folder, and the id of a second sealing key there."""
    keys = Keys.load_or_create(folder / "master.key")
    return Cipher(keys), make_sealing_key(folder)


def test_sealed_values_open_with_their_key_alone_and_show_nothing() -> None:
    cipher, other = Cipher(Keys.derived_from(b"m" * 32)), Cipher(Keys.derived_from(b"n" * 32))
    for _ in range(2):  # unbound as earlier versions wrote it, and bound
        sealed = cipher.encrypt("340104198501010019", HERE)
        assert cipher.decrypt(sealed, HERE) == "340104198501010019"
        assert sealed != cipher.encrypt("340104198501010019", HERE)
        assert b"3401" not in sealed
        with pytest.raises(InvalidTag):
            other.decrypt(sealed, HERE)
        with pytest.raises(InvalidTag):
            cipher.decrypt(sealed[:-1] + bytes([sealed[-1] ^ 1]), HERE)
        assert cipher.decrypt_json(cipher.encrypt_json({"名": [1, None]}, HERE), HERE) == {"名": [1, None]}
        cipher.observe(key_id_of(cipher._keys.columns).hex(), False)


def test_a_bound_value_opens_in_its_own_row_and_column_alone(tmp_path: Path) -> None:
    cipher, key = rotated(tmp_path)
    cipher.observe(key, False)
    sealed = cipher.encrypt("+8619000000101", HERE)
    assert sealed.startswith(b"QS1" + bytes.fromhex(key)) and cipher.can_decrypt(sealed, HERE)
    for elsewhere in (THERE, EncryptedColumn("signer", "id_number_sealed").at(UUID(int=1))):
        assert not cipher.can_decrypt(sealed, elsewhere)
    bent = sealed[:5] + bytes([sealed[5] ^ 1]) + sealed[6:]  # another key's id
    assert not cipher.can_decrypt(bent, HERE)


def test_values_of_every_key_open_until_unbound_ones_are_refused(tmp_path: Path) -> None:
    cipher, key = rotated(tmp_path)
    unbound = cipher.encrypt("a", HERE)
    cipher.observe(key_id_of(cipher._keys.columns).hex(), False)
    first = cipher.encrypt("b", HERE)
    cipher.observe(key, False)
    assert [cipher.decrypt(each, HERE) for each in (unbound, first, cipher.encrypt("c", HERE))] == ["a", "b", "c"]
    cipher.observe(key, True)
    assert not cipher.can_decrypt(unbound, HERE) and cipher.can_decrypt(first, HERE)


def test_a_key_that_came_later_is_read_from_its_file(tmp_path: Path) -> None:
    cipher, _ = rotated(tmp_path)
    cipher.can_decrypt(cipher.encrypt("a", HERE), HERE)
    late, other = make_sealing_key(tmp_path), Cipher(Keys.load(tmp_path / "master.key"))
    other.observe(late, False)
    sealed = other.encrypt("b", HERE)
    assert cipher.decrypt(sealed, HERE) == "b"
    retire_sealing_key(tmp_path, late)
    assert Cipher(Keys.load(tmp_path / "master.key")).decrypt(sealed, HERE) == "b"
    (tmp_path / "retired" / f"columns-{late}.key").write_bytes(b"x" * 32)
    with pytest.raises(ValueError, match="does not hold the key in its name"):
        Cipher(Keys.load(tmp_path / "master.key")).decrypt(sealed, HERE)


def test_the_same_value_is_found_by_the_same_hash_of_its_kind() -> None:
    cipher = Cipher(Keys.derived_from(b"m" * 32))
    assert cipher.found_by("phone", "1") == cipher.found_by("phone", "1") != cipher.found_by("id-tail", "1")
    assert cipher.person("cn-id", "34010419850101001x") == cipher.person("cn-id", "34010419850101001X")
    assert cipher.person("cn-id", "P1234567") != cipher.person("passport", "P1234567")
