"""A passkey's confirmation and registration: right ones, every kind of wrong one, and an outside library as witness."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

import cbor2
import pytest
import webauthn
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings, strategies as st
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException

from qianda.confirmation import check_confirmation, packed
from qianda.passkey import Assertion, WrongPasskey, challenge_of, check_assertion, read_registration, relying_party
from tests.client.prepared_parts import new_certificate
from tests.passkeys.authenticator import ORIGIN, PRESENT, SYNCED, VERIFIED, Authenticator, client_data, of_windows

pytestmark = pytest.mark.custody
REQUEST = b"1" + secrets.token_bytes(198)
CERTIFICATE = new_certificate()  # names no passkey
RP_ID = "sign.school.example"


def believed_by_webauthn(device: Authenticator, assertion: Assertion) -> bool:
    """Return whether py_webauthn accepts the same assertion."""
    credential = {
        "id": bytes_to_base64url(device.credential_id),
        "rawId": bytes_to_base64url(device.credential_id),
        "type": "public-key",
        "response": {
            "authenticatorData": bytes_to_base64url(assertion.authenticator_data),
            "clientDataJSON": bytes_to_base64url(assertion.client_data),
            "signature": bytes_to_base64url(assertion.signature),
        },
    }
    try:
        webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge_of(REQUEST),
            expected_rp_id=RP_ID,
            expected_origin=ORIGIN,
            credential_public_key=device.cose(),
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except WebAuthnException:
        return False
    return True


def believed(device: Authenticator, assertion: Assertion) -> bool:
    try:
        return check_assertion(device.public_key, REQUEST, assertion).origin == ORIGIN
    except WrongPasskey:
        return False


@pytest.mark.parametrize("device", [Authenticator(counter=7), of_windows()], ids=["P-256", "RSA"])
def test_a_right_confirmation_is_believed_by_both(device: Authenticator) -> None:
    assertion = device.confirm(REQUEST)
    confirmed = check_assertion(device.public_key, REQUEST, assertion)
    assert (confirmed.origin, confirmed.rp_id, confirmed.counter) == (ORIGIN, RP_ID, device.counter)
    assert believed_by_webauthn(device, assertion)


def test_what_an_authenticator_adds_in_extensions_is_taken() -> None:
    device = Authenticator(flags=PRESENT | VERIFIED | 0x80)
    plain = device.confirm(REQUEST)
    extended = device.signed(plain.authenticator_data + cbor2.dumps({"uvm": [[2, 4, 2]]}), plain.client_data)
    assert believed(device, extended) and believed_by_webauthn(device, extended)
    assert not believed(device, plain)  # its flags announce extensions, and there are none


def somebody_elses(device: Authenticator) -> Assertion:
    return Authenticator().confirm(REQUEST)


def cut(device: Authenticator) -> Assertion:
    right = device.confirm(REQUEST)
    return device.signed(right.authenticator_data[:36], right.client_data)


def turned_bit(device: Authenticator) -> Assertion:
    right = device.confirm(REQUEST)
    return replace(right, signature=right.signature[:-1] + bytes((right.signature[-1] ^ 1,)))


def not_over_these_data(device: Authenticator) -> Assertion:
    right = device.confirm(REQUEST)
    return replace(right, client_data=right.client_data.replace(b'"crossOrigin":false', b'"crossOrigin":false '))


def without_json(device: Authenticator) -> Assertion:
    return device.signed(device.confirm(REQUEST).authenticator_data, b"\xff{")


def flags(value: int) -> Callable[[Authenticator], Assertion]:
    return lambda device: replace(device, flags=value).confirm(REQUEST)


def at(origin: str) -> Callable[[Authenticator], Assertion]:
    def elsewhere(device: Authenticator) -> Assertion:
        right = device.confirm(REQUEST)
        return device.signed(right.authenticator_data, client_data("webauthn.get", challenge_of(REQUEST), origin))

    return elsewhere


WRONG: dict[str, Callable[[Authenticator], Assertion]] = {
    "another request": lambda device: device.confirm(REQUEST + b"x"),
    "another passkey": somebody_elses,
    "no user verification": flags(PRESENT),
    "nobody present": flags(VERIFIED),
    "backed up without being able to": flags(PRESENT | VERIFIED | 0x10),
    "another relying party": lambda device: replace(device, origin="https://evil.example").confirm(REQUEST),
    "a page of another site": at("https://evil.example"),
    "a registration": lambda device: device.confirm(REQUEST, kind="webauthn.create"),
    "inside a foreign page": lambda device: device.confirm(REQUEST, crossOrigin=True),
    "cut short": cut,
    "one bit": turned_bit,
    "other client data": not_over_these_data,
    "no JSON": without_json,
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_a_wrong_confirmation_is_refused(make: Callable[[Authenticator], Assertion]) -> None:
    device = Authenticator()
    assert not believed(device, make(device))


# Checks that py_webauthn leaves to its caller: where the page was embedded, and that the authenticator's flags make
# sense together.
LAXER = {"inside a foreign page", "backed up without being able to"}


@pytest.mark.parametrize("make", [make for name, make in WRONG.items() if name not in LAXER])
def test_the_outside_library_refuses_it_as_well(make: Callable[[Authenticator], Assertion]) -> None:
    device = Authenticator()
    assert not believed_by_webauthn(device, make(device))


@pytest.mark.parametrize("more", ["topOrigin", "type"])
def test_names_that_do_not_belong_or_stand_twice(more: str) -> None:
    device = Authenticator()
    right = device.confirm(REQUEST)
    said = right.client_data[:-1] + b',"%b":"webauthn.get"}' % more.encode()
    with pytest.raises(WrongPasskey):
        check_assertion(device.public_key, REQUEST, device.signed(right.authenticator_data, said))


def test_only_names_with_https_and_localhost_have_passkeys() -> None:
    assert relying_party("https://sign.school.example:8443") == "sign.school.example"
    assert relying_party("http://localhost:8080") == "localhost"
    for origin in (
        "http://sign.school.example",
        "https://192.168.1.7",
        "https://[::1]",
        "http://127.0.0.1:8080",
        "https://school",
        "https://a.example/path",
        "https://A.example",
        "https://a.example@b.example",
        "",
    ):
        assert relying_party(origin) is None, origin


# ---- registration


@pytest.mark.parametrize("device", [Authenticator(counter=3), of_windows()], ids=["P-256", "RSA"])
def test_a_fresh_passkey_is_read_as_the_outside_library_reads_it(device: Authenticator) -> None:
    challenge = secrets.token_bytes(32)
    data, said = device.registration(challenge)
    made = read_registration(data, said, challenge, ORIGIN)
    assert (made.credential_id, made.public_key) == (device.credential_id, device.public_key)
    assert (made.counter, made.synced) == (device.counter, False)
    identifier = bytes_to_base64url(device.credential_id)
    theirs = webauthn.verify_registration_response(
        credential={
            "id": identifier,
            "rawId": identifier,
            "type": "public-key",
            "response": {
                "clientDataJSON": bytes_to_base64url(said),
                "attestationObject": bytes_to_base64url(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            },
        },
        expected_challenge=challenge,
        expected_rp_id=RP_ID,
        expected_origin=ORIGIN,
        require_user_verification=True,
    )
    assert theirs.credential_id == made.credential_id
    assert theirs.credential_public_key == device.cose()


def test_what_can_be_copied_to_other_devices_is_told() -> None:
    challenge = secrets.token_bytes(32)
    data, said = Authenticator(flags=PRESENT | VERIFIED | SYNCED).registration(challenge)
    assert read_registration(data, said, challenge, ORIGIN).synced


SPOILED = {
    "challenge": lambda data, said, challenge: (data, said, bytes(32)),
    "type": lambda data, said, challenge: (data, said.replace(b"webauthn.create", b"webauthn.get"), challenge),
    "origin": lambda data, said, challenge: (data, said.replace(b"https://sign", b"https://sigm"), challenge),
    "longer": lambda data, said, challenge: (data + b"x", said, challenge),
    "shorter": lambda data, said, challenge: (data[:-1], said, challenge),
    "no key": lambda data, said, challenge: (data[:37], said, challenge),
    "form": lambda data, said, challenge: (data.replace(b"\x22\x58\x20", b"\x22\x58\x21"), said, challenge),
    "no user verification": lambda data, said, challenge: (
        data[:32] + bytes((data[32] ^ VERIFIED,)) + data[33:],
        said,
        challenge,
    ),
    "no point": lambda data, said, challenge: (data[:-32] + bytes(32), said, challenge),
}


@pytest.mark.parametrize("change", SPOILED.values(), ids=SPOILED)
def test_a_wrong_registration_is_refused(change: Callable[[bytes, bytes, bytes], tuple[bytes, bytes, bytes]]) -> None:
    challenge = secrets.token_bytes(32)
    with pytest.raises(WrongPasskey):
        read_registration(*change(*Authenticator().registration(challenge), challenge), ORIGIN)


def test_a_key_on_another_curve_is_refused() -> None:
    device = Authenticator(key=ec.generate_private_key(ec.SECP256K1()))
    with pytest.raises(WrongPasskey, match="public key cannot be used"):
        check_assertion(device.public_key, REQUEST, device.confirm(REQUEST))


# ---- the encoded form


def test_the_structure_is_read_in_one_form_only() -> None:
    device = Authenticator()
    value = packed(device.public_key, device.confirm(REQUEST))
    assert check_confirmation(value, REQUEST, CERTIFICATE).public_key == device.public_key
    for wrong in (
        value + b"\0",
        value[:-1],
        value.replace(b"\x02\x01\x01", b"\x02\x01\x02", 1),
        b"",
        b"\x30\x00",
        b"\x30\x84" + (len(value) - 4).to_bytes(4, "big") + value[4:],
    ):
        with pytest.raises(WrongPasskey):
            check_confirmation(wrong, REQUEST, CERTIFICATE)


DEVICE = Authenticator()
VALUE = packed(DEVICE.public_key, DEVICE.confirm(REQUEST))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_turned_bit_is_believed_and_none_breaks_the_reader(data: st.DataObject) -> None:
    value = bytearray(VALUE)
    at_byte = data.draw(st.integers(0, len(value) - 1))
    value[at_byte] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(WrongPasskey):
        check_confirmation(bytes(value), REQUEST, CERTIFICATE)
