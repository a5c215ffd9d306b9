"""The agent offers the certificates of a token that the hub takes, and says of the others that they are not for
signing."""

from __future__ import annotations

import pytest

from hub.authorities import profile
from hub.tokens.softkey import SoftKey
from qianda.agent.certificates import read_certificate
from tests.signing_parts import ORGANISATION
from tests.verify.test_plain_chain import certificate_for
from tests.verify.test_purpose import SIGNS, SIGNS_NOT

SAYS_NOTHING = {"for nothing in particular"}  # the hub asks for a key usage


@pytest.mark.parametrize("kind", [*SIGNS, *SIGNS_NOT])
async def test_only_certificates_for_signing_are_offered(kind: str) -> None:
    above, key = SoftKey.generate("above"), SoftKey.generate("signer")
    issuer, name = profile.name(ORGANISATION, "above"), profile.name(ORGANISATION, "王小明")
    der = await certificate_for(key, (above, issuer), name, (SIGNS | SIGNS_NOT)[kind])
    read = read_certificate(der, b"1")
    assert read is not None
    assert read.reason == ("" if kind in SIGNS.keys() - SAYS_NOTHING else "reason-usage")
