"""SoftHSM empties a token's file before it writes it anew: who is killed in between must not lose the keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

START = """
import asyncio, pathlib
from hub.tokens.pkcs11 import Pkcs11Token
from hub.tokens.softhsm import create_token

create_token(pathlib.Path(FOLDER), "school", "2468")
print(asyncio.run(Pkcs11Token(MODULE, "school", "2468").generate_key("seal")).spki.hex())
"""

REFUSED = """
import pathlib
from hub.errors import TokenUnavailable
from hub.tokens.softhsm import undisturbed, use_token

use_token(pathlib.Path(FOLDER))
try:
    with undisturbed():
        print("logs in")
except TokenUnavailable as error:
    print(error)
"""


def token_file(folder: Path) -> Path:
    (file,) = folder.glob("tokens/*/token.object")
    return file


def test_an_emptied_token_is_put_back_with_its_keys(in_child: Callable[[str], str], tmp_path: Path) -> None:
    first = in_child(START)
    in_child(START)  # the copy is that of the last login
    for _ in range(2):
        token_file(tmp_path / "token").write_bytes(b"")
        noted, key = in_child(START).splitlines()
        assert ("token put back" in noted, key) == (True, first.strip())
    assert token_file(tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_nobody_logs_in_if_the_file_cannot_be_kept(in_child: Callable[[str], str], tmp_path: Path) -> None:
    in_child(START)
    file = token_file(tmp_path / "token")
    content, copy = file.read_bytes(), tmp_path / "token" / f"{file.parent.name}.copy"
    copy.unlink()
    copy.mkdir()  # nothing can be written there, as on a full disk
    assert "cannot be kept safe" in in_child(REFUSED)
    assert file.read_bytes() == content
