"""What a seal maker made is installed only if the maker signed it and its certificates belong together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from asn1crypto import x509

from hub.authorities.sm2 import Sm2Authority, make_sm2_root
from hub.documents.ofd.given_seal import check_roots, order_certificates
from hub.documents.ofd.seal import finish_seal, seal_info
from hub.errors import BadInput
from hub.lifecycle.sealing.seals.sm2_seals import GivenSm2Seal, given_side
from hub.model.sealing.seal import Seal, SealKind, SealState
from hub.tokens.sm2_softkey import Sm2SoftKey
from hub.web.staff.problem_words import say_detail
from qianda.ofd.values import read_seal
from tests.catalogues import catalogues
from tests.ofd.identities import MADE_AT, ORGANISATION, USED_AT, Identities
from tests.ofd.test_chain import issued, may_issue

SEAL = Seal(
    UUID(int=1), "章", SealKind.CONTRACT, "hq", ORGANISATION, "", "", SealState.ACTIVE, MADE_AT, MADE_AT, b"", "drawn"
)


async def test_a_certificate_of_another_is_not_trusted_with_the_chain() -> None:
    ours, others = await Identities.make(), await Identities.make()
    own, root, alien = ours.seal_certificate, ours.authority.root, others.authority.root
    for given in ([own, root], [root, alien, own], [own, root, alien], [own, alien, root, others.seal_certificate]):
        assert order_certificates(own, given, USED_AT) == (own, root)
    for wrong in ([own], [own, alien], [own, others.seal_certificate], [own, ours.signer_certificate]):
        with pytest.raises(BadInput, match="belong together"):
            order_certificates(own, wrong, USED_AT)
    with pytest.raises(BadInput, match="belong together"):
        order_certificates(own, [own, root], USED_AT + timedelta(days=40 * 365))
    with pytest.raises(BadInput, match="belong together"):  # an authority's own is no seal
        order_certificates(root, [root], USED_AT)


async def test_a_seal_with_a_wrong_signature_of_its_maker_or_a_huge_picture_is_refused() -> None:
    ours, others = await Identities.make(), await Identities.make()
    files = [
        ("root.cer", ours.authority.root),
        ("other.cer", others.authority.root),
        ("own.cer", ours.seal_certificate),
    ]
    given = GivenSm2Seal("seal.esl", ours.seal, files, "sm2")
    side = given_side(SEAL, given, ours.seal_key.spki, (), USED_AT)
    assert side.chain == (ours.seal_certificate, ours.authority.root)
    forged = finish_seal(ours.new_seal, seal_info(ours.new_seal), await others.maker_key.sign(seal_info(ours.new_seal)))
    with pytest.raises(BadInput, match="maker is wrong"):
        given_side(SEAL, replace(given, encoded=forged), ours.seal_key.spki, (), USED_AT)
    huge = replace(ours.new_seal, picture=replace(ours.new_seal.picture, width=150, height=150))
    made = finish_seal(huge, seal_info(huge), await ours.maker_key.sign(seal_info(huge)))
    with pytest.raises(BadInput, match="too large"):
        given_side(SEAL, replace(given, encoded=made), ours.seal_key.spki, (), USED_AT)


async def test_a_file_that_is_no_seal_is_named_in_both_languages() -> None:
    ours = await Identities.make()
    given = GivenSm2Seal("seal.esl", b"0", [("own.cer", ours.seal_certificate)], "sm2")
    with pytest.raises(BadInput, match=r"seal\.esl cannot be read as an electronic seal") as raised:
        given_side(SEAL, given, ours.seal_key.spki, (), USED_AT)
    said = say_detail(raised.value.detail, catalogues().translator("zh"))
    assert said == "seal.esl 不是可以读取的电子印章（GB/T 38540）：请向制章机构索取 .esl 文件"


async def test_a_seal_of_a_root_that_nobody_configured_is_refused() -> None:
    ours, others = await Identities.make(), await Identities.make()
    path, roots = (ours.seal_certificate, ours.authority.root), [others.authority.root, ours.authority.root]
    check_roots(read_seal(ours.seal, "seal.esl"), path, path, roots, USED_AT)
    foreign = (others.seal_certificate, others.authority.root)  # its maker is under our root alone
    for chain, trusted in ((path, roots[:1]), (foreign, roots[:1]), (foreign, roots[1:])):
        with pytest.raises(BadInput, match="none of the trusted roots"):
            check_roots(read_seal(ours.seal, "seal.esl"), chain, chain, trusted, USED_AT)


async def test_a_maker_may_be_under_another_authority_than_the_seals_certificate() -> None:
    ours = await Identities.make()
    keys = [Sm2SoftKey.generate(label) for label in ("top", "seals", "makers")]
    top = x509.Certificate.load(await make_sm2_root(keys[0], lambda: MADE_AT, "top"))
    above = await issued(keys[0], top, keys[0], basic_constraints=may_issue(None))
    below = [(await issued(key, above, keys[0])).dump() for key in keys[1:]]
    seals, makers = (
        Sm2Authority(key, own, lambda: MADE_AT, ORGANISATION) for key, own in zip(keys[1:], below, strict=True)
    )
    own, root = await seals.issue_seal(ours.seal_key.spki, ORGANISATION), above.dump()
    maker = await makers.issue_seal_maker(ours.maker_key.spki, "Seal maker")
    new = replace(ours.new_seal, certificates=(own,), maker=maker)
    encoded = finish_seal(new, seal_info(new), await ours.maker_key.sign(seal_info(new)))
    files = [("own.cer", own), ("seals.cer", below[0]), ("root.cer", root), ("makers.cer", below[1])]
    given = GivenSm2Seal("seal.esl", encoded, files, "sm2")
    side = given_side(SEAL, given, ours.seal_key.spki, (root,), USED_AT)
    assert side.chain == (own, below[0], root)
    with pytest.raises(BadInput, match="none of the trusted roots"):
        given_side(SEAL, replace(given, certificates=files[:3]), ours.seal_key.spki, (root,), USED_AT)
