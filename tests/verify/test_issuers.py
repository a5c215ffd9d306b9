"""CRLs of an authority that is no root, with a path that begins there: pyHanko's method in its original form, and
patched."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from asn1crypto import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.path import ValidationPath

from qianda.verify.pdf import issuers
from tests.custody.outside_authority import OutsideAuthority, ec_key, person


@pytest.fixture
def unpatched() -> Iterator[Callable[[], None]]:
    """Restore the original method before and after the test, so that each test chooses the form itself."""
    before = ValidationPath.truncate_to_issuer_and_append
    ValidationPath.truncate_to_issuer_and_append = issuers._truncate_as_shipped  # type: ignore[method-assign]
    yield issuers.patch_pyhanko
    ValidationPath.truncate_to_issuer_and_append = before  # type: ignore[method-assign]


def certificates() -> tuple[x509.Certificate, x509.Certificate, x509.Certificate]:
    authority = OutsideAuthority("http://127.0.0.1:9")
    leaf = authority.issue(ec_key().public_key(), person("陈建国"))
    root, issuing = (each.public_bytes(Encoding.DER) for each in (authority.root, authority.issuing))
    return x509.Certificate.load(root), x509.Certificate.load(issuing), x509.Certificate.load(leaf)


def test_the_path_to_the_authority_with_which_a_path_begins(unpatched: Callable[[], None]) -> None:
    root, issuing, leaf = certificates()
    begins_below = ValidationPath(CertTrustAnchor(issuing), interm=[], leaf=leaf)
    whole = ValidationPath(CertTrustAnchor(root), interm=[issuing], leaf=leaf)
    with pytest.raises(LookupError):
        begins_below.truncate_to_issuer_and_append(issuing)
    unpatched()
    assert list(begins_below.truncate_to_issuer_and_append(issuing)) == [issuing]
    assert list(whole.truncate_to_issuer_and_append(issuing)) == [root, issuing]
    assert list(whole.truncate_to_issuer_and_append(root)) == [root]
    stranger = certificates()[1]
    with pytest.raises(LookupError):
        ValidationPath(CertTrustAnchor(leaf), interm=[], leaf=None).truncate_to_issuer_and_append(stranger)
