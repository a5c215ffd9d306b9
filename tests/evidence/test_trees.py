"""The hash tree of a day: its proof in each package, and what `doctor --records` says to an owner of the database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from hub.doctor.records import examine_records
from hub.documents.evidence.hash_tree import HashTree, evidence_record
from hub.lifecycle.evidence.build_tree import add_proofs, build_tree
from hub.model.contract.contract import Contract
from hub.model.evidence.record import compute_entry_digest
from hub.model.staff.scope import EVERYTHING
from qianda.evidence.container import open_container
from qianda.evidence.evidence_record import check_evidence_record
from qianda.evidence.items import read_items
from qianda.evidence.reasons import BadPackage
from qianda.evidence.signer import check_signer
from qianda.verify.trust import Trust
from tests.database import tamper
from tests.evidence.ended_contracts import ended, package_of, trusted_pem
from tests.evidence.stranger import follow
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.running import Running, running_hub

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def faults(running: Running) -> list[str]:
    return [str(each) async for each in examine_records(running.hub, lambda _: None) if not each.well]


async def test_version_two_proves_that_the_package_is_in_the_tree_of_its_day(tmp_path: Path) -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contracts = [await ended(running, "voided") for _ in range(2)]
        firsts = [await package_of(running, contract) for contract in contracts]
        assert await build_tree(running.hub.services)
        assert not await build_tree(running.hub.services)  # one a day
        assert await add_proofs(running.hub.services) == 2
        trust = Trust.load([running.hub.settings.data / "trust"])
        for contract, first in zip(contracts, firsts, strict=True):
            second = await package_of(running, contract)
            before = {item.name: item.content for item in read_items(first)}
            assert before.items() <= {item.name: item.content for item in read_items(second)}.items()
            container = open_container(second)
            await asyncio.to_thread(check_signer, container, trust)
            assert len(container.proofs) == 1
        run = await asyncio.to_thread(follow, tmp_path / "second", second, trusted_pem(running))
        assert run.passed, run.output
        assert await add_proofs(running.hub.services) == 0
        clock.advance(timedelta(days=1))
        await running.issue_minor()
        assert await build_tree(running.hub.services)
        assert await faults(running) == []


async def test_each_version_of_a_file_is_deposited_and_proved_alone() -> None:
    async with quiet_hub() as running:
        contract = await ended(running, "completed")
        assert await build_tree(running.hub.services)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            versions = [each for each in await tx.contracts.list_versions(contract.id) if each["kind"] != "draft"]
            tree = await tx.trees.find_newest()
            assert tree is not None
            leaves = await tx.trees.list_leaves(tree.day)
        assert [each["kind"] for each in versions] == ["issued", "signed", "final"]
        for version in versions:
            digest, file = bytes.fromhex(version["sha256"]), await running.hub.services.files.get(version["sha256"])
            record = evidence_record([digest], HashTree(leaves).path(leaves.index(digest)), tree.timestamps[0])
            assert check_evidence_record(record, {"file": file}).renewals == 0
            with pytest.raises(BadPackage):
                check_evidence_record(record, {"file": file + b" "})
        assert await faults(running) == []
        await tamper(running.hub.database.dsn, "UPDATE document_version SET sha256 = md5(sha256) WHERE kind = 'signed'")
        assert any(f"file of {contract.number}: it was there" in each for each in await faults(running))


async def rewritten(running: Running, contract: Contract) -> None:
    """Change an entry as the owner of the tables, and compute the rest of the chain anew."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.record.list_entries(contract.id)
    statements, previous = ["ALTER TABLE record_entry DISABLE TRIGGER keep_evidence"], entries[0].digest
    for entry in entries[1:]:
        actor = "staff:somebody" if entry.sequence == 2 else entry.actor
        changed = replace(entry, actor=actor, previous=previous)
        previous = compute_entry_digest(changed)
        statements.append(
            f"UPDATE record_entry SET actor = '{actor}', previous = '\\x{changed.previous.hex()}', "
            f"digest = '\\x{previous.hex()}' WHERE contract = '{contract.id}' AND sequence = {entry.sequence}"
        )
    statements.append(f"UPDATE record_head SET digest = '\\x{previous.hex()}' WHERE contract = '{contract.id}'")
    statements.append("ALTER TABLE record_entry ENABLE TRIGGER keep_evidence")
    await tamper(running.hub.database.dsn, "; ".join(statements))


# Several rounds, because rows of some tables name rows of others.
WHOLE = """
ALTER TABLE record_entry DISABLE TRIGGER keep_evidence;
ALTER TABLE evidence_package DISABLE TRIGGER keep_evidence;
ALTER TABLE evidence_addendum DISABLE TRIGGER keep_evidence;
DO $$ DECLARE name text; BEGIN
  FOR round IN 1..5 LOOP
    FOR name IN SELECT table_name FROM information_schema.columns
                WHERE column_name = 'contract' AND table_schema = 'public'
                AND table_name NOT SIMILAR TO '(hash_tree|evidence_renewal)%' LOOP
      BEGIN
        EXECUTE format('DELETE FROM %I WHERE contract = ''{id}''', name);
      EXCEPTION WHEN foreign_key_violation THEN NULL;
      END;
    END LOOP;
  END LOOP;
END $$;
DELETE FROM contract WHERE id = '{id}';
ALTER TABLE record_entry ENABLE TRIGGER keep_evidence;
ALTER TABLE evidence_package ENABLE TRIGGER keep_evidence;
ALTER TABLE evidence_addendum ENABLE TRIGGER keep_evidence;
"""


async def test_an_owner_rewrites_a_record_or_deletes_a_contract_and_is_named() -> None:
    async with quiet_hub() as running:
        contract, other = await ended(running, "voided"), await running.issue_minor()
        await package_of(running, contract)
        assert await build_tree(running.hub.services)
        for statement in ("UPDATE record_entry SET actor = 'x'", "DELETE FROM hash_tree", "TRUNCATE hash_tree_leaf"):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await tamper(running.hub.database.dsn, statement)
        assert await faults(running) == []
        await rewritten(running, other)
        assert [each for each in await faults(running) if other.number in each and "rewritten" in each]
        await tamper(running.hub.database.dsn, WHOLE.format(id=contract.id))
        found = await faults(running)
        for kind in ("record", "package"):
            assert any(f"{kind} of {contract.number}: it was there" in each for each in found), found


FIRST_TREE_TAKEN_OUT = """
DELETE FROM hash_tree WHERE day = (SELECT min(day) FROM hash_tree);
DELETE FROM hash_tree_leaf WHERE day = (SELECT min(day) FROM hash_tree_leaf)
"""
TRIGGER_ELSEWHERE = """
CREATE TRIGGER keep_evidence BEFORE UPDATE ON sound_hash_tree FOR EACH STATEMENT EXECUTE FUNCTION keep_evidence()
"""
TREE_HARMS = (
    ("DELETE FROM hash_tree_leaf WHERE position = 1", "its leaves do not lead to its root"),
    ("UPDATE hash_tree SET root = sha256('x')", "its leaves do not lead to its root"),
    ("UPDATE hash_tree SET timestamps = ARRAY[]::bytea[]", "its root has no timestamp"),
    ("ALTER TABLE record_entry DISABLE TRIGGER keep_evidence", "1 triggers"),
    ("ALTER TABLE record_entry DISABLE TRIGGER keep_evidence;" + TRIGGER_ELSEWHERE, "keep_evidence of record_entry"),
    (FIRST_TREE_TAKEN_OUT, "does not follow the tree before"),
)


async def test_a_tree_that_was_changed_is_named() -> None:
    clock = StandingClock()
    async with running_hub(clock=clock, with_web=False, with_worker=False) as running:
        for _ in range(2):
            await running.issue_minor()
            assert await build_tree(running.hub.services)
            clock.advance(timedelta(days=1))
        dsn = running.hub.database.dsn
        for table in ("hash_tree", "hash_tree_leaf"):
            await tamper(dsn, f"CREATE TABLE sound_{table} AS SELECT * FROM {table}")
        for harm, named in TREE_HARMS:
            await tamper(dsn, SWITCH.format("DISABLE"))
            await tamper(dsn, harm)
            await tamper(dsn, SWITCH.format("ENABLE"))
            found = await faults(running)
            assert any(named in each for each in found), (harm, found)
            await tamper(dsn, SWITCH.format("DISABLE"))
            for table in ("hash_tree", "hash_tree_leaf"):
                await tamper(dsn, f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM sound_{table}")
            await tamper(dsn, SWITCH.format("ENABLE") + "; ALTER TABLE record_entry ENABLE TRIGGER keep_evidence")
            await tamper(dsn, "DROP TRIGGER IF EXISTS keep_evidence ON sound_hash_tree")
            assert await faults(running) == []


SWITCH = "ALTER TABLE hash_tree {0} TRIGGER keep_evidence; ALTER TABLE hash_tree_leaf {0} TRIGGER keep_evidence"
