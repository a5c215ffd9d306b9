"""The root of a day is timestamped by two authorities that we did not write: certomancer and OpenSSL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.doctor.records import examine_records
from hub.lifecycle.evidence.build_tree import add_proofs, build_tree
from hub.model.evidence.tree import StoredTree
from hub.model.staff.scope import EVERYTHING
from hub.settings.sections import TimestampService, TimestampSettings
from qianda.evidence.container import PROOFS, open_container
from qianda.evidence.reasons import BadPackage
from qianda.evidence.signer import check_signer
from qianda.verify.cms_check import check_timestamp
from qianda.verify.trust import Trust
from tests.authorities.certomancer_pki import CertomancerPki
from tests.evidence.ended_contracts import ended, package_of, trusted_pem
from tests.evidence.forged_packages import items_of, zipped
from tests.evidence.stranger import follow
from tests.evidence.test_trees import faults
from tests.running import Running, running_hub
from tests.timestamps.openssl_tsa import OpensslTsa

pytestmark = pytest.mark.real


@dataclass
class TwoAuthorities:
    certomancer: CertomancerPki
    openssl: OpensslTsa
    running: Running

    async def newest(self) -> StoredTree:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            tree = await tx.trees.find_newest()
        assert tree is not None
        return tree


@asynccontextmanager
async def two_authorities(folder: Path) -> AsyncIterator[TwoAuthorities]:
    async with AsyncExitStack() as stack:
        certomancer = await stack.enter_async_context(CertomancerPki(folder / "certomancer").serving())
        openssl = await stack.enter_async_context(OpensslTsa(folder / "openssl").serving())
        second = TimestampService(url=openssl.url, certificates=[openssl.pinned])
        pinned = [certomancer.write("tsa")]
        both = TimestampSettings(kind="rfc3161", url=certomancer.timestamps, certificates=pinned, more=[second])
        running = await stack.enter_async_context(running_hub(with_web=False, with_worker=False, tsa=both))
        yield TwoAuthorities(certomancer, openssl, running)


async def test_two_authorities_timestamp_the_root(tmp_path: Path) -> None:
    async with two_authorities(tmp_path) as two:
        running = two.running
        contract = await ended(running, "completed")
        await package_of(running, contract)
        assert await build_tree(running.hub.services)
        tree = await two.newest()
        stamps = [check_timestamp(token, lambda _: tree.root) for token in tree.timestamps]
        makers = [two.certomancer.certificate("tsa"), two.openssl.certificate]
        assert [each.encoded_certificate for each in stamps] == makers
        assert await add_proofs(running.hub.services) == 1
        assert await faults(running) == []
        trust = Trust.load([running.hub.settings.data / "trust"])
        second = open_container(await package_of(running, contract))
        assert [proof.timestamps[0].encoded_certificate for proof in second.proofs.values()] == makers
        await asyncio.to_thread(check_signer, second, trust)
        package, trusted = await package_of(running, contract), trusted_pem(running)
    await asyncio.to_thread(both_records_are_checked, tmp_path, package, trusted)


def both_records_are_checked(folder: Path, package: bytes, trusted: bytes) -> None:
    """Follow CHECK.md for the package, and for others with a wrong second record."""
    items, (manifest, record) = items_of(package), PROOFS[1]
    run = follow(folder / "both", package, trusted)
    assert run.passed, run.output
    others = {
        "no-record": {name: each for name, each in items.items() if name != record},
        "no-manifest": {name: each for name, each in items.items() if name != manifest},
        "another-hash": {**items, record: items[record].replace(items[record][60:64], bytes(4))},
    }
    for name, each in others.items():
        assert not follow(folder / name, zipped(each.items()), trusted).passed, name
        with pytest.raises(BadPackage):
            open_container(zipped(each.items()))


async def test_one_that_is_away_costs_no_root(tmp_path: Path) -> None:
    async with two_authorities(tmp_path) as two:
        await two.running.issue_minor()
        two.certomancer.silent = "/tsa/"
        assert await build_tree(two.running.hub.services)
        tree = await two.newest()
        (stamp,) = [check_timestamp(token, lambda _: tree.root) for token in tree.timestamps]
        assert stamp.encoded_certificate == two.openssl.certificate
        said = [str(each) async for each in examine_records(two.running.hub, lambda _: None)]
        assert any("1 of them have one timestamp where several services are configured" in each for each in said)
