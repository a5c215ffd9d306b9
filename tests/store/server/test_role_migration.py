"""The accounts of a database from before roles keep what they could do."""

from __future__ import annotations

import shutil
from pathlib import Path

import asyncpg

from hub.store.server.migrate import SCRIPTS, _upgrade, migrate
from tests.database import fresh_database

BEFORE = """
INSERT INTO campus (id, parent, name, name_en, zone, address, phone) VALUES
  ('hq', NULL, '', '', '', '', ''), ('east', 'hq', '', '', '', '', '');
INSERT INTO staff (id, login, name, campus, role, password_hash, created_at) VALUES
  (gen_random_uuid(), 'head', '', 'hq', 'manager', '', now()),
  (gen_random_uuid(), 'lead', '', 'east', 'manager', '', now()),
  (gen_random_uuid(), 'desk', '', 'hq', 'clerk', '', now());
INSERT INTO staff_session (secret_hash, staff, created_at, expires_at)
  SELECT sha256(login::bytea), id, now(), now() FROM staff;
"""


async def test_a_manager_is_headquarters_at_the_root_and_campus_manager_elsewhere(tmp_path: Path) -> None:
    earlier = tmp_path / "migrations"
    shutil.copytree(SCRIPTS, earlier, ignore=lambda _, names: [each for each in names if "0002_z" < each[:6] < "_"])
    async with fresh_database(migrated=False) as dsns:
        connection = await asyncpg.connect(dsns.owner)
        try:
            await _upgrade(dsns.owner, earlier)
            await connection.execute(BEFORE)
            await migrate(dsns.owner)
            roles = {row["login"]: row["role"] for row in await connection.fetch("SELECT login, role FROM staff")}
            sessions = await connection.fetchval("SELECT count(DISTINCT id) FROM staff_session WHERE NOT pending")
        finally:
            await connection.close()
    assert roles == {"head": "headquarters", "lead": "campus-manager", "desk": "clerk"}
    assert sessions == 3
