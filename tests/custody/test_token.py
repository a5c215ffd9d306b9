"""What the agent does with tokens of every kind: mechanisms, PINs, certificates, the address of the hub."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import KeyType, Mechanism, TokenFlag, exceptions as errors

from hub.errors import TokenUnavailable
from hub.tokens import softhsm
from qianda.agent.mechanisms import kind_to_generate, ways_for
from qianda.agent.pinned import Pinned, checked_origin, chosen_origin, read_pinned
from qianda.agent.token import TokenDevice
from qianda.agent.words import TEXTS, AgentTrouble, harmless, say
from tests.custody.outside_authority import OutsideAuthority, ec_key, person
from tests.custody.usb_token import PIN, UsbToken

pytestmark = pytest.mark.custody

SIGN_IN_EVERY_WAY = """
import sys
from pkcs11 import KeyType, Mechanism
from qianda.agent.mechanisms import SigningMechanism
from qianda.agent.token import plugged_in
from qianda.agent.words import AgentTrouble
(device,) = plugged_in(sys.argv[1])
device.read()
native = {
    KeyType.EC: SigningMechanism(Mechanism.ECDSA_SHA256, False),
    KeyType.RSA: SigningMechanism(Mechanism.SHA256_RSA_PKCS, False),
}
raw = {KeyType.EC: SigningMechanism(Mechanism.ECDSA, True), KeyType.RSA: SigningMechanism(Mechanism.RSA_PKCS, True)}
certificates = [one for one in device.certificates if not one.authority]
with device.logged_in(sys.argv[2]) as opened:
    for certificate in certificates:
        holder = opened.holder(certificate)
        kind = holder.key.key_type
        for ways in ([raw[kind]], [native[kind], raw[kind]]):  # SoftHSM has no ECDSA_SHA256: then the next one
            holder.ways = ways
            print(kind.name, len(holder.sign(b"message")))  # it has checked the value itself
    wrong = opened.holder(certificates[0])
    wrong.spki = certificates[1].spki
    try:
        wrong.sign(b"message")
    except AgentTrouble as trouble:
        print(trouble.name)
"""


def test_a_token_signs_by_whatever_mechanism_it_has(tmp_path: Path) -> None:
    try:
        softhsm.module_path()
    except TokenUnavailable as reason:
        pytest.skip(str(reason))
    token, authority = UsbToken.make(tmp_path / "usb"), OutsideAuthority("http://127.0.0.1:9")
    keys: list[ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey] = [ec_key(), rsa.generate_private_key(65537, 2048)]
    for number, key in enumerate(keys):
        token.put(key, authority.issue(key.public_key(), person("陈建国")), identifier=f"0{number}")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SIGN_IN_EVERY_WAY, token.module, PIN],
        env=token.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *signed, last = done.stdout.splitlines()
    assert sorted(signed) == ["EC 64", "EC 64", "RSA 256", "RSA 256"]
    assert last == "other-key"


def test_mechanisms_are_chosen_from_the_tokens_list() -> None:
    both = {Mechanism.ECDSA, Mechanism.ECDSA_SHA256, Mechanism.EC_KEY_PAIR_GEN, 0x80000001}
    assert [way.mechanism for way in ways_for(KeyType.EC, both)] == [Mechanism.ECDSA_SHA256, Mechanism.ECDSA]
    assert [way.raw for way in ways_for(KeyType.EC, {Mechanism.ECDSA})] == [True]
    assert kind_to_generate(both) is KeyType.EC
    assert kind_to_generate({Mechanism.RSA_PKCS, Mechanism.RSA_PKCS_KEY_PAIR_GEN}) is KeyType.RSA
    for kind, offered in ((KeyType.RSA, both), (KeyType.DSA, both), (KeyType.EC, set[Mechanism | int]())):
        with pytest.raises(AgentTrouble, match="no-mechanism"):
            ways_for(kind, offered)
    with pytest.raises(AgentTrouble, match="no-mechanism"):
        kind_to_generate({Mechanism.EC_KEY_PAIR_GEN})


@dataclass
class CardThatSays:
    """A token with these flags and nothing else. `gone`: it was pulled out."""

    flags: TokenFlag
    gone: bool = False

    @property
    def slot(self) -> CardThatSays:
        return self

    def get_token(self) -> CardThatSays:
        if self.gone:
            raise errors.TokenNotPresent
        return self


@pytest.mark.parametrize(
    ("error", "flags", "gone", "name", "left"),
    [
        (errors.PinIncorrect(), TokenFlag(0), False, "wrong-pin", "left-unknown"),
        (errors.PinIncorrect(), TokenFlag.USER_PIN_COUNT_LOW, False, "wrong-pin", "left-few"),
        (
            errors.PinLenRange(),
            TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_COUNT_LOW,
            False,
            "wrong-pin",
            "left-one",
        ),
        (errors.PinIncorrect(), TokenFlag.USER_PIN_LOCKED, False, "locked", None),
        (errors.PinIncorrect(), TokenFlag(0), True, "removed", None),
        (errors.PinLocked(), TokenFlag(0), False, "locked", None),
        (errors.PinExpired(), TokenFlag(0), False, "pin-expired", None),
        (errors.UserPinNotInitialized(), TokenFlag(0), False, "no-pin-set", None),
        (errors.DeviceRemoved(), TokenFlag(0), False, "removed", None),
        (errors.GeneralError(), TokenFlag(0), True, "removed", None),
        (errors.DeviceError("5"), TokenFlag(0), False, "device", None),
    ],
)
def test_what_a_token_answers_has_words(
    error: errors.PKCS11Error, flags: TokenFlag, gone: bool, name: str, left: str | None
) -> None:
    trouble = TokenDevice(cast(Any, CardThatSays(flags, gone))).trouble(error)
    assert (trouble.name, trouble.blanks.get("left")) == (name, left)


def test_every_text_is_in_both_languages_with_the_same_blanks() -> None:
    for name, (english, chinese) in TEXTS.items():
        blanks = {part.split("}")[0] for part in english.split("{")[1:]}
        assert blanks == {part.split("}")[0] for part in chinese.split("{")[1:]}, name
        values = dict.fromkeys(blanks, "\x1b[2J\u202ex")
        assert "\x1b" not in say("zh", name, **values) and "\u202e" not in say("en", name, **values)
    assert harmless("a\r\nb\tc\x07") == "a b c"


@pytest.mark.parametrize(
    "text",
    [
        "http://sign.example",
        "ftp://sign.example",
        "https://",
        "https://sign.example/path",
        "https://a@sign.example",
        "https://sign.example?x=1",
        "sign.example",
        "https://sign.example:port",
    ],
)
def test_what_is_no_address_of_a_hub(text: str) -> None:
    with pytest.raises(AgentTrouble, match="bad-origin"):
        checked_origin(text)


def test_what_is_pinned_wins(tmp_path: Path) -> None:
    assert checked_origin(" HTTPS://Sign.Example:443/ ") == "https://sign.example"
    file = tmp_path / "agent.toml"
    assert read_pinned(file) == Pinned(file)
    assert chosen_origin("", Pinned(file)) == ""
    file.write_text('origin = "https://sign.example"\n')
    pinned = read_pinned(file)
    assert chosen_origin("", pinned) == chosen_origin("https://sign.example/", pinned) == "https://sign.example"
    with pytest.raises(AgentTrouble, match="other-origin"):
        chosen_origin("https://sign.example.evil.example", pinned)
    for wrong in ("origin = ", 'pin = "1234"\n'):
        file.write_text(wrong)
        with pytest.raises(AgentTrouble, match="bad-config"):
            read_pinned(file)
