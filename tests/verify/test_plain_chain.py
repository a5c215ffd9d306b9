"""The quick judgment of chains says yes to what is plain, and to nothing that pyHanko refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import x509

from hub.authorities import Revoked, profile
from hub.authorities.builtin import AuthorityKey, BuiltinAuthority, new_serial
from hub.tokens.softkey import SoftKey
from qianda.verify.elements import trust_findings
from qianda.verify.pdf.ades import full_check
from qianda.verify.pdf.plain_chain import is_plainly_valid
from qianda.verify.pdf.structure import examine
from qianda.verify.trust import Trust
from tests.pdf_steps import close, with_signature_fields
from tests.signing_parts import (
    ORGANISATION,
    ORIGIN,
    SEAL,
    FinishedParts,
    Pki,
    boxes_for,
    pki_certificates,
    sample_pdf,
    sign,
    utc_now,
)

SIGNER = "guardian-1"
# Days after the signing at which it is plain: lists end after 7, certificates of signers after 30, that of the
# timestamps after ten years.
PLAIN = (0, 6, 8, 29, 31, 400, 5 * 365)


def judge(file: bytes, trust: Trust, now: datetime) -> tuple[bool, bool]:
    """Return whether the quick judgment says yes, and whether pyHanko accepts the file."""
    structure = examine(file)
    found = [*structure.findings, *trust_findings(structure, trust)]
    assert found == [], "these files are about what only a chain can show"
    fields = [each.name for each in structure.regular]
    return is_plainly_valid(structure, trust, now), full_check(file, fields, trust, now) == []


@pytest.mark.parametrize("days", PLAIN)
def test_a_genuine_file_is_plain_for_years(contract: FinishedParts, trust: Trust, days: int) -> None:
    assert judge(contract.final, trust, utc_now() + timedelta(days=days)) == (True, True)


@pytest.mark.parametrize("days", [-1, 10 * 365 + 5])
def test_outside_its_time_a_file_is_not_plain(contract: FinishedParts, trust: Trust, days: int) -> None:
    assert not judge(contract.final, trust, utc_now() + timedelta(days=days))[0]


async def deep_pki(*, lacks: str = "") -> Pki:
    """Return a PKI whose root does not limit how many authorities may stand below it. `lacks`: an extension of it."""
    key, usual = SoftKey.generate("root"), await Pki.make()
    name = usual.authority._root.subject
    extensions = [
        (kind, critical, {"ca": True} if kind == "basic_constraints" else value)
        for kind, critical, value in profile.root_extensions(key.spki)
        if kind != lacks
    ]
    authority = BuiltinAuthority(
        key, await certificate_for(key, (key, name), name, extensions), utc_now, ORGANISATION, ORIGIN
    )
    return replace(usual, authority=authority, seal=await authority.enrol_seal(usual.seal_key.spki, ORGANISATION))


async def certificate_for(
    key: SoftKey,
    issuer: tuple[AuthorityKey, x509.Name],
    subject: x509.Name,
    extensions: list[profile.Extension],
    days: int = 365,
) -> bytes:
    life = (utc_now() - timedelta(days=2), utc_now() + timedelta(days=days))
    body = profile.certificate_body(issuer[1], profile.KeyHolder(subject, key.spki), new_serial(), life, extensions)
    return profile.signed(body, await issuer[0].sign(body))


class Forge:
    """A signer and a seal with chains and revocation lists as a case wants them."""

    def __init__(self, pki: Pki) -> None:
        self.pki = pki
        self.key = SoftKey.generate(SIGNER)

    async def close(self, chain: Sequence[bytes], lists: Sequence[bytes]) -> bytes:
        fields = with_signature_fields(sample_pdf(), boxes_for([SIGNER]))
        signed = await sign(fields, SIGNER, self.key, chain, self.pki, certify=True)
        sealed = await sign(signed, SEAL, self.pki.seal_key, self.pki.seal.chain, self.pki, final=True)
        return await close(sealed, self.pki.timestamps, pki_certificates(self.pki), lists)

    def authority(self, key: AuthorityKey, certificate: bytes, later: timedelta = timedelta()) -> BuiltinAuthority:
        return BuiltinAuthority(key, certificate, lambda: utc_now() + later, ORGANISATION, ORIGIN)

    async def with_list(self, later: timedelta = timedelta(), revoked: bool = False, of: Pki | None = None) -> bytes:
        issued = await self.pki.authority.enrol(self.key.spki, "王小明", "P1")
        there = of or self.pki
        authority = self.authority(there.authority._key, there.authority.root, later)
        entries = [Revoked(issued.serial, utc_now() - timedelta(minutes=1), "key_compromise")] if revoked else []
        return await self.close(issued.chain, [await authority.revocation_list(entries)])

    async def issued_by(self, certificate: bytes, key: SoftKey) -> bytes:
        """Return a file of a signer whom whoever has this certificate made."""
        between = self.authority(key, certificate)
        issued = await between.enrol(self.key.spki, "王小明", "P1")
        lists = [await between.revocation_list([]), await self.pki.authority.revocation_list([])]
        return await self.close((issued.chain[0], certificate, self.pki.authority.root), lists)


async def no_list(forge: Forge) -> bytes:
    return await forge.close((await forge.pki.authority.enrol(forge.key.spki, "王小明", "P1")).chain, [])


async def revoked_signer(forge: Forge) -> bytes:
    return await forge.with_list(revoked=True)


async def list_of_a_namesake(forge: Forge) -> bytes:
    return await forge.with_list(of=await Pki.make())


async def list_that_had_ended(forge: Forge) -> bytes:
    return await forge.with_list(later=timedelta(days=-7, minutes=-1))


async def list_of_the_future(forge: Forge) -> bytes:
    return await forge.with_list(later=timedelta(days=1))


async def issued_by_a_signer(forge: Forge) -> bytes:
    key = SoftKey.generate("student-1")
    return await forge.issued_by((await forge.pki.authority.enrol(key.spki, "李雷", "P2")).chain[0], key)


async def issued_between(forge: Forge, **changes: object) -> bytes:
    """Return a file whose signer's certificate was issued by one with these extensions, which has no purposes."""
    key, above = SoftKey.generate("between"), forge.pki.authority
    usual = {"basic_constraints": {"ca": True}} | changes
    extensions = [
        (kind, critical, usual.get(kind, value)) for kind, critical, value in profile.root_extensions(key.spki)
    ]
    name = profile.name(ORGANISATION, "Between")
    return await forge.issued_by(await certificate_for(key, (above._key, above._root.subject), name, extensions), key)


async def issued_by_no_authority(forge: Forge) -> bytes:
    return await issued_between(forge, basic_constraints={"ca": False})


async def issued_by_a_key_for_lists(forge: Forge) -> bytes:
    return await issued_between(forge, key_usage={"crl_sign"})


async def issued_below_too_deep(forge: Forge) -> bytes:
    """The root allows no authority below itself."""
    return await issued_between(forge)


async def issued_by_a_namesake(forge: Forge) -> bytes:
    issued = await (await Pki.make()).authority.enrol(forge.key.spki, "王小明", "P1")
    return await forge.close(issued.chain, [await forge.pki.authority.revocation_list([])])


REFUSED: Sequence[Callable[[Forge], Awaitable[bytes]]] = (
    no_list,
    revoked_signer,
    list_of_a_namesake,
    list_that_had_ended,
    list_of_the_future,
    issued_by_a_signer,
    issued_by_no_authority,
    issued_by_a_key_for_lists,
    issued_by_a_namesake,
)


@pytest.mark.parametrize("case", REFUSED)
async def test_a_wrong_chain_is_not_plain(tmp_path: Path, case: Callable[[Forge], Awaitable[bytes]]) -> None:
    pki = await deep_pki()
    trust = Trust.load([pki.write_trust(tmp_path / "trust.pem")])
    file = await case(Forge(pki))
    assert await asyncio.to_thread(judge, file, trust, datetime.now(UTC)) == (False, False)


async def test_the_plain_way_to_make_such_a_file_is_plain(tmp_path: Path) -> None:
    pki = await deep_pki()
    trust = Trust.load([pki.write_trust(tmp_path / "trust.pem")])
    file = await Forge(pki).with_list()
    assert await asyncio.to_thread(judge, file, trust, datetime.now(UTC)) == (True, True)


async def test_a_root_that_does_not_say_what_its_key_is_for_is_left_to_the_full_check(tmp_path: Path) -> None:
    """RFC 5280, 6.1.1 (d), asks nothing of the certificate of a trusted authority but its name and key."""
    pki = await deep_pki(lacks="key_usage")
    trust = Trust.load([pki.write_trust(tmp_path / "trust.pem")])
    file = await Forge(pki).with_list()
    assert await asyncio.to_thread(judge, file, trust, datetime.now(UTC)) == (False, True)


async def test_a_signer_whose_certificate_does_not_say_what_its_key_is_for_is_not_plain(tmp_path: Path) -> None:
    pki = await deep_pki()
    trust, forge = Trust.load([pki.write_trust(tmp_path / "trust.pem")]), Forge(pki)
    above = pki.authority
    extensions: list[profile.Extension] = [("basic_constraints", True, {"ca": False})]
    leaf = await certificate_for(
        forge.key, (above._key, above._root.subject), profile.name(ORGANISATION, "王小明"), extensions
    )
    file = await forge.close((leaf, above.root), [await above.revocation_list([])])
    assert not (await asyncio.to_thread(judge, file, trust, datetime.now(UTC)))[0]


async def test_where_an_authority_allows_none_below_itself_it_is_not_plain(tmp_path: Path) -> None:
    """pyHanko asks an authority that is trusted for no such limit (RFC 5280, 6.1.1 d)."""
    pki = await Pki.make()
    trust = Trust.load([pki.write_trust(tmp_path / "trust.pem")])
    file = await issued_below_too_deep(Forge(pki))
    assert not (await asyncio.to_thread(judge, file, trust, datetime.now(UTC)))[0]


@pytest.mark.parametrize(("days", "counts"), [(10, True), (-1, False)])
async def test_an_authority_whose_certificate_has_ended(tmp_path: Path, days: int, counts: bool) -> None:
    """After that it issues nothing, but what was signed before stays valid (ETSI EN 319 102-1, 5.6.2.1)."""
    pki, key = await deep_pki(), SoftKey.generate("between")
    above, name = pki.authority, profile.name(ORGANISATION, "Between")
    usual = {"basic_constraints": {"ca": True}}
    stated = [(kind, critical, usual.get(kind, value)) for kind, critical, value in profile.root_extensions(key.spki)]
    between = await certificate_for(key, (above._key, above._root.subject), name, stated, days)
    trust, forge = Trust.load([pki.write_trust(tmp_path / "trust.pem")]), Forge(pki)
    leaf_parts = [("basic_constraints", True, {"ca": False}), ("key_usage", True, {"non_repudiation"})]
    leaf = await certificate_for(forge.key, (key, name), profile.name(ORGANISATION, "王小明"), leaf_parts)
    lists = [await forge.authority(key, between).revocation_list([]), await above.revocation_list([])]
    file = await forge.close((leaf, between, above.root), lists)
    assert await asyncio.to_thread(judge, file, trust, utc_now() + timedelta(days=20)) == (counts, counts)


async def test_a_list_that_speaks_longer_than_the_certificate_lives_is_not_plain(tmp_path: Path) -> None:
    pki = await Pki.make()
    trust, forge = Trust.load([pki.write_trust(tmp_path / "trust.pem")]), Forge(pki)
    issued = await pki.authority.enrol(forge.key.spki, "王小明", "P1", timedelta(days=1))
    file = await forge.close(issued.chain, [await pki.authority.revocation_list([])])
    first, third = [await asyncio.to_thread(judge, file, trust, utc_now() + timedelta(days=days)) for days in (0, 2)]
    assert first == (True, True) and not third[0]
