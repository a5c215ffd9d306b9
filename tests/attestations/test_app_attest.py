"""Apple's statements about apps: a good one, and for every check one that only this check refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.attestations import AttestationContext, Attested, Attestor, Level, NotAttested, Statement, cbor
from hub.attestations.app_attest import connect
from tests.attestations.platforms import APPLE_APP, DEVELOPMENT, AppAttestService, cbor as encoded, new_key, spki_of
from tests.authorities.test_many_issuers import rounds_during, wide_chain

pytestmark = pytest.mark.custody
CHALLENGE = b"c" * 32


class Grounds:
    def __init__(self, folder: Path) -> None:
        self.service = AppAttestService()
        self.root = self.service.write_root(folder)
        self.spki = spki_of(new_key().public_key())
        self.attestor = self.connect()

    def connect(self, **options: Any) -> Attestor:
        place = AttestationContext("app_attest", None, lambda: datetime.now(UTC))  # type: ignore[arg-type] # it asks nobody
        return connect({"roots": [str(self.root)], "apps": [APPLE_APP], **options}, place)

    async def reasons(self, attestor: Attestor | None = None, **how: Any) -> tuple[str, ...]:
        content, key_id = self.service.attest(CHALLENGE + self.spki, **how)
        return await self.said(content, key_id, attestor)

    async def said(self, content: bytes, key_id: bytes, attestor: Attestor | None = None) -> tuple[str, ...]:
        statement = Statement("apple-appattest", content=content, key_id=key_id)
        verdict = await (attestor or self.attestor).check(statement, self.spki, CHALLENGE)
        if isinstance(verdict, NotAttested):
            return verdict.reasons
        assert verdict == Attested("ios", APPLE_APP, Level.VOUCHED)
        return ()


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    return Grounds(tmp_path)


async def test_what_is_attested(grounds: Grounds) -> None:
    assert await grounds.reasons() == ()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"app": "A1B2C3D4E5.org.example.other"}, "another-app"),
    ({"counter": 1}, "used-before"),
    ({"aaguid": DEVELOPMENT}, "environment"),
    ({"aaguid": bytes(16)}, "environment"),
    ({"nonce": bytes(32)}, "another-challenge"),
    ({"nonce": b""}, "another-challenge"),
    ({"credential": bytes(32)}, "another-key"),
    ({"cose": {1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)}}, "another-key-in-the-object"),
    ({"cose": {}}, "another-key-in-the-object"),
    ({"ends": timedelta(hours=-1)}, "chain-not-trusted"),
    ({"form": "packed"}, "object-unreadable"),
    ({"more": {"x": 1}}, "object-unreadable"),
    ({"flags": 0}, "object-unreadable"),
]


@pytest.mark.parametrize(("how", "reason"), REFUSED)
async def test_what_is_not_attested_and_why(grounds: Grounds, how: dict[str, Any], reason: str) -> None:
    assert await grounds.reasons(**how) == (reason,)


async def test_of_another_visit_another_key_or_another_root(grounds: Grounds, tmp_path: Path) -> None:
    replayed, key_id = grounds.service.attest(b"d" * 32 + grounds.spki)
    assert await grounds.said(replayed, key_id) == ("another-challenge",)
    other, key_id = grounds.service.attest(CHALLENGE + spki_of(new_key().public_key()))
    assert await grounds.said(other, key_id) == ("another-challenge",)
    content, _ = grounds.service.attest(CHALLENGE + grounds.spki)
    assert await grounds.said(content, bytes(32)) == ("another-key",)
    forged, key_id = AppAttestService().attest(CHALLENGE + grounds.spki)
    assert await grounds.said(forged, key_id) == ("chain-not-trusted",)


async def test_apps_of_developers_only_where_the_school_says_so(grounds: Grounds) -> None:
    developing = grounds.connect(environments=["development"])
    assert await grounds.reasons(developing, aaguid=DEVELOPMENT) == ()
    assert await grounds.reasons(developing) == ("environment",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xa0",
        encoded([]),
        encoded({"fmt": "apple-appattest", "attStmt": {}, "authData": b""}),
        encoded({"fmt": "apple-appattest", "attStmt": {"x5c": [b"x"]}, "authData": bytes(100)}),
        encoded({"fmt": "apple-appattest", "attStmt": [], "authData": 7}),
        encoded(7),
    ],
)
async def test_objects_of_another_form_are_not_read(grounds: Grounds, content: bytes) -> None:
    assert await grounds.said(content, bytes(32)) == ("object-unreadable",)


async def test_an_object_that_was_cut_anywhere_is_not_read(grounds: Grounds) -> None:
    content, key_id = grounds.service.attest(CHALLENGE + grounds.spki)
    for end in range(0, len(content), 37):
        assert await grounds.said(content[:end], key_id) == ("object-unreadable",)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"roots": []}, "roots"),
        ({"roots": ["/nowhere.pem"]}, "nowhere"),
        ({"apps": ["org.example"]}, "apps"),
        ({"environments": ["test"]}, "environments"),
    ],
)
def test_a_wrong_configuration_is_named(grounds: Grounds, options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=f"attestations.app_attest.*{word}"):
        grounds.connect(**options)


@pytest.mark.parametrize("value", [
    0, 23, 24, 255, 256, 65535, 65536, 1 << 40, -1, -24, -25, b"", b"x" * 300, "", "签", [], [1, [2, [3]]], {},
    {1: 2, -1: b"x", "a": [1]},
])  # fmt: skip
def test_cbor_that_is_read(value: Any) -> None:
    assert cbor.read(encoded(value)) == value


@pytest.mark.parametrize("data", [
    "", "18", "1817", "190017", "1a0000ffff", "1b00000000ffffffff", "1c", "1f", "5f4101ff", "9fff", "bfff",
    "4101ff", "42 01", "61ff", "82 01", "a1 01", "a2 0101 0102", "a1 4101 01", "a1 80 01", "c0 60", "f5", "f6",
    "f97e00", "81" * 9 + "01",
])  # fmt: skip
def test_cbor_that_is_not_read(data: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason
        cbor.read(bytes.fromhex(data))


async def test_wide_names_keep_nobody_else_waiting(grounds: Grounds) -> None:
    content = encoded({"fmt": "apple-appattest", "attStmt": {"x5c": wide_chain()}, "authData": b""})
    assert await rounds_during(grounds.said(content, b"")) > 1
