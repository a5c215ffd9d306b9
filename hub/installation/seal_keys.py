"""Find the key of the school's seal: the configured one on the token, or one imported from a file (PKCS#12).

An imported key gets a label made from its public part. So the seal's certificate alone determines which key signs, and
there is one file to change when the seal changes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from hub.documents.signing.signature import certified_key
from hub.durable_files import write_durably
from hub.errors import WrongInstallation
from hub.installation.data_folder import master_key
from hub.settings import Settings
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.keys import Keys
from hub.tokens import SigningKey
from hub.tokens.several import SeveralTokens
from hub.tokens.softkey import SealingPrivateKey, SoftKey, public_key_info

BROUGHT_LABEL = "seal-{}"
# In the folder `authority`: an imported key that the token does not accept, encrypted with the master key.
SOFTWARE_KEY_FILE = "{}.key.sealed"


def is_brought(key: SigningKey) -> bool:
    """Return whether a key was imported from a file, of which copies may exist."""
    return key.label == brought_label(key.spki)


def brought_label(spki: bytes) -> str:
    return BROUGHT_LABEL.format(hashlib.sha256(spki).hexdigest()[:16])


async def find_seal_key(settings: Settings, token: SeveralTokens, certificate: bytes) -> SigningKey | None:
    """Return the key that belongs to the seal's certificate; None if there is none.

    Raises TokenUnavailable, and WrongInstallation for a key that was encrypted with another master key.
    """
    own, spki = await token.key(settings.token.seal_key), certified_key(certificate)
    if own.spki == spki:
        return own
    label = brought_label(spki)
    if _software_key(settings, label).exists():
        return SoftKey(label, _open_software_key(settings, label))
    if await token.has_key(label) and (key := await token.key(label)).spki == spki:
        return key
    return None


async def keep_brought_key(settings: Settings, token: SeveralTokens, key: SealingPrivateKey) -> SigningKey:
    """Import a key into the token; if the token does not accept this kind of key, keep it encrypted. It can be
    repeated.

    Raises TokenUnavailable if the token cannot be reached; then the key is not kept.
    """
    label = brought_label(public_key_info(key))
    if stored := await token.import_key(label, key):
        return stored
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sealed = _cipher(settings).encrypt_bytes(der, label.encode())
    write_durably(_software_key(settings, label), sealed)
    return SoftKey(label, key)


def _software_key(settings: Settings, label: str) -> Path:
    return settings.data / "authority" / SOFTWARE_KEY_FILE.format(label)


def _open_software_key(settings: Settings, label: str) -> SealingPrivateKey:
    path = _software_key(settings, label)
    try:
        key = load_der_private_key(_cipher(settings).decrypt_bytes(path.read_bytes(), label.encode()), None)
    except InvalidTag:
        raise WrongInstallation(f"{path} was encrypted under another master key: bring both from one backup") from None
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return key


def _cipher(settings: Settings) -> Cipher:
    return Cipher(Keys.load(master_key(settings.data)))
