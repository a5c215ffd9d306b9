"""The path from a certificate in an OFD to a trusted authority: what the certificates above limit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from asn1crypto import x509

from hub.authorities.sm2 import Sm2Authority, make_sm2_root
from hub.tokens.sm2_softkey import Sm2SoftKey
from qianda.verify.ofd import chain, reasons
from qianda.verify.ofd.chain import chain_fault
from qianda.verify.trust import Trust
from tests.ofd.identities import MADE_AT, USED_AT

LIMITS = {"extn_id": "inhibit_any_policy", "critical": True, "extn_value": 0}


async def issued(
    key: Sm2SoftKey, issuer: x509.Certificate, issuer_key: Sm2SoftKey, at: datetime = MADE_AT, **changes: Any
) -> x509.Certificate:
    """Return the certificate of an authority below `issuer`. `changes`: values of its extensions, or a further one."""
    own = x509.Certificate.load(await make_sm2_root(key, lambda: at, key.label))
    body = x509.TbsCertificate.load(own["tbs_certificate"].dump())
    body["issuer"] = issuer.subject
    others = [each for each in body["extensions"] if each["extn_id"].native not in changes]
    body["extensions"] = [*others, *changes.values()]
    algorithm = own["signature_algorithm"]
    signed = {"tbs_certificate": body, "signature_algorithm": algorithm}
    return x509.Certificate.load(
        x509.Certificate({**signed, "signature_value": await issuer_key.sign(body.dump(force=True))}).dump()
    )


def may_issue(length: int | None) -> dict[str, Any]:
    return {"extn_id": "basic_constraints", "critical": True, "extn_value": {"ca": True, "path_len_constraint": length}}


def purposes(*named: str) -> dict[str, Any]:
    return {"extn_id": "extended_key_usage", "critical": True, "extn_value": list(named)}


@pytest.mark.parametrize(
    ("of_the_root", "more", "fault"),
    [
        (None, {}, ""),
        (1, {}, ""),
        (1, {"purposes": purposes("email_protection", "server_auth")}, ""),
        (0, {}, "PATH_TOO_LONG"),
        (1, {"limits": LIMITS}, "DEMANDS_MORE"),
        (1, {"purposes": purposes("server_auth")}, "PURPOSE_WRONG"),
    ],
)
async def test_an_authority_below_the_root(of_the_root: int | None, more: dict[str, Any], fault: str) -> None:
    keys = [Sm2SoftKey.generate(label) for label in ("top", "below", "person")]
    top = x509.Certificate.load(await make_sm2_root(keys[0], lambda: MADE_AT, "top"))
    root = await issued(keys[0], top, keys[0], basic_constraints=may_issue(of_the_root))
    below = await issued(keys[1], root, keys[0], **more)
    authority = Sm2Authority(keys[1], below.dump(), lambda: MADE_AT, "below")
    person = x509.Certificate.load(await authority.issue_seal(keys[2].spki, "person"))
    found = chain_fault(person, [below], Trust(authorities=(root,)), USED_AT)
    assert (found is None) == (not fault)
    if found:
        name = (root if fault == "PATH_TOO_LONG" else below).subject.native["common_name"]
        assert found.en == getattr(reasons, fault).en.format(issuer=name, subject=name)


@pytest.mark.parametrize(
    ("usage", "stated", "signs"),
    [
        ({"digital_signature"}, (), True),
        ({"key_encipherment"}, (), False),
        ({"digital_signature"}, ("client_auth",), True),
        ({"digital_signature"}, ("time_stamping",), False),
    ],
)
async def test_what_a_certificate_is_for(usage: set[str], stated: tuple[str, ...], signs: bool) -> None:
    key, own = Sm2SoftKey.generate("top"), Sm2SoftKey.generate("person")
    root = x509.Certificate.load(await make_sm2_root(key, lambda: MADE_AT, "top"))
    changes: dict[str, Any] = {
        "basic_constraints": {"extn_id": "basic_constraints", "critical": True, "extn_value": {"ca": False}},
        "key_usage": {"extn_id": "key_usage", "critical": True, "extn_value": usage},
    }
    changes |= {"purposes": purposes(*stated)} if stated else {}
    person = await issued(own, root, key, **changes)
    assert (chain_fault(person, [], Trust(authorities=(root,)), USED_AT) is None) == signs


async def root_of(key: Sm2SoftKey, at: datetime = MADE_AT) -> x509.Certificate:
    """Return a root that does not limit how many authorities stand below it."""
    own = x509.Certificate.load(await make_sm2_root(key, lambda: at, key.label))
    return await issued(key, own, key, at, basic_constraints=may_issue(None))


async def person_of(key: Sm2SoftKey, authority: x509.Certificate) -> x509.Certificate:
    issuing = Sm2Authority(key, authority.dump(), lambda: MADE_AT, "below")
    return x509.Certificate.load(await issuing.issue_seal(Sm2SoftKey.generate("person").spki, "person"))


@pytest.mark.parametrize("first", ["of nobody known", "ended", "of another key"])
async def test_an_authority_with_several_certificates(first: str) -> None:
    """RFC 5280, 6.1: one path is enough. Authorities certify each other, and renew their certificates."""
    top, below, stranger = map(Sm2SoftKey.generate, ("top", "below", "stranger"))
    root, nobody = await root_of(top), await root_of(stranger)
    right = await issued(below, root, top)
    other = {
        "of nobody known": await issued(below, nobody, stranger),
        "ended": await issued(below, root, top, MADE_AT - timedelta(days=30 * 365)),
        "of another key": await issued(Sm2SoftKey.generate("below"), root, top),
    }[first]
    person = await person_of(below, right)
    trust = Trust(authorities=(root,))
    assert chain_fault(person, [other, right], trust, USED_AT) is None
    assert chain_fault(person, [nobody, other], trust, USED_AT) is not None


async def test_a_root_that_was_renewed_with_the_same_key() -> None:
    key = Sm2SoftKey.generate("top")
    former, present = [await root_of(key, MADE_AT - timedelta(days=years * 365)) for years in (30, 0)]
    person = await person_of(key, present)
    assert chain_fault(person, [], Trust(authorities=(former, present)), USED_AT) is None
    fault = chain_fault(person, [], Trust(authorities=(former,)), USED_AT)
    assert fault == reasons.ISSUER_LIFE.about(issuer=present.subject.native["common_name"])


async def test_many_certificates_of_one_authority_are_not_all_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes the file can make any number that certify each other."""
    key, checked = Sm2SoftKey.generate("same"), []
    own = await root_of(key)
    others = [await issued(key, own, key, basic_constraints=may_issue(None)) for _ in range(20)]
    person = await person_of(key, own)

    def noted(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        checked.append(certificate)
        return bool(certificate.issuer == issuer.subject)

    monkeypatch.setattr(chain, "signed_by", noted)
    trust = Trust(authorities=(await root_of(Sm2SoftKey.generate("top")),))
    assert chain_fault(person, others, trust, USED_AT) is not None
    assert 0 < len(checked) <= 5 * len(others)
