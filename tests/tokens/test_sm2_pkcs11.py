"""An SM2 key on a token, by a mechanism's number.

SoftHSM has no SM2. It has keys on the SM2 curve and ECDSA, whose number (0x1041) stands in for a vendor's: so the
number, the hash and the point can be seen to arrive, and a mechanism that makes no SM2 signature is noticed.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

InChild = Callable[[str], str]

OPENING = """
import asyncio, hashlib, pathlib
import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11.util.ec import encode_ecdsa_signature
from asn1crypto.core import ObjectIdentifier
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hub.errors import TokenUnavailable
from hub.tokens.pkcs11 import Pkcs11Token
from hub.tokens.sm2_pkcs11 import Sm2TokenKey, VendorMechanism
from hub.tokens.softhsm import create_token
from qianda import sm2

create_token(pathlib.Path(FOLDER), "school", "2468")
token = Pkcs11Token(MODULE, "school", "2468")
ECDSA, UNKNOWN = 0x1041, 0x80000100

async def refused(work):
    try:
        await work
    except TokenUnavailable as error:
        return str(error)
    raise AssertionError("not refused")
"""


def test_the_number_and_the_data_reach_the_token(in_child: InChild) -> None:
    printed = in_child(
        OPENING
        + """
async def main():
    key = await token.generate_key("p256")
    digest = hashlib.sha256(b"message").digest()
    raw = await token.sign_as_vendor("p256", digest, ECDSA)
    public = serialization.load_der_public_key(key.spki)
    public.verify(encode_ecdsa_signature(raw), digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    print(await refused(token.sign_as_vendor("p256", digest, UNKNOWN)))

asyncio.run(main())
"""
    )
    assert "MechanismInvalid" in printed


def test_what_is_no_sm2_signature_is_refused(in_child: InChild) -> None:
    printed = in_child(
        OPENING
        + """
async def main():
    await token.generate_key("p256")
    with token._module.calling() as generation:
        session = token._logged_in_session(generation, rw=True).session
        curve = {Attribute.EC_PARAMS: ObjectIdentifier("1.2.156.10197.1.301").dump()}
        domain = session.create_domain_parameters(KeyType.EC, curve, local=True)
        domain.generate_keypair(store=True, label="sm2", mechanism=Mechanism.EC_KEY_PAIR_GEN)
    key = await Sm2TokenKey.find(token, "sm2", VendorMechanism(ECDSA))
    assert sm2.read_spki(key.spki) is not None and key.custody == "token"
    for mechanism in (VendorMechanism(ECDSA), VendorMechanism(UNKNOWN), VendorMechanism(ECDSA, takes_hash=False)):
        key = await Sm2TokenKey.find(token, "sm2", mechanism)
        print(await refused(key.sign(b"message")))
    print(await refused(Sm2TokenKey.find(token, "nobody", VendorMechanism(ECDSA))))

asyncio.run(main())
"""
    )
    assert printed.count("makes no SM2 signature") + printed.count("is away") == 3
    assert "makes no SM2 signature" in printed
    assert "has no key 'nobody'" in printed


@pytest.mark.parametrize("stated", ["0441", ""])
def test_a_point_is_read_with_and_without_its_frame(stated: str) -> None:
    from hub.tokens.sm2_pkcs11 import _bare_point

    point = bytes(range(64))
    assert _bare_point(bytes.fromhex(stated) + b"\4" + point) == point
    assert _bare_point(point) == point
    assert _bare_point(point[:-1]) is None
