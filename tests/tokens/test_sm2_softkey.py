"""An SM2 key in software: it signs, and shows its number to nobody by accident. (At rest: tests/sealing.)"""

from __future__ import annotations

from hub.tokens.sm2_softkey import Sm2SoftKey
from qianda import sm2


async def test_it_signs_and_is_called_what_it_is() -> None:
    key = Sm2SoftKey.generate("school-seal")
    again = Sm2SoftKey("school-seal", key.private_key, sm2.read_spki(key.spki) or b"")
    assert (again.label, again.spki, again.custody) == ("school-seal", key.spki, "software")
    assert sm2.verify(key.spki, b"message", await again.sign(b"message"))
    assert key.private_key.hex() not in repr(key) and repr(key.private_key) not in repr(key)
