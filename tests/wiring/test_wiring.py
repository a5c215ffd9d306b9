"""The parts that a hub is built from: outside the demo there is no outbox, and nothing is simulated."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hub.errors import TemplateFailed
from hub.initialise import initialise
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.signing.entry.open_link import open_ticket
from hub.lifecycle.signing.entry.verify_identity import send_code
from hub.lifecycle.staff.accounts import NewStaff, add_staff
from hub.model.signing.link import DoorKind
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING
from hub.settings import Settings
from hub.store.server.installation import mark
from hub.wiring import Hub, build, utc_now
from tests.database import Dsns
from tests.running import minor_with_guardian, prepare_school, token_settings


@asynccontextmanager
async def production(database: Dsns, folder: Path, **settings: object) -> AsyncIterator[Hub]:
    await mark(database.owner, "production", utc_now())
    origin = {"origin": "https://sign.example.org/"}
    configured = Settings.load(data=folder, token=token_settings(), **(origin | settings))
    await initialise(configured, database.owner)
    hub = await build(configured, database.app, demo=False)
    try:
        yield hub
    finally:
        await hub.close()


async def test_without_the_demo_no_message_goes_anywhere_and_nothing_fails(database: Dsns, tmp_path: Path) -> None:
    async with production(database, tmp_path) as hub:
        assert hub.services.messaging.router.configured == []
        await prepare_school(hub.database)
        contract = await issue(hub.services, EVERYTHING, replace(minor_with_guardian(), send="none"), "test")
        async with hub.database.transaction(EVERYTHING) as tx:
            signer = (await tx.contracts.list_signers(contract.id))[0]
            ticket = tx.links.ticket(await tx.links.get_for_door(signer, DoorKind.COPY, tx.now))
        await send_code(hub.services, (await open_ticket(hub.services, ticket)).secret)
        async with hub.database.transaction(EVERYTHING) as tx:
            assert await tx.deliveries.list_of_contract(contract.id) == []


async def test_urls_are_built_from_the_public_origin(database: Dsns, tmp_path: Path) -> None:
    async with production(database, tmp_path) as hub:
        doorway = hub.services.messaging.router.renderer.build_doorway("7F3KQ0ZC8M2XA")
    assert doorway.url == "https://sign.example.org/s/7F3KQ0ZC8M2XA"
    assert doorway.scan_url == "HTTPS://SIGN.EXAMPLE.ORG/S/7F3KQ0ZC8M2XA"


async def test_a_password_is_hashed_at_the_full_cost(database: Dsns, tmp_path: Path) -> None:
    """Other tests hash at a lower cost, because they do it hundreds of times."""
    async with production(database, tmp_path) as hub:
        await prepare_school(hub.database)
        await add_staff(hub.services, NewStaff("zhou", "周示范", "hefei"), "correct-horse-battery", COMMAND_LINE)
        async with hub.database.transaction(EVERYTHING) as tx:
            found = [await tx.accounts.get_login(login, tx.now) for login in ("zhou", "demo")]
    full_cost = "$argon2id$v=19$m=65536,t=3,p=4$"
    assert [each.password_hash.startswith(full_cost) for each in found if each] == [True, True]


async def test_a_channel_that_does_not_exist_stops_the_start(database: Dsns, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="channels"):
        async with production(database, tmp_path, channels={"sms": "pigeon"}):
            raise AssertionError("started")


async def test_a_second_start_finds_what_the_first_one_made(database: Dsns, tmp_path: Path) -> None:
    async with production(database, tmp_path) as first:
        chain, keys = first.pki.seal_chain, first.services.signing.keys
    async with production(database, tmp_path) as second:
        assert (second.pki.seal_chain, second.services.signing.keys) == (chain, keys)
        seal = f"seal-{hashlib.sha256(chain[0]).hexdigest()[:16]}.pem"
        assert sorted(path.name for path in (tmp_path / "trust").iterdir()) == [
            "builtin-authority.pem",
            "builtin-timestamp.pem",
            "origins.txt",
            seal,
        ]


async def test_a_hub_that_moves_keeps_its_earlier_addresses(database: Dsns, tmp_path: Path) -> None:
    """Passkeys confirmed signatures at earlier addresses, and contracts have to be verifiable for years."""
    moved = "https://signing.example.org"
    for origin in ("https://sign.example.org", moved, moved):
        async with production(database, tmp_path, origin=origin):
            pass
    assert (tmp_path / "trust" / "origins.txt").read_text() == "https://sign.example.org\nhttps://signing.example.org\n"


KANNEL = {
    "url": "http://127.0.0.1:13013/cgi-bin/sendsms",
    "username": "qianda",
    "password": "secret",
    "callback_secret": "0123456789abcdef0123456789abcdef",
}


async def test_a_message_that_a_provider_would_not_carry_stops_the_start(database: Dsns, tmp_path: Path) -> None:
    french = {"channels": {"sms_kannel": KANNEL | {"languages": ["zh", "fr"]}}}
    with pytest.raises(TemplateFailed, match=r"invitation\.toml, sms\.full\.fr: this text is missing") as stopped:
        async with production(database, tmp_path, **french):
            raise AssertionError("started")
    assert "zh" not in stopped.value.detail
    async with production(database, tmp_path, channels={"sms_kannel": KANNEL}) as hub:
        assert hub.services.messaging.router.configured == ["sms"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('repeat_every = "0d"', "repeat_every: has to be at least a day, or the reminders would never end"),
        ("messages_per_day = 99999", "messages_per_day: has to be at most 10, or it would be no limit"),
        ('window_closes = "23:30"', "window_closes: would wake people: not after 23:00"),
        (
            'last_call_through = ["pigeon"]',
            "last_call_through: there is no channel 'pigeon'; there are sms, voice, email",
        ),
        ('last_call_through = ["voice"]', "last_call_through: no provider of voice is configured"),
        ("escalate_every = 3", "escalate_every: is not part of a reminder policy"),
    ],
)
async def test_a_policy_that_makes_no_sense_stops_the_start_with_file_key_and_reason(
    database: Dsns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, reason: str
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(f"[reminders]\n{line}\n", "utf-8")
    monkeypatch.setenv("QIANDA_CONFIG", str(own))
    with pytest.raises(ValueError, match="reminders") as refused:
        async with production(database, tmp_path):
            raise AssertionError("started")
    assert str(refused.value) == f"{own}, reminders.{reason}"


async def test_the_outbox_exists_in_the_demo_alone(database: Dsns, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only in the demo"):
        async with production(database, tmp_path, channels={"sms": {"kind": "outbox"}}):
            raise AssertionError("started")
