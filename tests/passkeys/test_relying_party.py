"""A confirmation belongs to the site where it was made: the origin of the page and that of the passkey are the same."""

from __future__ import annotations

import pytest

from qianda.passkey import WrongPasskey, challenge_of, check_assertion
from tests.passkeys.authenticator import Authenticator, client_data

REQUEST = b"the signed attributes"


def test_a_passkey_of_one_site_confirms_nothing_at_another() -> None:
    device = Authenticator()
    right = device.confirm(REQUEST)
    check_assertion(device.public_key, REQUEST, right)
    said = client_data("webauthn.get", challenge_of(REQUEST), "https://evil.example")
    with pytest.raises(WrongPasskey, match="another relying party"):
        check_assertion(device.public_key, REQUEST, device.signed(right.authenticator_data, said))
