"""An SM2 key in software: encrypted at rest, and called what it is."""

from __future__ import annotations

import json

import pytest

from hub.errors import TokenUnavailable
from hub.tokens.sm2_softkey import Sm2SoftKey
from qianda import sm2

PASSPHRASE = b"a passphrase of a school"


async def test_it_opens_with_its_passphrase_and_signs() -> None:
    key = Sm2SoftKey.generate("school-seal")
    opened = Sm2SoftKey.decrypt(key.encrypt(PASSPHRASE), PASSPHRASE)
    assert (opened.label, opened.spki, opened.custody) == ("school-seal", key.spki, "software")
    assert sm2.verify(key.spki, b"message", await opened.sign(b"message"))


def test_the_file_shows_no_key_and_a_wrong_passphrase_opens_nothing() -> None:
    key = Sm2SoftKey.generate("school-seal")
    file = key.encrypt(PASSPHRASE)
    private_key = key._private_key
    assert private_key not in file and private_key.hex().encode() not in file
    assert private_key.hex() not in repr(key)
    with pytest.raises(TokenUnavailable, match="wrong passphrase"):
        Sm2SoftKey.decrypt(file, PASSPHRASE + b"!")


def test_neither_label_nor_public_key_can_be_exchanged() -> None:
    file = json.loads(Sm2SoftKey.generate("school-seal").encrypt(PASSPHRASE))
    other = json.loads(Sm2SoftKey.generate("other").encrypt(PASSPHRASE))
    for changed in ({"label": "other"}, {"spki": other["spki"]}, {"kind": "x"}, {"salt": ""}, {"sealed": 7}):
        with pytest.raises(TokenUnavailable):
            Sm2SoftKey.decrypt(json.dumps(file | changed).encode(), PASSPHRASE)


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        Sm2SoftKey.generate("school-seal").encrypt(b"short")
