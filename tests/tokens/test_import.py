"""Keys that were made elsewhere and go onto a real token."""

from __future__ import annotations

from collections.abc import Callable

OPENING = """
import asyncio, os, pathlib
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hub.tokens.pkcs11 import Pkcs11Token
from hub.tokens.softhsm import create_token
from hub.tokens.softkey import public_key_info

folder = pathlib.Path(FOLDER)
create_token(folder, "school", "2468")
"""


def test_an_imported_key_signs_and_is_found_again(in_child: Callable[[str], str]) -> None:
    printed = in_child(
        OPENING
        + """
import pkcs11

def check(key, signature):
    public = serialization.load_der_public_key(key.spki)
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())
    else:
        public.verify(signature, b"message", ec.ECDSA(hashes.SHA256()))

async def main():
    token = Pkcs11Token(MODULE, "school", "2468")
    made_elsewhere = {"p256": ec.generate_private_key(ec.SECP256R1()), "rsa": rsa.generate_private_key(65537, 2048)}
    for name, made in made_elsewhere.items():
        for _ in range(2):  # again: it is there
            stored = await token.import_key(name, made)
            assert stored.spki == public_key_info(made)
        found = await token.key(name)
        assert found.spki == stored.spki
        check(found, await found.sign(b"message"))
        print(name)
    with pkcs11.lib(MODULE).get_token(token_label="school").open() as session:  # the process is logged in
        for key in session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}):
            print(key[pkcs11.Attribute.SENSITIVE], key[pkcs11.Attribute.EXTRACTABLE])

asyncio.run(main())
"""
    )
    assert printed == "p256\nrsa\nTrue False\nTrue False\n"


def test_a_token_without_rsa_takes_no_rsa_key(in_child: Callable[[str], str]) -> None:
    printed = in_child(
        OPENING
        + """
path = folder / "softhsm2.conf"
path.write_text(path.read_text() + "slots.mechanisms = CKM_ECDSA,CKM_EC_KEY_PAIR_GEN\\n")
token = Pkcs11Token(MODULE, "school", "2468")
print(asyncio.run(token.import_key("rsa", rsa.generate_private_key(65537, 2048))), asyncio.run(token.has_key("rsa")))
"""
    )
    assert printed == "None False\n"


def test_a_seal_key_that_no_token_takes_is_kept_encrypted(in_child: Callable[[str], str]) -> None:
    printed = in_child(
        OPENING
        + """
from datetime import UTC, datetime, timedelta
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hub.installation.data_folder import master_key
from hub.documents.signing.signature import certified_key
from hub.errors import WrongInstallation
from hub.installation.seal_keys import find_seal_key, is_brought, keep_brought_key
from hub.settings import Settings
from hub.store.encryption.keys import Keys
from hub.tokens.softkey import SoftKey

path = folder / "softhsm2.conf"
path.write_text(path.read_text() + "slots.mechanisms = CKM_ECDSA,CKM_EC_KEY_PAIR_GEN\\n")
settings = Settings.load(data=folder / "data")
(settings.data / "authority").mkdir(parents=True)
Keys.load_or_create(master_key(settings.data))
made = rsa.generate_private_key(65537, 2048)
name, now = x509.Name([]), datetime.now(UTC)
builder = x509.CertificateBuilder(name, name, made.public_key(), 7, now, now + timedelta(days=1))
certificate = builder.sign(made, hashes.SHA256()).public_bytes(Encoding.DER)

async def main():
    token = Pkcs11Token(MODULE, "school", "2468")
    await token.generate_key("seal")
    assert await find_seal_key(settings, token, certificate) is None
    await keep_brought_key(settings, token, made)
    kept = await find_seal_key(settings, token, certificate)
    assert isinstance(kept, SoftKey) and is_brought(kept) and kept.spki == certified_key(certificate)
    made.public_key().verify(await kept.sign(b"message"), b"message", padding.PKCS1v15(), hashes.SHA256())
    (file,) = (settings.data / "authority").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    plain = made.private_numbers().d.to_bytes(256, "big")
    assert plain not in file.read_bytes()
    master_key(settings.data).write_bytes(bytes(32))
    try:
        await find_seal_key(settings, token, certificate)
    except WrongInstallation as error:
        print("refused")

asyncio.run(main())
"""
    )
    assert printed == "refused\n"
