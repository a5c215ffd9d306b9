"""Evidence is renewed before a certificate or an algorithm ends, and nothing that was given out changes."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from hub.lifecycle.evidence import renew as renew_module
from hub.lifecycle.evidence.make_addendum import add_addendum, open_addendum
from hub.lifecycle.evidence.renew import hash_anew, plan_renewal, renew
from hub.lifecycle.evidence.renewed_record import add_renewed_version
from hub.model.evidence.renewal import RENEW_BEFORE, CurrentTimestamp, choose_due, choose_ended, choose_ending
from hub.model.staff.scope import EVERYTHING
from hub.store.evidence import renewals
from qianda.evidence.container import PROOF, PROOF_MANIFEST, open_container
from qianda.evidence.evidence_record import MAX_TIMESTAMPS
from qianda.evidence.items import read_items
from qianda.evidence.package_check import check_package, with_addendum
from qianda.evidence.signer import check_signer
from qianda.verify.cms_check import check_timestamp
from qianda.verify.trust import Trust
from tests.changed_services import change_services
from tests.evidence.ended_contracts import package_of
from tests.evidence.renewed import NEARLY_ALL_OF_IT, change_timestamps, proven_packages, renew_twice
from tests.signing_parts import Pki

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def current(ends: datetime, algorithm: str = "sha256") -> CurrentTimestamp:
    return CurrentTimestamp(date(2026, 1, 1), None, algorithm, b"token", ends)


def test_a_timestamp_is_due_while_its_certificate_lives_and_ends_soon() -> None:
    second = timedelta(seconds=1)
    early, last, sure = (current(NOW + each) for each in (RENEW_BEFORE + second, RENEW_BEFORE, second))
    ended, other = current(NOW), current(NOW + second, "sha512")
    assert choose_due([early, last, sure, ended, other], NOW) == {"sha256": [last, sure], "sha512": [other]}
    assert choose_ended([early, sure, ended], NOW) == [ended]
    assert choose_ending({"sha256": date(2030, 6, 30)}, NOW) == {"sha256": "sha512"}
    assert choose_ending({"sha256": date(2030, 7, 1)}, NOW) == {}


async def test_one_timestamp_renews_all_records_and_another_hash_all_trees() -> None:
    async with proven_packages() as made:
        services = made.running.hub.services
        assert await renew(services) == 0 and not await add_renewed_version(services, made.contracts[0].id)
        await renew_twice(made)
        services = made.running.hub.services
        trust = Trust.load([made.running.hub.settings.data / "trust"])
        for number, file in made.versions.items():
            container = open_container(file)
            await asyncio.to_thread(check_signer, container, trust)
            assert [proof.renewals for proof in container.proofs.values()] == ([number - 2] if number > 1 else [])
            kept = {item.name: item.content for item in read_items(file) if item.name not in (PROOF, PROOF_MANIFEST)}
            assert kept == {item.name: item.content for item in read_items(made.versions[1])}
        async with services.database.transaction(EVERYTHING) as tx:
            rows = [await tx.packages.get(made.contracts[0].id, number) for number in made.versions]
        assert [await services.files.get(row.sha256) for row in rows if row] == list(made.versions.values())
        for row in rows[1:]:
            assert row and len(await services.files.get(row.file)) < 30_000  # not the whole package again
        # An addendum carries the same record to whoever has version 1. The seal's certificate was renewed as well.
        seal = services.sealing.seal
        issued = await services.sealing.authority.enrol_seal(seal.key.spki, seal.organisation)
        services = change_services(services, "sealing", seal=replace(seal, chain=issued.chain))
        assert await add_addendum(services, made.contracts[0].id)
        async with services.database.transaction(EVERYTHING) as tx:
            addendum = await open_addendum(tx, made.contracts[0], "staff:test")
        content = await services.files.get(addendum.sha256)
        first = await asyncio.to_thread(check_package, made.versions[1], trust)
        report = await asyncio.to_thread(with_addendum, first, made.versions[1], content, trust)
        assert report.addendum and report.addendum.proof, report.addendum_fault
        assert (addendum.renewals, report.addendum.proof.renewals) == (2, 2)
        assert first.proven_since is None and report.proven_since is not None
        assert not await add_addendum(services, made.contracts[0].id)
        # Another round renews nothing anew; a record that missed it all gains both steps at once.
        assert await renew(services) == 0 and await hash_anew(services, "sha512") == 0
        assert await add_renewed_version(services, made.contracts[1].id)
        assert not await add_renewed_version(services, made.contracts[1].id)


async def test_a_record_is_renewed_only_as_often_as_a_verifier_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert renewals.MAX_RENEWALS == MAX_TIMESTAMPS - 1
    for module in (renewals, renew_module):
        monkeypatch.setattr(module, "MAX_RENEWALS", 1)
    async with proven_packages() as made:
        made.clock.advance(NEARLY_ALL_OF_IT)
        await change_timestamps(made.running)
        services, contract = made.running.hub.services, made.contracts[0].id
        assert await renew(services) == 1 and await add_renewed_version(services, contract)
        assert await hash_anew(services, "sha512") == 0
        made.clock.advance(NEARLY_ALL_OF_IT)
        await change_timestamps(made.running)
        assert await renew(made.running.hub.services) == 1
        assert not await add_renewed_version(made.running.hub.services, contract)
        proofs = open_container(await package_of(made.running, made.contracts[0])).proofs
        assert [proof.renewals for proof in proofs.values()] == [1]


async def test_what_ran_out_before_is_named_and_an_algorithm_that_ends_is_followed() -> None:
    async with proven_packages({"retention": {"algorithm_ends": {"sha256": "2035-01-01"}}}) as made:
        assert (await plan_renewal(made.running.hub.services)).anew == {}
        made.clock.advance(NEARLY_ALL_OF_IT + timedelta(days=200))
        plan = await plan_renewal(made.running.hub.services)
        assert (len(plan.due), len(plan.ended), plan.anew) == (0, 1, {"sha512": 2})
        await change_timestamps(made.running)
        assert await renew(made.running.hub.services) == 1  # the trees alone


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
async def test_the_built_in_service_stamps_longer_hashes(algorithm: str) -> None:
    pki = await Pki.make()
    token = await pki.timestamps.timestamp(hashlib.new(algorithm, b"x").digest())
    assert check_timestamp(token, lambda name: hashlib.new(name, b"x").digest()).time <= pki.clock()
