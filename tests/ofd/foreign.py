"""Sealed and signed OFDs as other makers write them: other versions, spellings and paths. Written apart from the
product, by the tables of the standards."""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime

from hub.documents.ofd.seal import SM2_WITH_SM3, bits, integer, octets, sequence, text
from qianda import der, sm2
from qianda.cms_parts import CertificateNames, object_identifier
from tests.ofd.identities import USED_AT, Identities
from tests.ofd.plain import members_of

IA5, UTF8, UTC_TIME, GENERALIZED_TIME, SET, CONTEXT_0 = 0x16, 0x0C, 0x17, 0x18, 0x31, 0xA0
_NS = 'xmlns:ofd="http://www.ofdspec.org/2016"'
LIFE = ("20261127010000Z", "20260101000000Z", "20401231235959Z")


@dataclass(frozen=True)
class Habits:
    """How a maker writes. `version` 0: a signature without seal. `described`: the time in Signature.xml. `inside`: the
    time in the value, as its type takes it. `certificates`: those that the seal lists, in place of the right one."""

    version: int = 4
    folder: str = "Sign_9"
    described: str = "2026-11-27 10:08:09"
    inside: str = "20261127020809Z"
    kind: str | None = "Seal"
    names_seal: bool = True
    with_seal_file: bool = True
    check_method: str = "SM3"
    slash: str = "/"
    attributes: bool = False
    parameters: bytes = b""  # of the algorithm of a signature without a seal
    listed_as_hash: bool = False
    raw_signature: bool = False
    covers_list: bool = False
    life: tuple[str, str, str] = LIFE
    certificates: tuple[bytes, ...] = ()


async def foreign_ofd(ofd: bytes, who: Identities, habits: Habits) -> bytes:
    """Return the OFD with one signature, in folders that are not ours."""
    members = members_of(ofd)
    members["OFD.xml"] = members["OFD.xml"].replace(
        b"</ofd:DocBody>", b"<ofd:Signatures>Doc_0/Signs/Signatures.xml</ofd:Signatures></ofd:DocBody>"
    )
    kind = f'Type="{habits.kind}" ' if habits.kind else ""
    listed = f'<ofd:Signature ID="7" {kind}BaseLoc="{habits.slash}Doc_0/Signs/{habits.folder}/Signature.xml"/>'
    if not habits.slash:
        listed = f'<ofd:Signature ID="7" {kind}BaseLoc="./{habits.folder}/../{habits.folder}/Signature.xml"/>'
    members["Doc_0/Signs/Signatures.xml"] = f"<ofd:Signatures {_NS}>{listed}</ofd:Signatures>".encode()
    seal = await made_seal(who, habits) if habits.version else b""
    if habits.with_seal_file and seal:
        members[f"Doc_0/Signs/{habits.folder}/Seal.esl"] = seal
    covered = [name for name in members if habits.covers_list or name != "Doc_0/Signs/Signatures.xml"]
    references = "".join(
        f'<ofd:Reference FileRef="{habits.slash}{name}"><ofd:CheckValue>'
        f"{base64.b64encode(sm2.sm3(members[name])).decode()}</ofd:CheckValue></ofd:Reference>"
        for name in covered
    )
    where = f"{habits.slash}Doc_0/Signs/{habits.folder}" if habits.slash else "."
    seal_file = f"<ofd:Seal><ofd:BaseLoc>{where}/Seal.esl</ofd:BaseLoc></ofd:Seal>" if habits.names_seal else ""
    described = (
        f"<ofd:Signature {_NS}><ofd:SignedInfo><ofd:Provider ProviderName='x'/>"
        f"<ofd:SignatureMethod>{sm2.SIGNATURE_OID}</ofd:SignatureMethod>"
        f"<ofd:SignatureDateTime>{habits.described}</ofd:SignatureDateTime>"
        f'<ofd:References CheckMethod="{habits.check_method}">{references}</ofd:References>'
        f"{seal_file}</ofd:SignedInfo>"
        f"<ofd:SignedValue>{where}/SignedValue.dat</ofd:SignedValue></ofd:Signature>"
    ).encode()
    members[f"Doc_0/Signs/{habits.folder}/Signature.xml"] = described
    members[f"Doc_0/Signs/{habits.folder}/SignedValue.dat"] = await _value(who, habits, seal, sm2.sm3(described))
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Doc_0/", b"")
        for name, data in members.items():
            archive.writestr(name, data)
    return output.getvalue()


async def signed_by_person(ofd: bytes, who: Identities, at: datetime = USED_AT) -> bytes:
    """Return the OFD with a person's signature without a seal (GB/T 35275), which the product does not write."""
    described = f"{at.astimezone(UTC):%Y%m%d%H%M%SZ}"
    return await foreign_ofd(
        ofd, who, Habits(version=0, names_seal=False, kind="Sign", folder="Sign_0", described=described)
    )


async def made_seal(who: Identities, habits: Habits) -> bytes:
    version = habits.version
    header = sequence(text(IA5, "ES"), integer(version), text(IA5, "Another maker"))
    certificates = sequence(*map(octets, habits.certificates or (who.seal_certificate,)))
    if habits.listed_as_hash:
        certificates = sequence(sequence(text(0x13, "SM3"), octets(sm2.sm3(who.seal_certificate))))
    times = [
        der.encode(UTC_TIME, each[2:].encode()) if version == 1 else der.encode(GENERALIZED_TIME, each.encode())
        for each in habits.life
    ]
    list_type = [] if version == 1 else [integer(2 if habits.listed_as_hash else 1)]
    about = sequence(integer(1), text(UTF8, "印章"), *list_type, certificates, *times)
    picture = sequence(text(IA5, "PNG"), octets(who.new_seal.picture.data), integer(40), integer(40))
    info = sequence(header, text(IA5, "0001"), about, picture)
    maker = octets(who.new_seal.maker)
    if version == 1:  # signs its certificate and algorithm as well
        signature = await who.maker_key.sign(sequence(info, maker, SM2_WITH_SM3))
        return sequence(info, sequence(maker, SM2_WITH_SM3, bits(signature)))
    return sequence(info, maker, SM2_WITH_SM3, bits(await who.maker_key.sign(info)))


async def _value(who: Identities, habits: Habits, seal: bytes, data_hash: bytes) -> bytes:
    if not habits.version:
        return await _plain_value(who, habits, data_hash)
    location = text(IA5, f"/Doc_0/Signs/{habits.folder}/Signature.xml")
    if habits.version == 1:
        to_sign = sequence(
            integer(1),
            seal,
            bits(habits.inside.encode()),
            bits(data_hash),
            location,
            octets(who.seal_certificate),
            SM2_WITH_SM3,
        )
        return sequence(to_sign, bits(await _sign(who, habits, to_sign)))
    moment = der.encode(GENERALIZED_TIME, habits.inside.encode())
    to_sign = sequence(integer(habits.version), seal, moment, bits(data_hash), location)
    signature = await _sign(who, habits, to_sign)
    return sequence(to_sign, octets(who.seal_certificate), SM2_WITH_SM3, bits(signature))


async def _sign(who: Identities, habits: Habits, to_sign: bytes) -> bytes:
    signature = await who.seal_key.sign(to_sign)
    if not habits.raw_signature:
        return signature
    numbers = der.read(signature).children(der.SEQUENCE)
    return b"".join(int.from_bytes(each.content, "big").to_bytes(32, "big") for each in numbers)


async def _plain_value(who: Identities, habits: Habits, data_hash: bytes) -> bytes:
    data, signed_data = (object_identifier(f"1.2.156.10197.6.1.4.2.{last}") for last in (1, 2))
    hash_algorithm = sequence(object_identifier(sm2.SM3_OID))
    names = CertificateNames.read(who.signer_certificate)
    content, attributes = [der.encode(CONTEXT_0, octets(data_hash))], []
    over = data_hash
    if habits.attributes:
        content = []
        inside = b"".join(
            sequence(object_identifier(f"1.2.840.113549.1.9.{number}"), der.encode(SET, value))
            for number, value in (
                (3, data),
                (4, octets(data_hash)),
                (5, der.encode(UTC_TIME, habits.inside[2:].encode())),
            )
        )
        over, attributes = der.encode(SET, inside), [der.encode(CONTEXT_0, inside)]
    signer = sequence(
        integer(1),
        sequence(names.issuer, names.serial),
        hash_algorithm,
        *attributes,
        sequence(object_identifier("1.2.156.10197.1.301.1"), habits.parameters),
        octets(await who.signer_key.sign(over)),
    )
    signed = sequence(
        integer(1),
        der.encode(SET, hash_algorithm),
        sequence(data, *content),
        der.encode(CONTEXT_0, who.signer_certificate),
        der.encode(SET, signer),
    )
    return sequence(signed_data, der.encode(CONTEXT_0, signed))
