"""Make the SM2 side of a seal for trial, or install one from a seal maker. Doing so again renews it.

The old side is used until the new one is written. The record contains the hash of each certificate, and where its key
is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from asn1crypto import x509

from hub.authorities.request import read_certificate_files
from hub.authorities.sm2 import Sm2Authority, make_sm2_root
from hub.documents.ofd.given_seal import check_maker, check_roots, order_certificates
from hub.documents.ofd.seal import NewSeal, SealPicture, finish_seal, seal_info
from hub.documents.sealing.file_sealer import OfdSeal
from hub.documents.sealing.ofd_picture import picture_of, picture_size
from hub.documents.signing.stamps import seal_stamp
from hub.errors import BadInput, CertificateNotValid, SealMoveNotAllowed
from hub.lifecycle.sealing.seals.manage_seals import record_seal_act
from hub.lifecycle.services import Services
from hub.model.sealing.seal import Seal, SealState
from hub.model.sealing.sm2_seal import Sm2KeyPlace, Sm2Seal
from hub.model.staff.scope import Actor
from hub.tokens import SigningKey
from hub.tokens.sm2_softkey import Sm2SoftKey
from qianda import sm2
from qianda.ofd import NotAnOfd
from qianda.ofd.values import ElectronicSeal, read_seal

LIFE = timedelta(days=730)
_MADE = (SealState.MADE, SealState.ACTIVE, SealState.SUSPENDED)


@dataclass(frozen=True)
class GivenSm2Seal:
    """The files from a seal maker: the seal, and the certificate of its key with the chain above it, each with its file
    name. `key_label`: the label of the key on the token."""

    name: str
    encoded: bytes
    certificates: Sequence[tuple[str, bytes]]
    key_label: str


# ---- use


async def open_sm2_seal(services: Services, side: Sm2Seal) -> OfdSeal:
    """Return the seal in the form that an OFD file needs. Raises CertificateNotValid outside of its validity period,
    TokenUnavailable."""
    side.check_valid(services.clock())
    key = await _open_key(services, side)
    if key.spki != _spki_of(side.chain[0]):
        raise CertificateNotValid(f"the SM2 certificate of the seal is not for the key {side.key_label!r}")
    return OfdSeal(side.encoded, side.chain[0], key, side.size)


async def _open_key(services: Services, side: Sm2Seal) -> SigningKey:
    if side.private_key is None:
        return await services.sealing.token.sm2_key(side.key_label)
    point = sm2.read_spki(_spki_of(side.chain[0]))
    if point is None:
        raise CertificateNotValid("the certificate of the seal is for no SM2 key")
    return Sm2SoftKey(side.key_label, side.private_key, point)


# ---- make and install


async def make_sm2_seal(
    services: Services, keeper: Actor, seal_id: UUID, key_label: str = "", *, replaces: bool = False
) -> Sm2Seal:
    """Make a trial SM2 side with an authority of its own, whose key is not kept. `key_label`: the label of an SM2 key
    on the token; without it, a software key is made. `replaces`: replace even an SM2 side that a seal maker made.

    Raises SealNotFound, SealMoveNotAllowed, TokenUnavailable; BadInput if a seal maker made the present side, unless
    `replaces`.
    """
    seal = await _get_made(services, keeper, seal_id)
    async with services.database.transaction(keeper.scope) as tx:
        side = await tx.sm2_seals.get(seal_id)
    if side is not None and not is_for_trial(side) and not replaces:
        raise BadInput(
            "a seal maker made the SM2 side of this seal, and one for trial replaces it only if you say so (--replace)",
            field="replace",
        )
    label = f"sm2-{seal.id.hex[:16]}"
    software = None if key_label else Sm2SoftKey.generate(label)
    key: SigningKey = software or await services.sealing.token.sm2_key(key_label)
    encoded, chain = await _made(services, seal, key)
    place = Sm2KeyPlace.SOFTWARE if software else Sm2KeyPlace.TOKEN
    private_key = software.private_key if software else None
    return await _put(services, keeper, _side(seal, read_seal(encoded, "seal.esl"), chain), (key, place, private_key))


async def install_sm2_seal(services: Services, keeper: Actor, seal_id: UUID, given: GivenSm2Seal) -> Sm2Seal:
    """Install an SM2 side that a seal maker made for a key on the token.

    Raises SealNotFound, SealMoveNotAllowed, TokenUnavailable. Raises BadInput if the seal is not signed by its maker or
    is for another key, or if the certificates do not lead up to a root. If trusted roots are configured, it has to be
    one of them.
    """
    seal = await _get_made(services, keeper, seal_id)
    key = await services.sealing.token.sm2_key(given.key_label)
    side = given_side(seal, given, key.spki, services.seal_files.trusted_roots, services.clock())
    return await _put(services, keeper, side, (key, Sm2KeyPlace.TOKEN, None))


def given_side(seal: Seal, given: GivenSm2Seal, spki: bytes, roots: Sequence[bytes], now: datetime) -> Sm2Seal:
    """Return the SM2 side made from the files, for the key with this SubjectPublicKeyInfo. `roots`: see `check_roots`;
    empty to trust any. Pure.

    Raises BadInput, and CertificateNotValid outside of its validity period.
    """
    try:
        encoded = read_seal(given.encoded, given.name)
    except NotAnOfd as error:
        fault = f"{given.name} cannot be read as an electronic seal (GB/T 38540): ask the seal maker for its .esl file"
        raise BadInput(fault, field="seal") from error
    check_maker(encoded)
    certificates = read_certificate_files(given.certificates)
    own = next((each for each in certificates if _spki_of(each) == spki), None)
    if own is None:
        raise BadInput(f"none of the certificates is for the key {given.key_label!r}", field="certificate")
    side = _side(seal, encoded, order_certificates(own, certificates, now))
    side.check_valid(now)
    if roots:
        check_roots(encoded, side.chain, certificates, roots, now)
    return side


async def _get_made(services: Services, keeper: Actor, seal_id: UUID) -> Seal:
    async with services.database.transaction(keeper.scope) as tx:
        seal = await tx.seals.get(seal_id)
    if seal.state not in _MADE:
        raise SealMoveNotAllowed(seal.state.value)
    return seal


def _side(seal: Seal, encoded: ElectronicSeal, chain: tuple[bytes, ...]) -> Sm2Seal:
    """Return the SM2 side with the facts that the seal states. Raises BadInput if the seal does not list the
    certificate."""
    if chain[0] not in encoded.listed and sm2.sm3(chain[0]) not in encoded.listed_hashes:
        raise BadInput("the seal does not list this certificate", field="certificate")
    certificate = x509.Certificate.load(chain[0])
    return Sm2Seal(
        seal=seal.id,
        campus=seal.campus,
        encoded=encoded.encoded,
        chain=chain,
        size=(float(encoded.picture[2]), float(encoded.picture[3])),
        key_place=Sm2KeyPlace.TOKEN,
        key_label="",
        begins_at=max(certificate.not_valid_before, encoded.valid_from),
        ends_at=min(certificate.not_valid_after, encoded.valid_until),
        made_at=encoded.created,
    )


async def _put(
    services: Services, keeper: Actor, side: Sm2Seal, key: tuple[SigningKey, Sm2KeyPlace, bytes | None]
) -> Sm2Seal:
    opened, place, private_key = key
    async with services.database.transaction(keeper.scope) as tx:
        seal = await tx.seals.lock(side.seal)
        if seal.state not in _MADE:
            raise SealMoveNotAllowed(seal.state.value)
        made = replace(side, key_place=place, key_label=opened.label, private_key=private_key, made_at=tx.now)
        await tx.sm2_seals.put(made)
        facts = {"certificate_sha256": hashlib.sha256(made.chain[0]).hexdigest(), "key": made.key_label}
        facts |= {"root_sha256": hashlib.sha256(made.chain[-1]).hexdigest()}
        await record_seal_act(tx, seal, "seal-sm2-made", keeper.name, facts | {"custody": made.custody})
    services.sealing.trust_seal(side.chain)  # only now: a refused seal must not become trusted
    return made


async def _made(services: Services, seal: Seal, key: SigningKey) -> tuple[bytes, tuple[bytes, ...]]:
    """Return a new seal (SESeal), and the chain of its key's certificate."""
    root_key, maker = Sm2SoftKey.generate("root-sm2"), Sm2SoftKey.generate("seal-maker-sm2")
    now, organisation = services.clock(), seal.registered_name
    root = await make_sm2_root(root_key, services.clock, organisation)
    authority = Sm2Authority(root_key, root, services.clock, organisation)
    certificate = await authority.issue_seal(key.spki, organisation)
    new = NewSeal(
        number=_trial_number(seal.id),
        name=f"{organisation}{seal.name}",
        picture=await asyncio.to_thread(_picture, seal),
        certificates=(certificate,),
        valid_from=now,
        valid_until=now + LIFE,
        maker=await authority.issue_seal_maker(maker.spki, f"{organisation} Seals"),
    )
    info = seal_info(new)
    return finish_seal(new, info, await maker.sign(info)), (certificate, root)


def is_for_trial(side: Sm2Seal) -> bool:
    """Return whether the hub made this SM2 side itself, as the number in the seal shows."""
    return read_seal(side.encoded, "seal.esl").number == _trial_number(side.seal)


def _trial_number(seal: UUID) -> str:
    return f"QD-{seal.hex[:16]}"


def _picture(seal: Seal) -> SealPicture:
    drawn = seal.picture or seal_stamp(seal.registered_name)
    return SealPicture(picture_of(drawn), *picture_size(drawn))


def _spki_of(certificate: bytes) -> bytes:
    spki: bytes = x509.Certificate.load(certificate).public_key.dump()
    return spki
