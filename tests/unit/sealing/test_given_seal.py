"""What a seal maker made is installed only if the maker signed it and its certificates belong together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from hub.documents.ofd.given_seal import check_roots, order_certificates
from hub.documents.ofd.seal import finish_seal, seal_info
from hub.errors import BadInput
from hub.lifecycle.sealing.sm2_seals import GivenSm2Seal, given_side
from hub.model.sealing.seal import Seal, SealKind, SealState
from qianda.ofd.values import read_seal
from tests.ofd.identities import MADE_AT, ORGANISATION, USED_AT, Identities

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


async def test_a_seal_with_a_wrong_signature_of_its_maker_is_refused() -> None:
    ours, others = await Identities.make(), await Identities.make()
    files = [
        ("root.cer", ours.authority.root),
        ("other.cer", others.authority.root),
        ("own.cer", ours.seal_certificate),
    ]
    given = GivenSm2Seal("seal.esl", ours.seal, files, "sm2")
    side = given_side(SEAL, given, ours.seal_key.spki, USED_AT)
    assert side.chain == (ours.seal_certificate, ours.authority.root)
    forged = finish_seal(ours.new_seal, seal_info(ours.new_seal), await others.maker_key.sign(seal_info(ours.new_seal)))
    with pytest.raises(BadInput, match="maker is wrong"):
        given_side(SEAL, replace(given, encoded=forged), ours.seal_key.spki, USED_AT)


async def test_a_seal_of_a_root_that_nobody_configured_is_refused() -> None:
    ours, others = await Identities.make(), await Identities.make()
    path, roots = (ours.seal_certificate, ours.authority.root), [others.authority.root, ours.authority.root]
    check_roots(read_seal(ours.seal, "seal.esl"), path, roots, USED_AT)
    foreign = (others.seal_certificate, others.authority.root)  # its maker is under our root alone
    for chain, trusted in ((path, roots[:1]), (foreign, roots[:1]), (foreign, roots[1:])):
        with pytest.raises(BadInput, match="none of the trusted roots"):
            check_roots(read_seal(ours.seal, "seal.esl"), chain, trusted, USED_AT)
