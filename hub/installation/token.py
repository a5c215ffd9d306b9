"""Open the configured tokens, or the one in the data folder, which `qianda init` creates."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from hub.durable_files import read_or_create
from hub.errors import TokenUnavailable
from hub.settings import Settings
from hub.settings.sections import OneTokenSettings
from hub.tokens.pins import REFUSED_PINS, PinRefusal, read_pin
from hub.tokens.pkcs11 import Pkcs11Token
from hub.tokens.several import SeveralTokens
from hub.tokens.sm2_pkcs11 import VendorMechanism
from hub.tokens.softhsm import create_token, module_path, use_token

if TYPE_CHECKING:  # it would load the whole database, which takes longer than to open a token
    from hub.store.transaction import Clock


def make_token(settings: Settings) -> None:
    """Create a SoftHSM token in the data folder, with a random PIN, unless a PKCS#11 module is configured."""
    if settings.token.module:
        return
    folder = _token_folder(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pin = settings.token.pin or read_or_create(folder / "pin", lambda: secrets.token_hex(16))
    create_token(folder, settings.token.label, pin)


def open_token(settings: Settings, clock: Clock) -> SeveralTokens:
    """Return the configured tokens; if no module is configured, the token in the data folder. Raises TokenUnavailable
    if there is none."""
    tokens = [_first_token(settings), *(_open(each, settings) for each in settings.token.more)]
    return SeveralTokens(tokens, clock)


def _first_token(settings: Settings) -> Pkcs11Token:
    token = settings.token
    if token.module:
        return _open(token, settings)
    folder = _token_folder(settings)
    if not (folder / "tokens").is_dir() or not (token.pin or (folder / "pin").exists()):
        raise TokenUnavailable(f"there is no token in {folder}: bring that folder back from a backup")
    use_token(folder)
    pin = token.pin or read_pin(folder / "pin", token.label)
    return _share_refusals(Pkcs11Token(module_path(), token.label, pin), pin, settings)


def _open(token: OneTokenSettings, settings: Settings) -> Pkcs11Token:
    pin = token.pin or read_pin(token.pin_file, token.label)
    return _share_refusals(Pkcs11Token(token.module, token.label, pin, sm2=_sm2_mechanism(token)), pin, settings)


def _share_refusals(token: Pkcs11Token, pin: str, settings: Settings) -> Pkcs11Token:
    token.refusal = PinRefusal(settings.data.resolve() / REFUSED_PINS, token.label, pin)
    return token


def _sm2_mechanism(token: OneTokenSettings) -> VendorMechanism | None:
    return None if token.sm2_mechanism is None else VendorMechanism(token.sm2_mechanism, token.sm2_takes_hash)


def _token_folder(settings: Settings) -> Path:
    return settings.data.resolve() / "token"
