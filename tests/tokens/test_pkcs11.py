"""Keys on a real SoftHSM2 token. Every program runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.tokens import softhsm
from hub.web.pages.doctor_words import say_found
from tests.catalogues import catalogues

InChild = Callable[[str], str]
PROXIES = ("/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so", "/usr/lib/aarch64-linux-gnu/p11-kit-proxy.so")

OPENING = """
import asyncio, os, pathlib
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hub.errors import TokenUnavailable
from hub.tokens.pkcs11 import Pkcs11Token
from hub.tokens.softhsm import create_token

folder = pathlib.Path(FOLDER)
create_token(folder, "school", "2468")
token = Pkcs11Token(MODULE, "school", "2468")

def verify(key, signature, message):
    public = serialization.load_der_public_key(key.spki)
    assert isinstance(public.curve, ec.SECP256R1)
    public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
"""


def test_signs_in_eight_threads_twenty_times_without_a_crash(in_child: InChild) -> None:
    printed = in_child(
        OPENING
        + """
async def one(key, number):
    for turn in range(10):
        message = f"{number}/{turn}".encode()
        verify(key, await key.sign(message), message)

async def main():
    key = await token.generate_key("seal")
    for _round in range(20):
        await asyncio.gather(*(one(key, number) for number in range(8)))

asyncio.run(main())
print("done")
"""
    )
    assert printed == "done\n"


@pytest.fixture
def through_the_proxy(in_child: InChild) -> InChild:
    """Return a runner that reaches the same token through p11-kit's proxy, which stands for all modules of a
    machine."""
    proxy = next((path for path in PROXIES if Path(path).exists()), None)
    if proxy is None:
        pytest.skip("p11-kit's proxy is not installed: apt-get install p11-kit-modules")
    return lambda program: in_child(f"MODULE = {proxy!r}\n" + program)


@pytest.mark.custody
def test_signs_in_eight_threads_through_p11_kits_proxy(through_the_proxy: InChild) -> None:
    printed = through_the_proxy(
        OPENING
        + """
async def one(key, number):
    for turn in range(25):
        message = f"{number}/{turn}".encode()
        verify(key, await key.sign(message), message)

async def main():
    key = await token.generate_key("seal")
    await asyncio.gather(*(one(key, number) for number in range(8)))
    os.rename(folder / "tokens", folder / "gone")
    try:
        await key.sign(b"meanwhile")
    except TokenUnavailable:
        print("away")
    os.rename(folder / "gone", folder / "tokens")
    verify(key, await key.sign(b"after"), b"after")

asyncio.run(main())
print("done")
"""
    )
    assert printed == "away\ndone\n"


def test_a_key_is_made_once_and_found_again(in_child: InChild) -> None:
    in_child(
        OPENING
        + """
async def main():
    assert not await token.has_key("seal")
    made = await asyncio.gather(*(token.generate_key("seal") for _ in range(4)))
    assert len({key.spki for key in made}) == 1
    assert await token.has_key("seal") and (await token.key("seal")).spki == made[0].spki
    pathlib.Path(FOLDER, "spki").write_bytes(made[0].spki)

asyncio.run(main())
"""
    )
    in_child(
        OPENING
        + """
async def main():
    key = await token.generate_key("seal")
    assert key.spki == pathlib.Path(FOLDER, "spki").read_bytes()
    verify(key, await key.sign(b"again"), b"again")
    try:
        await token.key("another")
    except TokenUnavailable as error:
        assert "no key 'another'" in str(error)
    else:
        raise SystemExit("a key that is not there was found")

asyncio.run(main())
"""
    )


def test_the_private_key_cannot_be_taken_out(in_child: InChild) -> None:
    in_child(
        OPENING
        + """
import pkcs11
asyncio.run(token.generate_key("seal"))
session = pkcs11.lib(MODULE).get_token(token_label="school").open()
key = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, label="seal")
assert key[pkcs11.Attribute.SENSITIVE] and not key[pkcs11.Attribute.EXTRACTABLE]
try:
    key[pkcs11.Attribute.VALUE]
except pkcs11.exceptions.PKCS11Error:
    pass
else:
    raise SystemExit("the private key was given out")
"""
    )


def test_a_vanished_token_is_reported_and_used_again_when_it_is_back(in_child: InChild) -> None:
    in_child(
        OPENING
        + """
async def main():
    key = await token.generate_key("seal")
    await key.sign(b"before")
    os.rename(folder / "tokens", folder / "gone")
    for _ in range(3):
        try:
            await key.sign(b"meanwhile")
        except TokenUnavailable as error:
            assert error.retry and "away" in str(error)
        else:
            raise SystemExit("signed without a token")
    os.rename(folder / "gone", folder / "tokens")
    signed = await asyncio.gather(*(key.sign(b"after") for _ in range(8)))
    for signature in signed:
        verify(key, signature, b"after")

asyncio.run(main())
"""
    )


def test_two_tokens_of_one_module_survive_the_reset_that_one_of_them_needs(in_child: InChild) -> None:
    in_child(
        OPENING
        + """
create_token(folder, "authority", "1357")
other = Pkcs11Token(MODULE, "authority", "1357")

async def main():
    seal, root = await token.generate_key("seal"), await other.generate_key("root")
    stranger = Pkcs11Token(MODULE, "nobody", "1")
    for _ in range(3):
        missing, signature = await asyncio.gather(stranger.has_key("x"), root.sign(b"m"), return_exceptions=True)
        assert isinstance(missing, TokenUnavailable)
        verify(root, signature, b"m")
        verify(seal, await seal.sign(b"n"), b"n")

asyncio.run(main())
"""
    )


def test_a_second_folder_of_tokens_is_refused_and_the_first_goes_on(in_child: InChild) -> None:
    """SoftHSM knows one folder at a time: the first token was away from the module's next reset on."""
    in_child(
        OPENING
        + """
from hub.tokens.softhsm import use_token

async def main():
    seal = await token.generate_key("seal")
    elsewhere = folder.with_name("elsewhere")
    (elsewhere / "tokens").mkdir(parents=True)
    for use in (use_token, lambda other: create_token(other, "other", "1357")):
        try:
            use(elsewhere)
        except TokenUnavailable as error:
            assert str(folder) in str(error), error
        else:
            raise SystemExit("the tokens of another folder were accepted")
    stranger = Pkcs11Token(MODULE, "nobody", "1")
    missing, = await asyncio.gather(stranger.has_key("x"), return_exceptions=True)  # resets the module
    assert isinstance(missing, TokenUnavailable)
    verify(seal, await seal.sign(b"m"), b"m")
    use_token(folder)

asyncio.run(main())
"""
    )


def test_a_wrong_pin_is_tried_once_only(in_child: InChild) -> None:
    printed = in_child(
        OPENING
        + """
async def main():
    wrong = Pkcs11Token(MODULE, "school", "9999")
    for _ in range(4):
        try:
            await wrong.has_key("seal")
        except TokenUnavailable as error:
            print(error)

asyncio.run(main())
"""
    )
    first, *later = printed.splitlines()
    assert "refuses the PIN" in first
    assert len(later) == 3
    assert later == [first] * 3
    assert "9999" not in printed


OF_A_HUB = """
from datetime import UTC, datetime
from hub.installation.token import open_token
from hub.settings import Settings

def of_a_hub(pin):
    settings = Settings.load(data=folder.parent, token={"module": MODULE, "label": "school", "pin": pin})
    return open_token(settings, lambda: datetime.now(UTC)).tokens["school"]

async def ask(pin):
    try:
        print(await of_a_hub(pin).has_key("seal"))
    except TokenUnavailable as error:
        print(error)
"""


def test_no_other_process_tries_a_pin_that_was_refused(in_child: InChild, tmp_path: Path) -> None:
    """Otherwise web, workers and their restarts use up the few tries of a real token, and it locks itself."""
    # After the refusal the token would take it. So whoever is refused has not tried it.
    change = 'token._module.find_token("school").open(user_pin="2468", rw=True).set_pin("2468", "9999")'
    first = in_child(f'{OPENING}{OF_A_HUB}asyncio.run(ask("9999")); {change}')
    assert "refuses the PIN" in first and "correct the PIN" in first
    (file,) = (tmp_path / "refused-pins").iterdir()
    tries = 'asyncio.run(ask("9999")); asyncio.run(ask("2468"))', f'os.unlink({str(file)!r}); asyncio.run(ask("9999"))'
    second, other, again = in_child(OPENING + OF_A_HUB + "; ".join(tries)).splitlines()
    assert "refused this PIN before" in second and f"delete {file}" in second
    assert "此前拒绝了这个 PIN" in say_found(second, catalogues().translator("zh"))
    assert "9999" not in first + second + file.name and "2468" not in file.name
    assert "refuses the PIN" in other and again == "False"


def test_a_token_that_is_locked_says_nothing_about_the_pin(in_child: InChild, tmp_path: Path) -> None:
    printed = in_child(
        OPENING
        + OF_A_HUB
        + """
from pkcs11.exceptions import PinLocked

def be_locked(opened):
    raise PinLocked

locked = of_a_hub("2468")
for job in (be_locked, print):
    try:
        locked._use(job)
    except TokenUnavailable as error:
        print(error)
asyncio.run(ask("2468"))
"""
    )
    first, later, last = printed.splitlines()
    assert "lets nobody in (PinLocked)" in first and later == first and last == "False"
    assert "refuses the PIN" not in printed
    assert not (tmp_path / "refused-pins").exists()


def test_the_loop_goes_on_while_the_token_works_and_a_slow_token_is_given_up(in_child: InChild) -> None:
    in_child(
        OPENING
        + """
import threading

async def main():
    await token.generate_key("seal")
    hurried = Pkcs11Token(MODULE, "school", "2468", deadline=0.05)
    release = threading.Event()
    try:
        await hurried._in_thread(release.wait)
    except TokenUnavailable as error:
        assert "did not answer" in str(error)
    else:
        raise SystemExit("waited for ever")
    release.set()

asyncio.run(main())
"""
    )


def test_creating_a_token_again_changes_nothing(in_child: InChild, tmp_path: Path) -> None:
    in_child(
        OPENING
        + """
before = sorted(path.name for path in folder.glob("tokens/*"))
create_token(folder, "school", "0000")
assert sorted(path.name for path in folder.glob("tokens/*")) == before and len(before) == 1
asyncio.run(token.generate_key("seal"))  # the PIN is still the first one
"""
    )
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o700


def test_authority_and_timestamps_work_with_keys_on_the_token(in_child: InChild) -> None:
    in_child(
        OPENING
        + """
import hashlib
from datetime import datetime, timezone
from cryptography import x509
from hub.authorities.builtin import BuiltinAuthority, make_root
from hub.timestamps.builtin import BuiltinTimestamps

def now():
    return datetime.now(timezone.utc)

async def main():
    root_key, tsa_key = await token.generate_key("root"), await token.generate_key("tsa")
    root = await make_root(root_key, now, "示范学校")
    authority = BuiltinAuthority(root_key, root, now, "示范学校", "https://sign.school.example")
    issued = await authority.enrol_timestamp(tsa_key.spki)
    x509.load_der_x509_certificate(issued.certificate).verify_directly_issued_by(x509.load_der_x509_certificate(root))
    (folder / "token.der").write_bytes(
        await BuiltinTimestamps(tsa_key, issued.chain, now).timestamp(hashlib.sha256(b"data").digest()))
    (folder / "root.der").write_bytes(root)
    (folder / "data").write_bytes(b"data")

asyncio.run(main())
import subprocess
pem = folder / "root.pem"
subprocess.run(["openssl", "x509", "-inform", "DER", "-in", folder / "root.der", "-out", pem], check=True)
subprocess.run(["openssl", "ts", "-verify", "-token_in", "-in", folder / "token.der", "-data", folder / "data",
                "-CAfile", pem], check=True, capture_output=True)
"""
    )


@pytest.mark.real
@pytest.mark.custody
def test_a_thousand_signatures_by_eight_signers_at_once_in_four_processes(in_child: InChild, tmp_path: Path) -> None:
    """As web processes and workers do, each process uses its own sessions on the one token."""
    in_child(OPENING + 'asyncio.run(token.generate_key("seal"))')
    program = f"FOLDER, MODULE = {str(tmp_path / 'token')!r}, {str(softhsm.module_path())!r}" + OPENING + SIGN_OFTEN
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ended = [(process.communicate(timeout=300)[0], process.returncode) for process in processes]
    assert ended == [("2 × 125\n", 0)] * 4


SIGN_OFTEN = """
async def one(key, number):
    for turn in range(125):
        message = f"{os.getpid()}/{number}/{turn}".encode()
        verify(key, await key.sign(message), message)

async def main():
    key = await token.key("seal")
    await asyncio.gather(*(one(key, number) for number in range(2)))

asyncio.run(main())
print("2 × 125")
"""
