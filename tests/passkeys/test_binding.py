"""The passkey that a certificate names: written by the built-in authority, read strictly, and checked before
signing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import core, x509
from cryptography import x509 as crypto_x509

from hub.authorities import profile
from hub.tokens.softkey import SoftKey
from qianda.checks import PreparedFile, RefusedToSign, check_prepared
from qianda.confirmation import check_confirmation, packed
from qianda.der import NotDer
from qianda.passkey import WrongPasskey
from qianda.passkey_binding import PasskeyBinding, encode_extension, find_binding
from qianda.trust_marks import PASSKEY_BINDING_OID
from tests.client.prepared_parts import SHOWN, new_certificate, prepared_over
from tests.passkeys.authenticator import ORIGIN, Authenticator
from tests.signing_parts import ORGANISATION, Pki

pytestmark = pytest.mark.custody
DOCS = Path(__file__).parents[2] / "docs"
REQUEST = b"1" + bytes(198)
DEVICE = Authenticator()
BINDING = PasskeyBinding.to(DEVICE.public_key, ORIGIN)
LIFE = timedelta(days=30)


async def certificate_naming(binding: PasskeyBinding | None) -> bytes:
    pki = await Pki.make()
    return (await pki.authority.enrol(SoftKey.generate("s").spki, "王小明", "P-1", LIFE, binding)).certificate


async def certificate_saying(*extensions: bytes) -> bytes:
    """Return a certificate with these values of subjectDirectoryAttributes."""
    pki, subject = await Pki.make(), profile.name(ORGANISATION, "王小明", "P-1")
    said = [("subject_directory_attributes", False, core.ParsableOctetString(value)) for value in extensions]
    written = [*profile.signing_extensions(), *said]
    return (await pki.authority._issue(subject, SoftKey.generate("s").spki, LIFE, written)).certificate


async def test_the_built_in_authority_writes_it_where_it_is_asked_to() -> None:
    certificate = await certificate_naming(BINDING)
    assert find_binding(certificate) == BINDING
    (extension,) = [
        one
        for one in crypto_x509.load_der_x509_certificate(certificate).extensions
        if one.oid.dotted_string == "2.5.29.9"
    ]
    assert extension.critical is False and isinstance(extension.value, crypto_x509.UnrecognizedExtension)
    (attribute,) = x509.Attributes.load(extension.value.value, strict=True)
    assert attribute["type"].dotted == PASSKEY_BINDING_OID
    assert [value.dump() for value in attribute["values"]] == [BINDING.encode()]
    for silent in (await certificate_naming(None), new_certificate()):
        assert find_binding(silent) is None


async def test_a_long_origin_is_read_as_it_was_written() -> None:
    binding = PasskeyBinding("https://" + "a" * 200 + ".example", bytes(32))
    assert find_binding(await certificate_naming(binding)) == binding


def test_seal_and_timestamp_extensions_never_name_one() -> None:
    written = [*profile.signing_extensions(), *profile.timestamp_extensions()]
    assert "subject_directory_attributes" not in {name for name, _, _ in written}


def saying(*values: bytes) -> tuple[bytes]:
    return (encode_extension(*values),)


GOOD, OTHER = BINDING.encode(), PasskeyBinding(ORIGIN, bytes(32)).encode()
ATTRIBUTE = encode_extension(GOOD)
MALFORMED: dict[str, tuple[bytes, ...]] = {
    "cut": saying(GOOD[:-1]),
    "longer": saying(GOOD + b"\0"),
    "no value": saying(),
    "two values": saying(GOOD, OTHER),
    "a short hash": saying(PasskeyBinding(ORIGIN, bytes(31)).encode()),
    "another string": saying(GOOD.replace(b"\x16", b"\x0c", 1)),
    "not ASCII": saying(GOOD.replace(b"https", b"http\xff")),
    "more than two parts": saying(b"\x30" + bytes((GOOD[1] + 2,)) + GOOD[2:] + b"\x05\x00"),
    "something behind": (ATTRIBUTE + b"\0",),
    "two attributes": (b"\x30\x81" + bytes((2 * len(ATTRIBUTE) - 4,)) + 2 * ATTRIBUTE[2:],),
    "two extensions": (ATTRIBUTE, encode_extension(OTHER)),
}


@pytest.mark.parametrize("values", MALFORMED.values(), ids=MALFORMED)
async def test_what_cannot_be_read_is_neither_signed_with_nor_believed(values: tuple[bytes, ...]) -> None:
    certificate = await certificate_saying(*values)
    with pytest.raises(NotDer):
        find_binding(certificate)
    assert number_of_refusal(certificate, BINDING) == 3
    with pytest.raises(WrongPasskey):
        check_confirmation(packed(DEVICE.public_key, DEVICE.confirm(REQUEST)), REQUEST, certificate)


def number_of_refusal(certificate: bytes, passkey: PasskeyBinding | None) -> int | None:
    case = prepared_over(SHOWN, certificate)
    try:
        check_prepared(case.shown, PreparedFile(case.file, case.byte_range, case.to_be_signed), certificate, passkey)
    except RefusedToSign as refusal:
        return refusal.number
    return None


async def test_no_client_signs_with_a_certificate_that_names_a_passkey_of_somebody_else() -> None:
    named, silent = await certificate_naming(BINDING), await certificate_naming(None)
    assert number_of_refusal(named, BINDING) is number_of_refusal(silent, None) is None
    assert number_of_refusal(silent, BINDING) is None  # an authority that cannot name a passkey
    assert number_of_refusal(named, None) == 3
    assert number_of_refusal(named, PasskeyBinding.to(Authenticator().public_key, ORIGIN)) == 3
    assert number_of_refusal(named, PasskeyBinding.to(DEVICE.public_key, "https://other.example")) == 3


async def test_a_confirmation_counts_for_the_passkey_and_origin_that_are_named() -> None:
    value = packed(DEVICE.public_key, DEVICE.confirm(REQUEST))
    assert check_confirmation(value, REQUEST, await certificate_naming(BINDING)).bound is True
    assert check_confirmation(value, REQUEST, await certificate_naming(None)).bound is False
    for other, wrong in (
        (PasskeyBinding.to(Authenticator().public_key, ORIGIN), "another passkey"),
        (PasskeyBinding.to(DEVICE.public_key, "https://other.example"), "another origin"),
    ):
        with pytest.raises(WrongPasskey, match=wrong):
            check_confirmation(value, REQUEST, await certificate_naming(other))


def test_the_object_identifier_is_the_one_that_is_searched() -> None:
    name = core.ObjectIdentifier(PASSKEY_BINDING_OID).dump()
    certificate = name + bytes(16)
    with pytest.raises(NotDer):  # the attribute is found, and cannot be read
        find_binding(certificate)
    assert find_binding(bytes(40)) is None


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("native-apps.md", f"`{core.ObjectIdentifier(PASSKEY_BINDING_OID).dump().hex()}`"),
        ("browser-signing.md", f"`{PASSKEY_BINDING_OID}`"),
    ],
)
def test_the_pages_name_the_same_identifier(page: str, said: str) -> None:
    assert said in (DOCS / page).read_text("utf-8")
