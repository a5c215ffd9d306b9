"""Web processes and workers start at the same moment, with one data folder and one token in files."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest
from pkcs11.exceptions import PKCS11Error

from hub.installation.pki import load_pki, lock_installation, make_pki
from hub.installation.token import make_token, open_token
from hub.settings import Settings
from hub.tokens.module import Module
from hub.tokens.softhsm import create_token, module_path, undisturbed
from tests.checkout import ROOT
from tests.gated_program import gated

pytestmark = pytest.mark.real

LABEL, PIN = "shared", "123456"
TIMES = 60
CREATE = "import sys; from pathlib import Path; from hub.tokens.softhsm import create_token; "
CREATE += "create_token(Path(sys.argv[1]), sys.argv[2], sys.argv[3])"


def initialise_and_look(folder: Path) -> list[str]:
    """Initialise the module again and again, as a starting process does. Return the errors."""
    create_token(folder, LABEL, PIN)
    module, wrong = Module(str(module_path())), []
    for generation in range(TIMES):
        module.reset(generation, 10)
        try:
            with undisturbed():
                module.find_token(LABEL)
        except PKCS11Error as error:
            wrong.append(repr(error))
    return wrong


def log_in(folder: Path) -> list[str]:
    """Log in again and again, as a running process does that lost its sessions. Return the errors."""
    create_token(folder, LABEL, PIN)
    module, wrong = Module(str(module_path())), []
    for _ in range(3 * TIMES):
        try:
            with undisturbed():
                module.find_token(LABEL).open(user_pin=PIN).close()
        except PKCS11Error as error:
            wrong.append(repr(error))
    return wrong


def first_start(data: Path) -> list[str]:
    """Start for the first time, and return the certificates and keys that the process has."""

    async def start() -> list[str]:
        settings = Settings.load(data=data)
        async with lock_installation(settings):
            make_token(settings)
            token = open_token(settings, lambda: datetime.now(UTC))
            await make_pki(settings, token, lambda: datetime.now(UTC))
            pki = await load_pki(settings, token, lambda: datetime.now(UTC))
        token.close()
        return [hashlib.sha256(each).hexdigest() for each in (pki.authority.root, *pki.seal_chain, pki.seal_key.spki)]

    return asyncio.run(start())


def at_once(acts: Sequence[Callable[[Path], list[str]]], folder: Path) -> list[list[str]]:
    with ProcessPoolExecutor(len(acts), mp_context=get_context("spawn")) as pool:
        return [done.result() for done in [pool.submit(act, folder) for act in acts]]


def test_a_process_that_starts_does_not_miss_the_token_while_another_logs_in(tmp_path: Path) -> None:
    assert at_once([initialise_and_look, log_in], tmp_path / "token") == [[], []]


def test_a_start_waits_for_the_token_that_a_killed_one_was_making(tmp_path: Path) -> None:
    gate, environment = gated(tmp_path, "softhsm2-util", "--init-token")
    folder = tmp_path / "token"
    command = [sys.executable, "-c", CREATE, str(folder), LABEL, PIN]
    first = subprocess.Popen(command, env=environment, cwd=ROOT)
    with gate.open("w"):
        first.kill()
        first.wait()
        with (folder / "in-use.lock").open("a") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    subprocess.run(command, cwd=ROOT, check=True)
    assert len([each for each in (folder / "tokens").iterdir() if each.is_dir()]) == 1


def test_all_processes_of_a_first_start_have_the_same_keys_and_certificates(tmp_path: Path) -> None:
    first, *others = at_once([first_start] * 3, tmp_path)
    assert others == [first, first]
