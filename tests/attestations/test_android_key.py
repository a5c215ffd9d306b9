"""Android's statements about keys: a good one, and for every check one that only this check refuses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509

from hub.attestations import AttestationContext, Attested, Attestor, Level, NotAttested, Statement, Verdict
from hub.attestations.android_key import connect
from hub.attestations.key_description import read
from hub.plugins import ATTESTORS, connect_plugin
from tests.attestations.platforms import (
    DESCRIPTION,
    FALSE,
    FINGERPRINT,
    NULL,
    PACKAGE,
    Keystore,
    application,
    certificate,
    der_of,
    description,
    hardware,
    integer,
    new_key,
    octets,
    root_of_trust,
    set_of,
    software,
    spki_of,
)
from tests.authorities.test_many_issuers import rounds_during, wide_chain

pytestmark = pytest.mark.custody
CHALLENGE = b"c" * 32
OTHER = ":".join(["B8"] * 32)


class Grounds:
    """A keystore, the attestor that trusts it, and a key."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession) -> None:
        self.keystore, self.folder, self.http = Keystore(), folder, http
        self.root = self.keystore.write_root(folder)
        self.now = datetime.now(UTC)
        self.key = new_key().public_key()
        self.attestor = self.connect()

    def connect(self, **options: Any) -> Attestor:
        apps = [{"package": PACKAGE, "fingerprints": [FINGERPRINT]}]
        place = AttestationContext("android_key", self.http, lambda: self.now)
        return connect({"roots": [str(self.root)], "apps": apps, **options}, place)

    async def verdict(self, chain: tuple[bytes, ...] | None = None, attestor: Attestor | None = None) -> Verdict:
        chain = self.keystore.attest(self.key, CHALLENGE) if chain is None else chain
        statement = Statement("android-key", chain)
        return await (attestor or self.attestor).check(statement, spki_of(self.key), CHALLENGE)


@pytest.fixture
async def grounds(tmp_path: Path) -> AsyncIterator[Grounds]:
    async with aiohttp.ClientSession() as http:
        yield Grounds(tmp_path, http)


async def test_what_is_attested(grounds: Grounds) -> None:
    assert await grounds.verdict() == Attested("android", PACKAGE, Level.TEE)
    strongbox = grounds.keystore.attest(grounds.key, CHALLENGE, level=2, keystore_level=2)
    assert await grounds.verdict(strongbox) == Attested("android", PACKAGE, Level.STRONGBOX)
    mixed = grounds.keystore.attest(grounds.key, CHALLENGE, level=2, keystore_level=1)
    assert await grounds.verdict(mixed) == Attested("android", PACKAGE, Level.TEE)
    without_root = grounds.keystore.attest(grounds.key, CHALLENGE)[:2]
    assert isinstance(await grounds.verdict(without_root), Attested)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"level": 0}, "not-in-hardware"),
    ({"keystore_level": 0}, "not-in-hardware"),
    ({"in_hardware": hardware(tag_1=None)}, "purpose"),
    ({"in_hardware": hardware(tag_1=set_of(integer(2), integer(7)))}, "purpose"),  # it could attest other keys
    ({"in_hardware": hardware(tag_1=set_of(integer(1)))}, "purpose"),
    ({"in_hardware": hardware(tag_5=set_of(integer(2)))}, "digest"),
    ({"in_hardware": hardware(tag_702=None)}, "not-made-there"),
    ({"in_hardware": hardware(tag_702=integer(2))}, "not-made-there"),
    ({"in_hardware": hardware(tag_503=NULL)}, "asks-nobody"),
    ({"in_software": software(tag_503=NULL)}, "asks-nobody"),
    ({"in_hardware": hardware(tag_504=None)}, "no-user-verification"),
    ({"in_hardware": hardware(tag_504=integer(0))}, "no-user-verification"),
    ({"in_hardware": hardware(tag_504=None), "in_software": software(tag_504=integer(3))}, "no-user-verification"),
    ({"in_hardware": hardware(tag_505=integer(10))}, "not-asked-each-time"),
    ({"in_software": software(tag_505=integer(10))}, "not-asked-each-time"),
    ({"in_hardware": hardware(tag_506=NULL)}, "not-asked-each-time"),
    ({"in_hardware": hardware(tag_600=NULL)}, "for-all-apps"),
    ({"in_hardware": hardware(tag_704=root_of_trust(boot_state=1))}, "boot-state"),
    ({"in_hardware": hardware(tag_704=root_of_trust(locked=FALSE))}, "bootloader-unlocked"),
    ({"in_software": software(tag_709=None)}, "another-app"),
    ({"in_software": software(tag_709=application(("org.example.other",)))}, "another-app"),
    ({"in_software": software(tag_709=application((PACKAGE, "org.example.other")))}, "another-app"),
    ({"in_software": software(tag_709=application(fingerprints=(OTHER,)))}, "another-app"),
    ({"in_software": software(tag_709=application(fingerprints=(FINGERPRINT, OTHER)))}, "another-app"),
    ({"in_software": software(tag_709=application(fingerprints=()))}, "another-app"),
    ({"in_software": software(tag_709=None), "in_hardware": hardware(tag_709=application())}, "another-app"),
    ({"begins": timedelta(days=1)}, "chain-not-trusted"),
    ({"ends": timedelta(hours=-1)}, "chain-not-trusted"),
]


@pytest.mark.parametrize(("how", "reason"), REFUSED)
async def test_what_is_not_attested_and_why(grounds: Grounds, how: dict[str, Any], reason: str) -> None:
    assert await grounds.verdict(grounds.keystore.attest(grounds.key, CHALLENGE, **how)) == NotAttested((reason,))


async def test_of_another_visit_another_key_or_another_root(grounds: Grounds) -> None:
    replayed = grounds.keystore.attest(grounds.key, b"d" * 32)
    assert await grounds.verdict(replayed) == NotAttested(("another-challenge",))
    other = grounds.keystore.attest(new_key().public_key(), CHALLENGE)
    assert await grounds.verdict(other) == NotAttested(("another-key",))
    forged = Keystore().attest(grounds.key, CHALLENGE)
    assert await grounds.verdict(forged) == NotAttested(("chain-not-trusted",))
    leaf, _, root = grounds.keystore.attest(grounds.key, CHALLENGE)
    assert await grounds.verdict((leaf, root)) == NotAttested(("chain-not-trusted",))
    assert await grounds.verdict((leaf, root, leaf)) == NotAttested(("description-unreadable",))


async def test_an_attested_key_attests_no_other(grounds: Grounds) -> None:
    """The owner of a phone issues, with the phone's attested key, a certificate for a key of their own."""
    phone, mine = new_key(), grounds.key
    middle, root = der_of(grounds.keystore.middle), der_of(grounds.keystore.root)
    vouching = grounds.keystore.attest(phone.public_key(), CHALLENGE)[0]
    plain = grounds.keystore.leaf(phone.public_key(), x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
    extra = [x509.UnrecognizedExtension(DESCRIPTION, description(CHALLENGE))]
    forged = der_of(certificate(mine, "Mine", phone, "Key", extra=extra))
    assert await grounds.verdict((forged, vouching, middle, root)) == NotAttested(("description-unreadable",))
    assert await grounds.verdict((forged, der_of(plain), middle, root)) == NotAttested(("chain-not-trusted",))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x30\x00",
        description(CHALLENGE) + b"\x00",
        description(CHALLENGE)[:-1],
        description(CHALLENGE, more=integer(1)),
        description(CHALLENGE, level=9),
        description(CHALLENGE, in_hardware=hardware(tag_504=octets(b"x"))),
        description(CHALLENGE, in_hardware=hardware(tag_704=octets(b"x"))),
        description(CHALLENGE, in_software=software(tag_709=octets(b"x"))),
    ],
)
async def test_descriptions_of_another_form_are_not_read(grounds: Grounds, content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - asn1crypto's own words differ
        read(content)
    leaf = der_of(grounds.keystore.leaf(grounds.key, DESCRIPTION, content))
    verdict = await grounds.verdict((leaf, der_of(grounds.keystore.middle)))
    assert verdict == NotAttested(("description-unreadable",))


def test_an_entry_stands_once_and_unknown_ones_are_passed_over() -> None:
    entry = set_of(integer(2))
    once = description(CHALLENGE, in_hardware={1: entry, 2: entry})
    twice = once.replace(bytes([0xA2, len(entry)]) + entry, bytes([0xA1, len(entry)]) + entry)
    assert twice != once
    with pytest.raises(ValueError, match="stands once"):
        read(twice)
    assert read(description(CHALLENGE, in_hardware=hardware(tag_9999=NULL))).hardware[9999] is None


async def test_chains_that_cannot_be_read(grounds: Grounds) -> None:
    chain = grounds.keystore.attest(grounds.key, CHALLENGE)
    for bad in ((), (b"x", *chain), (chain[0][:-1], *chain[1:]), (chain[0], *chain[1:2] * 10)):
        assert await grounds.verdict(bad) == NotAttested(("chain-unreadable",))


async def test_wide_names_keep_nobody_else_waiting(grounds: Grounds) -> None:
    statement = Statement("android-key", chain=tuple(wide_chain()))
    assert await rounds_during(grounds.attestor.check(statement, b"", b"")) > 1


async def test_devices_that_a_school_lets_in(grounds: Grounds) -> None:
    lenient = grounds.connect(boot_states=["verified", "self-signed"], locked=False)
    own = hardware(tag_704=root_of_trust(locked=FALSE, boot_state=1))
    assert isinstance(
        await grounds.verdict(grounds.keystore.attest(grounds.key, CHALLENGE, in_hardware=own), lenient), Attested
    )


async def test_revoked_ones_by_a_file(grounds: Grounds) -> None:
    path = grounds.folder / "status.json"
    path.write_text(json.dumps({"entries": {}}))
    attestor = grounds.connect(status_file=str(path))
    assert isinstance(await grounds.verdict(attestor=attestor), Attested)
    serial = f"{grounds.keystore.middle.serial_number:x}"
    path.write_text(json.dumps({"entries": {serial: {"status": "REVOKED", "reason": "KEY_COMPROMISE"}}}))
    assert isinstance(await grounds.verdict(attestor=attestor), Attested)  # the list was read within the last hour
    grounds.now += timedelta(hours=1)
    assert await grounds.verdict(attestor=attestor) == NotAttested(("revoked",))


async def test_revoked_ones_by_a_service_that_may_be_away(grounds: Grounds) -> None:
    listed: dict[str, Any] = {}
    answers: list[int] = [500]

    async def status(_: web.Request) -> web.Response:
        return web.json_response({"entries": listed}, status=answers[-1])

    app = web.Application()
    app.router.add_get("/status", status)
    async with TestServer(app) as server:
        attestor = grounds.connect(status_url=str(server.make_url("/status")))
        assert await grounds.verdict(attestor=attestor) == NotAttested(("status-unknown",))  # no list was ever read
        answers.append(200)
        assert isinstance(await grounds.verdict(attestor=attestor), Attested)
        answers.append(503)
        grounds.now += timedelta(days=6)
        assert isinstance(await grounds.verdict(attestor=attestor), Attested)  # the earlier list still counts
        grounds.now += timedelta(days=2)
        assert await grounds.verdict(attestor=attestor) == NotAttested(("status-unknown",))
        answers.append(200)
        listed[f"00{grounds.keystore.middle.serial_number:X}"] = {"status": "SUSPENDED"}
        assert await grounds.verdict(attestor=attestor) == NotAttested(("revoked",))


async def test_the_service_does_not_lead_the_hub_elsewhere(grounds: Grounds) -> None:
    async def status(request: web.Request) -> web.Response:
        if request.path == "/moved":
            raise web.HTTPFound("/status")
        return web.json_response({"entries": {}})

    app = web.Application()
    app.add_routes([web.get("/moved", status), web.get("/status", status)])
    async with TestServer(app) as server:
        moved, right = [grounds.connect(status_url=str(server.make_url(path))) for path in ("/moved", "/status")]
        assert await grounds.verdict(attestor=moved) == NotAttested(("status-unknown",))
        assert isinstance(await grounds.verdict(attestor=right), Attested)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"roots": []}, "roots"),
        ({"roots": ["/nowhere.pem"]}, "nowhere"),
        ({"apps": []}, "apps"),
        ({"apps": [{"package": "x", "fingerprints": [FINGERPRINT]}]}, "package"),
        ({"apps": [{"package": PACKAGE, "fingerprints": ["A7"]}]}, "fingerprint"),
        ({"status_url": "ftp://x"}, "status_url"),
        ({"status_url": "https://x", "status_file": "y"}, "status_"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_a_wrong_configuration_is_named(grounds: Grounds, options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=f"attestations.android_key.*{word}"):
        grounds.connect(**options)


async def test_an_entry_is_connected_by_its_name_or_kind(grounds: Grounds) -> None:
    apps = [{"package": PACKAGE, "fingerprints": [FINGERPRINT]}]
    entry = {"kind": "android_key", "roots": [str(grounds.root)], "apps": apps}
    place = AttestationContext("phones", grounds.http, lambda: grounds.now)
    assert connect_plugin(ATTESTORS, "phones", entry, place).format == "android-key"
    for nothing in ("phones", "chains", "no such"):
        with pytest.raises(ValueError, match=r"attestations\.phones: there is no attestor"):
            connect_plugin(ATTESTORS, "phones", entry | {"kind": nothing}, place)


async def test_the_list_of_revoked_keys_in_an_entry_stays_a_path(grounds: Grounds, tmp_path: Path) -> None:
    """The file is read again whenever it is due, so it is not taken for a secret that is kept in a file."""
    entry = {
        "roots": [str(grounds.root)],
        "apps": [{"package": PACKAGE, "fingerprints": [FINGERPRINT]}],
        "status_file": str(tmp_path / "later.json"),
    }
    place = AttestationContext("android_key", grounds.http, lambda: grounds.now)
    assert connect_plugin(ATTESTORS, "android_key", entry, place).format == "android-key"
