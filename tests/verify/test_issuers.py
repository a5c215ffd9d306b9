"""CRLs of an authority that is no root, with a path that begins there: pyHanko's method in its original form, and
patched. Many certificates of one name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import crl, x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import (
    AuthorityKeyIdentifier,
    CertificateRevocationListBuilder,
    DNSName,
    GeneralName,
    Name,
    NameAttribute,
    UniformResourceIdentifier,
)
from cryptography.x509.oid import NameOID
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.errors import PathBuildingError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.registry import CertificateRegistry, PathBuilder, SimpleTrustManager

from qianda.evidence.reasons import BadPackage
from qianda.evidence.signer import _check_chain
from qianda.verify.pdf import issuers
from qianda.verify.pdf.structure import examine
from qianda.verify.trust import Trust
from tests.custody.outside_authority import OutsideAuthority, ec_key, person
from tests.made_certificates import certificate, key, of_one_name
from tests.signing_parts import FinishedParts

# Of the certificate itself, and of each issuer that is tried.
MAX_LOOKS = 1 + issuers.MAX_ISSUERS_TRIED


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Undo the correction for this test, and return the list of certificates whose issuers were looked for."""
    found: list[str] = []
    look = issuers._find_as_shipped

    def noted(registry: CertificateRegistry, of: x509.Certificate, *more: Any) -> Any:
        found.append(of.subject.human_friendly)
        return look(registry, of, *more)

    monkeypatch.setattr(issuers, "_find_as_shipped", noted)
    monkeypatch.setattr(CertificateRegistry, "find_potential_issuers", noted)
    return found


def read_of_one_name() -> tuple[x509.Certificate, list[x509.Certificate]]:
    leaf, others = of_one_name()
    return x509.Certificate.load(leaf), [x509.Certificate.load(one) for one in others]


def test_certificates_of_one_name_in_a_pdf_are_not_tried_in_every_order(looks: list[str]) -> None:
    leaf, others = read_of_one_name()
    issuers.patch_pyhanko()
    paths = PathBuilder(SimpleTrustManager.build([certificates()[0]]), CertificateRegistry.build(others))
    with pytest.raises(PathBuildingError):
        asyncio.run(paths.async_build_paths(leaf))
    assert 0 < len(looks) <= MAX_LOOKS


def test_certificates_of_one_name_in_a_package_are_not_tried_in_every_order(
    looks: list[str], contract: FinishedParts
) -> None:
    leaf, others = read_of_one_name()
    checked = replace(examine(contract.final).signatures["seal"], certificate=leaf, certificates=(leaf, *others))
    with pytest.raises(BadPackage):
        asyncio.run(_check_chain(checked, [], Trust((certificates()[0],)), datetime.now(UTC)))
    assert 0 < len(looks) <= MAX_LOOKS


def pairs(names: int, end: str) -> tuple[x509.Certificate, list[x509.Certificate], x509.Certificate]:
    """Return a certificate, two authorities of each of so many names above each other, and a root. `end`: who issued
    the uppermost two. The root's own signature is on none."""
    own = key()
    root = certificate("root", own, "root", own)
    above = [*(f"name {number}" for number in range(1, names)), end]
    others = [certificate(f"name {number}", own, above[number], key()) for number in range(names) for _ in range(2)]
    leaf = certificate("leaf", own, "name 0", own, ca=False)
    return x509.Certificate.load(leaf), [x509.Certificate.load(one) for one in others], x509.Certificate.load(root)


@pytest.mark.parametrize("end", ["root", "unknown"])
def test_two_certificates_of_each_of_many_names_are_not_tried_in_every_order(
    looks: list[str], contract: FinishedParts, end: str
) -> None:
    leaf, others, root = pairs(9, end)
    checked = replace(examine(contract.final).signatures["seal"], certificate=leaf, certificates=(leaf, *others))
    with pytest.raises(BadPackage):
        asyncio.run(_check_chain(checked, [], Trust((root,)), datetime.now(UTC)))
    assert 0 < len(looks) <= MAX_LOOKS


def test_the_right_one_of_an_authority_with_three_certificates_is_found(contract: FinishedParts) -> None:
    """Two of them are of another key, or below a root that nobody knows."""
    root_key, issuing_key, leaf_key = key(), key(), key()
    root = certificate("root", root_key, "root", root_key)
    former = certificate("issuing", key(), "root", root_key)
    crossed = certificate("issuing", issuing_key, "unknown", key())
    right = certificate("issuing", issuing_key, "root", root_key)
    leaf = certificate("leaf", leaf_key, "issuing", issuing_key, ca=False)
    given = tuple(x509.Certificate.load(one) for one in (leaf, former, crossed, right))
    checked = replace(examine(contract.final).signatures["seal"], certificate=given[0], certificates=given)
    lists = [empty_list("root", root_key), empty_list("issuing", issuing_key)]
    asyncio.run(_check_chain(checked, lists, Trust((x509.Certificate.load(root),)), datetime.now(UTC)))


def empty_list(issuer: str, by: ec.EllipticCurvePrivateKey) -> crl.CertificateList:
    now, name = datetime.now(UTC), Name([NameAttribute(NameOID.COMMON_NAME, issuer)])
    times = CertificateRevocationListBuilder(name, now - timedelta(hours=1), now + timedelta(hours=1))
    return crl.CertificateList.load(times.sign(by, SHA256()).public_bytes(Encoding.DER))


@pytest.mark.parametrize("kind", [DNSName("x"), UniformResourceIdentifier("http://x")], ids=["a host", "an address"])
def test_a_package_by_a_certificate_whose_issuer_has_another_kind_of_name_is_of_nobody_known(
    contract: FinishedParts, kind: GeneralName
) -> None:
    issued_by = AuthorityKeyIdentifier(None, [kind], 1)
    own, issuing = key(), key()
    others = [x509.Certificate.load(certificate("issuing", issuing, "issuing", issuing))]
    odd = x509.Certificate.load(certificate("odd", own, "issuing", issuing, ca=False, issued_by=issued_by))
    checked = replace(examine(contract.final).signatures["seal"], certificate=odd, certificates=(odd, *others))
    with pytest.raises(BadPackage, match="is not trusted"):
        asyncio.run(_check_chain(checked, [], Trust((certificates()[0],)), datetime.now(UTC)))


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
