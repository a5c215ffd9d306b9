"""Outside authorities: over HTTP with JSON of their own, and by CMP through OpenSSL. Their answers are checked."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from asn1crypto import core, pem
from cryptography import x509

from hub.authorities import Authority, AuthorityContext, CertificateStatus
from hub.authorities.cmp import _escaped
from hub.authorities.http_json import certificates_of
from hub.errors import AuthorityRefused, AuthorityUnavailable, BadInput
from hub.plugins import AUTHORITIES, connect_plugin
from hub.tokens.softkey import SoftKey
from tests.authorities.outside_ca import SECRET, OutsideCa, RegistrationAuthority, cmp_server
from tests.made_certificates import certificate, key
from tests.signing_parts import Pki, utc_now

pytestmark = pytest.mark.custody
LIFE = timedelta(days=30)
NAME = "欧阳/小明+=\\㛃"


@pytest.fixture
async def place() -> AsyncIterator[AuthorityContext]:
    async with aiohttp.ClientSession() as http:
        yield AuthorityContext("szca", http, utc_now)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[RegistrationAuthority]:
    async with RegistrationAuthority(OutsideCa(tmp_path / "ca")).serving() as serving:
        yield serving


def connected(service: RegistrationAuthority, place: AuthorityContext, **more: Any) -> Authority:
    return connect_plugin(AUTHORITIES, "szca", service.options(**more), place)


# ---- HTTP with JSON


async def test_a_certificate_comes_by_the_mapping(service: RegistrationAuthority, place: AuthorityContext) -> None:
    key, made = SoftKey.generate("s"), connected(service, place)
    issued = await made.enrol(key.spki, "王小明", "P-7", LIFE)
    certificate = x509.load_der_x509_certificate(issued.certificate)
    assert issued.chain == (issued.certificate, *made.chain) and len(made.chain) == 1 and not made.trial
    assert (issued.serial, issued.not_after) == (certificate.serial_number, certificate.not_valid_after_utc)
    (asked,) = service.asked
    assert asked["applicant"] == {"name": "王小明", "number": "P-7"}
    assert (asked["days"], asked["profile"]) == (30, "person")
    assert await made.check() == "answers"


async def test_each_certificate_below_the_root_names_who_says_whether_it_was_revoked(
    service: RegistrationAuthority, place: AuthorityContext, tmp_path: Path
) -> None:
    """Without that, the signatures of its holders would be refused once they are finished."""
    root, issuing, files = key(), key(), [tmp_path / "issuing.der", tmp_path / "root.der"]
    files[0].write_bytes(certificate("issuing", issuing, "root", root))
    files[1].write_bytes(certificate("root", root, "root", root))
    with pytest.raises(ValueError, match="names neither a revocation list nor OCSP"):
        connected(service, place, chain=[str(file) for file in files])
    connected(service, place, chain=[str(files[1])])


async def test_it_revokes_and_its_list_says_so(service: RegistrationAuthority, place: AuthorityContext) -> None:
    made = connected(service, place)
    issued = await made.enrol(SoftKey.generate("s").spki, "A", "1", LIFE)
    assert await made.status(issued.certificate) is CertificateStatus.GOOD
    await made.revoke(issued.certificate, "key_compromise")
    assert await made.status(issued.certificate) is CertificateStatus.REVOKED
    foreign = await (await Pki.make()).authority.enrol(SoftKey.generate("s").spki, "A", "1", LIFE)
    assert await made.status(foreign.certificate) is CertificateStatus.UNKNOWN


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"code": 2001}, AuthorityRefused),
        (200, {"code": 9}, AuthorityUnavailable),
        (200, {"code": 0}, AuthorityUnavailable),
        (200, {"code": 0, "data": {"certificate": "bm90IGEgY2VydA=="}}, AuthorityUnavailable),
        (200, {"code": 0, "data": {"certificate": 7}}, AuthorityUnavailable),
        (200, [], AuthorityUnavailable),
        (503, {}, AuthorityUnavailable),
        (400, {"code": 2001}, AuthorityRefused),
        (302, {}, AuthorityUnavailable),
    ],
)
async def test_other_answers_are_a_no_or_no_answer(
    service: RegistrationAuthority, place: AuthorityContext, status: int, body: Any, error: type[Exception]
) -> None:
    async def answer(_: dict[str, Any]) -> web.Response:
        return web.json_response(body, status=status)

    service.answer = answer
    with pytest.raises(error) as raised:
        await connected(service, place).enrol(SoftKey.generate("s").spki, "王小明", "1", LIFE)
    assert "王小明" not in str(raised.value) and SECRET not in str(raised.value)


async def test_without_the_right_secret_it_is_away(service: RegistrationAuthority, place: AuthorityContext) -> None:
    with pytest.raises(AuthorityUnavailable, match="status 401, 1001"):
        await connected(service, place, secret="wrong").enrol(SoftKey.generate("s").spki, "A", "1", LIFE)


async def test_a_slow_or_dead_one_is_away(service: RegistrationAuthority, place: AuthorityContext) -> None:
    released = asyncio.Event()

    async def answer(body: dict[str, Any]) -> web.Response:
        await released.wait()
        return service.issue(body)

    service.answer = answer
    spki = SoftKey.generate("s").spki
    with pytest.raises(AuthorityUnavailable, match="TimeoutError"):
        await connected(service, place, deadline=0.2).enrol(spki, "A", "1", LIFE)
    released.set()
    with pytest.raises(AuthorityUnavailable, match="no answer"):
        await connected(service, place, url="http://127.0.0.1:9/api").enrol(spki, "A", "1", LIFE)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"crl_url": ""}, "neither revocation list nor OCSP"),
        ({"usage": "critical,keyEncipherment"}, "not for signing"),
        ({"usage": "critical,digitalSignature\nextendedKeyUsage=serverAuth"}, "not for signing"),
        ({"usage": ""}, None),
    ],
)
async def test_a_certificate_that_cannot_be_used_is_not_taken(
    service: RegistrationAuthority, place: AuthorityContext, changed: dict[str, str], reason: str | None
) -> None:
    for name, value in changed.items():
        setattr(service.ca, name, value)
    made, spki = connected(service, place), SoftKey.generate("s").spki
    if reason is None:
        await made.enrol(spki, "A", "1", LIFE)
        return
    with pytest.raises(AuthorityUnavailable, match=reason):
        await made.enrol(spki, "A", "1", LIFE)


async def test_a_certificate_for_another_key_or_of_another_authority_is_not_taken(
    service: RegistrationAuthority, place: AuthorityContext, tmp_path: Path
) -> None:
    other = SoftKey.generate("other")

    async def mixed_up(body: dict[str, Any]) -> web.Response:
        text = service.ca.issue(other.spki, "A").read_text()
        return web.json_response({"code": 0, "data": {"certificate": text}})

    service.answer = mixed_up
    with pytest.raises(AuthorityUnavailable, match="another key"):
        await connected(service, place).enrol(SoftKey.generate("s").spki, "A", "1", LIFE)
    namesake = OutsideCa(tmp_path / "namesake")
    made = connected(service, place, chain=[str(namesake.certificate)])
    with pytest.raises(AuthorityUnavailable, match="somebody else"):
        await made.enrol(other.spki, "A", "1", LIFE)


async def test_a_key_that_nobody_should_certify_is_not_even_asked_for(
    service: RegistrationAuthority, place: AuthorityContext
) -> None:
    with pytest.raises(BadInput):
        await connected(service, place).enrol(b"no key", "A", "1", LIFE)
    assert service.asked == []


def test_certificates_are_found_in_every_form(tmp_path: Path) -> None:
    ca = OutsideCa(tmp_path / "ca")
    text = ca.certificate.read_text()
    _, _, der = pem.unarmor(text.encode())
    ca.run("crl2pkcs7", "-nocrl", "-certfile", "ca.pem", "-out", "bag.pem")
    ca.run("crl2pkcs7", "-nocrl", "-certfile", "ca.pem", "-outform", "DER", "-out", "bag.der")
    bag = (ca.folder / "bag.der").read_bytes()
    forms = [
        text,
        der.hex(),
        base64.b64encode(der).decode(),
        [base64.encodebytes(der).decode()],
        base64.b64encode(bag).decode(),
        (ca.folder / "bag.pem").read_text(),
    ]
    for form in forms:
        assert certificates_of(form) == [der]
    wrong: Any
    for wrong in ("", "!", None, 7, "00", {}):
        with pytest.raises(ValueError, match=r"."):
            certificates_of(wrong)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"enrol": {"body": {"a": "{nane}"}}}, "nane"),
        ({"revoke": {"body": {"a": "{name}"}}}, "name"),
        ({"unknown": 1}, "szca.unknown"),
        ({"chain": []}, "szca.chain"),
        ({"url": "ftp://x"}, "szca.url"),
        ({"kind": "nothing_of_the_kind"}, "no authority nothing_of_the_kind"),
        ({"kind": "builtin"}, "no authority builtin"),
        ({"kind": "profile"}, "no authority profile"),
    ],
)
async def test_a_wrong_entry_is_named(
    service: RegistrationAuthority, place: AuthorityContext, more: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named) as raised:
        connected(service, place, **more)
    assert SECRET not in str(raised.value)


async def test_a_chain_has_to_be_one(service: RegistrationAuthority, place: AuthorityContext, tmp_path: Path) -> None:
    other = OutsideCa(tmp_path / "other", "Other")
    with pytest.raises(ValueError, match="not issued by the next"):
        connected(service, place, chain=[str(service.ca.certificate), str(other.certificate)])


# ---- CMP


def cmp_authority(ca: OutsideCa, place: AuthorityContext, server: str, **more: Any) -> Authority:
    entry = {"kind": "cmp", "server": server, "reference": "qianda", "secret": SECRET, "chain": [str(ca.certificate)]}
    return connect_plugin(AUTHORITIES, "campus", entry | more, place)


async def test_cmp_brings_a_certificate_for_a_key_that_the_hub_never_had(
    place: AuthorityContext, tmp_path: Path
) -> None:
    ca, key = OutsideCa(tmp_path / "ca"), SoftKey.generate("s")
    with cmp_server(ca.folder, "-rsp_cert", str(ca.issue(key.spki, "A"))) as server:
        made = cmp_authority(ca, place, server)
        issued = await made.enrol(key.spki, NAME, "P/1", LIFE)
        assert issued.serial == 1001 and issued.chain == (issued.certificate, *made.chain)
        await made.revoke(issued.certificate, "superseded")
        assert await made.check() == "answers"
        with pytest.raises(AuthorityUnavailable):  # it answers with the same certificate, whatever is requested
            await made.enrol(SoftKey.generate("other").spki, "A", "1", LIFE)


async def test_the_name_arrives_as_it_is(tmp_path: Path) -> None:
    """OpenSSL sends a name unchanged, with every character in it that has a meaning in OpenSSL's own notation."""
    ca, key = OutsideCa(tmp_path / "ca"), SoftKey.generate("s")
    (tmp_path / "key.pem").write_bytes(pem.armor("PUBLIC KEY", key.spki))
    with cmp_server(ca.folder, "-rsp_cert", str(ca.issue(key.spki, "A"))) as server:
        ca.run("cmp", "-config", "", "-batch", "-cmd", "cr", "-server", server, "-ref", "qianda", "-secret",
               f"pass:{SECRET}", "-newkey", str(tmp_path / "key.pem"), "-popo", "0", "-certout", "out.pem",
               "-subject", f"/CN={_escaped(NAME)}", "-reqout", "sent.der")  # fmt: skip
    assert core.UTF8String(NAME).dump() in (ca.folder / "sent.der").read_bytes()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("-pkistatus", "2", "-failure", "19"), AuthorityRefused),  # badCertTemplate
        (("-pkistatus", "2", "-failure", "25"), AuthorityUnavailable),  # systemFailure
        (("-send_error",), AuthorityUnavailable),
    ],
)
async def test_cmp_says_no_or_is_away(
    place: AuthorityContext, tmp_path: Path, options: tuple[str, ...], error: type[Exception]
) -> None:
    ca, key = OutsideCa(tmp_path / "ca"), SoftKey.generate("s")
    certificate = str(ca.issue(key.spki, "A"))
    with cmp_server(ca.folder, "-rsp_cert", certificate, "-statusstring", "no 王小明", *options) as server:
        with pytest.raises(error) as raised:
            await cmp_authority(ca, place, server).enrol(key.spki, "王小明", "1", LIFE)
        assert "王小明" not in str(raised.value)


async def test_cmp_with_a_wrong_secret_or_without_an_answer_is_away(place: AuthorityContext, tmp_path: Path) -> None:
    ca, key = OutsideCa(tmp_path / "ca"), SoftKey.generate("s")
    prepared = str(ca.issue(key.spki, "A"))
    with cmp_server(ca.folder, "-rsp_cert", prepared) as server, pytest.raises(AuthorityUnavailable):
        await cmp_authority(ca, place, server, secret="wrong").enrol(key.spki, "A", "1", LIFE)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never answers
        server = f"http://127.0.0.1:{silent.getsockname()[1]}/pkix/"
        with pytest.raises(AuthorityUnavailable, match=r"no answer in 0\.3 s"):
            await cmp_authority(ca, place, server, deadline=0.3).enrol(key.spki, "A", "1", LIFE)


async def test_cmp_wants_a_way_to_be_known(place: AuthorityContext, tmp_path: Path) -> None:
    ca = OutsideCa(tmp_path / "ca")
    with pytest.raises(ValueError, match="reference and secret"):
        cmp_authority(ca, place, "http://127.0.0.1:9/", secret="")
