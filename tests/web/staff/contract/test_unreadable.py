"""A contract that was sealed under another key does not hide the others."""

from __future__ import annotations

import secrets

import asyncpg
import pytest

from hub.store.encryption.cipher import Cipher
from hub.store.encryption.keys import Keys
from tests.running import running_hub
from tests.web.staff_visit import ConsoleBrowser


async def test_one_unreadable_contract_does_not_break_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    async with running_hub(with_worker=False) as running:
        good, bad = await running.issue_minor(), await running.issue_minor()
        owner = await asyncpg.connect(running.hub.database.dsn.replace("//app@", "//owner@"))
        foreign = Cipher(Keys.derived_from(secrets.token_bytes(32))).encrypt_json({"price": "1"}, b"")
        assert await owner.execute("UPDATE contract SET data_sealed = $1 WHERE id = $2", foreign, bad.id) == "UPDATE 1"
        await owner.close()
        key = {"Authorization": f"Bearer {running.api_key}"}
        async with running.http.get(f"{running.origin}/api/v1/contracts", headers=key) as answer:
            assert answer.status == 200
            listed = {each["id"]: (each["readable"], each["state"]) for each in (await answer.json())["items"]}
        assert listed == {str(good.id): (True, "ISSUED"), str(bad.id): (False, "ISSUED")}
        assert str(bad.id) in "".join(capsys.readouterr())
        async with running.http.get(f"{running.origin}/api/v1/contracts/{bad.id}", headers=key) as answer:
            assert (answer.status, answer.content_type) == (503, "application/problem+json")
            problem = await answer.json()
            assert (problem["code"], problem["retry"]) == ("contract-unreadable", False)
            assert bad.number in problem["detail"]
        console = ConsoleBrowser(running)
        await console.log_in()
        board = await console.get("/staff")
        assert board.status == 200 and str(good.id) in board.text
        assert board.text.count("Unreadable") == 1 and str(bad.id) in board.text.partition("Unreadable")[2]
