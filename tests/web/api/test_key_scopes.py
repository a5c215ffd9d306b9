"""What an API key may do: each operation with each scope, an end, and a new secret beside the former one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from hub.errors import BadInput
from hub.lifecycle.staff.api_keys import add_key, list_keys, revoke_key, rotate_key
from hub.model.staff.key_scopes import USUAL_SCOPES, KeyScope, KeyTerms, parse_scopes
from hub.web.api import OPERATIONS
from hub.web.staff.person_labels import KEY_SCOPE_NAMES, KEY_SCOPES
from tests.commits import before_commits
from tests.lent_hubs import lent_hub
from tests.running import Running, running_hub

ACTOR = "command-line"


async def status(running: Running, secret: str, path: str = "/api/v1/contracts", method: str = "GET") -> int:
    headers = {"Authorization": f"Bearer {secret}"}
    async with running.http.request(method, running.origin + path, json={}, headers=headers) as answer:
        return answer.status


@pytest.mark.asyncio(loop_scope="module")
async def test_each_operation_wants_its_scope_and_no_other_one_will_do() -> None:
    async with running_hub(with_worker=False, configured={"metrics_token": "metrics-of-this-hub-alone"}) as running:
        keys = {
            scope: await add_key(running.hub.services, scope.value, "hq", ACTOR, KeyTerms(frozenset({scope})))
            for scope in KeyScope
        }
        for operation in OPERATIONS:
            path = re.sub(r"\{\w+\}", str(uuid4()), operation.path.replace("{number}", "1"))
            for scope, secret in keys.items():
                got = await status(running, secret, path, operation.method)
                if operation.needs is scope:
                    assert got in (200, 404, 422), (operation.name, scope, got)  # there is no such contract
                else:
                    assert got == 403, (operation.name, scope, got)
        assert {scope: await status(running, secret, "/metrics") for scope, secret in keys.items()} == {
            scope: 200 if scope is KeyScope.METRICS else 401 for scope in KeyScope
        }


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_ends_on_its_day() -> None:
    async with lent_hub(with_worker=False) as running:
        end = running.clock() + timedelta(days=3)
        secret = await add_key(running.hub.services, "crm", "hq", ACTOR, KeyTerms(USUAL_SCOPES, end))
        assert await status(running, secret) == 200
        with pytest.raises(BadInput, match="a key is or was named crm"):
            await add_key(running.hub.services, "crm", "hq", ACTOR)
        running.clock.advance(timedelta(days=3))
        assert await status(running, secret) == 401
        assert await status(running, await add_key(running.hub.services, "crm-2", "hq", ACTOR)) == 200
        with pytest.raises(BadInput, match="must expire on a future day"):
            await add_key(running.hub.services, "late", "hq", ACTOR, KeyTerms(USUAL_SCOPES, end))


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_that_is_revoked_during_an_upload_changes_nothing() -> None:
    async with lent_hub(with_worker=False) as running:
        secret = await add_key(running.hub.services, "crm", "hq", ACTOR)
        looked_up = asyncio.Event()

        async def note_commit(number: int) -> None:
            looked_up.set()

        async def document() -> AsyncIterator[bytes]:
            yield b"%PDF-1.7"
            await asyncio.wait_for(looked_up.wait(), 60)
            await revoke_key(running.hub.services, "crm", ACTOR)
            yield b"\n%%EOF"

        headers = {"Authorization": f"Bearer {secret}"}
        with before_commits(running.hub.database, note_commit):
            async with running.http.post(f"{running.origin}/api/v1/documents", data=document(), headers=headers) as got:
                assert got.status == 401


@pytest.mark.asyncio(loop_scope="module")
async def test_a_rotated_key_counts_with_both_secrets_for_a_while() -> None:
    async with lent_hub(with_worker=False) as running:
        services = running.hub.services
        terms = KeyTerms(frozenset({KeyScope.READ}), running.clock() + timedelta(days=90))
        former = await add_key(services, "crm", "hefei", ACTOR, terms)
        later = await rotate_key(services, "crm", timedelta(days=7), ACTOR)
        assert [await status(running, each) for each in (former, later)] == [200, 200]
        assert await status(running, later, method="POST") == 403  # it may do no more than before
        with pytest.raises(BadInput, match="is being rotated"):
            await rotate_key(services, "crm", timedelta(days=7), ACTOR)
        running.clock.advance(timedelta(days=7))
        assert [await status(running, each) for each in (former, later)] == [401, 200]
        (entry,) = [
            each for each in await list_keys(services) if each.counts_at(running.clock()) and each.key.name == "crm"
        ]
        assert (entry.key.campus, entry.key.scopes, entry.expires_at) == ("hefei", terms.scopes, terms.expires_at)
        latest = await rotate_key(services, "crm", timedelta(days=30), ACTOR)
        await revoke_key(services, "crm", ACTOR)  # whoever has either secret is out
        assert [await status(running, each) for each in (later, latest)] == [401, 401]
        with pytest.raises(BadInput, match="no valid key crm"):
            await rotate_key(services, "crm", timedelta(days=7), ACTOR)


@pytest.mark.asyncio(loop_scope="module")
async def test_after_a_leak_every_former_secret_ends_at_once() -> None:
    async with lent_hub(with_worker=False) as running:
        services = running.hub.services
        secrets = [await add_key(services, "crm", "hefei", ACTOR)]
        secrets += [await rotate_key(services, "crm", timedelta(days=days), ACTOR) for days in (7, 0)]
        assert [await status(running, each) for each in secrets] == [401, 401, 200]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_overlap_makes_no_key_last_longer() -> None:
    async with lent_hub(with_worker=False) as running:
        services = running.hub.services
        end = running.clock() + timedelta(days=2)
        former = await add_key(services, "crm", "hq", ACTOR, KeyTerms(USUAL_SCOPES, end))
        await rotate_key(services, "crm", timedelta(days=30), ACTOR)
        running.clock.advance(timedelta(days=2))
        assert await status(running, former) == 401
        for days in (-1, 31):
            with pytest.raises(BadInput, match="must be 0 to 30 days"):
                await rotate_key(services, "crm", timedelta(days=days), ACTOR)


def test_every_scope_has_its_words_on_the_page() -> None:
    assert set(KEY_SCOPES) == set(KEY_SCOPE_NAMES) == set(KeyScope)


def test_scopes_are_named_and_the_usual_ones_are_not_for_metrics() -> None:
    assert parse_scopes([]) == USUAL_SCOPES and KeyScope.METRICS not in USUAL_SCOPES
    assert parse_scopes(["read", "read"]) == {KeyScope.READ}
    scopes = "read, issue, act, seal, manage-seals, metrics"
    with pytest.raises(BadInput, match=f"there is no scope admin: the scopes are {scopes}"):
        parse_scopes(["read", "admin"])
