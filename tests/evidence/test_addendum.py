"""What happens after a package was signed goes into an addendum, which belongs to that package and to no other."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509 import load_der_x509_certificate
from typer.testing import CliRunner

from hub.documents.evidence.container import signed_manifest, signed_package
from hub.errors import NotFound
from hub.lifecycle.evidence.build_tree import add_proofs, build_tree
from hub.lifecycle.evidence.hold import lift_hold, place_hold
from hub.lifecycle.evidence.make_addendum import add_addendum, open_addendum
from hub.model.contract.contract import Contract
from hub.model.evidence.addendum import EvidenceAddendum
from hub.model.staff.scope import EVERYTHING
from qianda.cli import build
from qianda.evidence.addendum import ADDENDUM
from qianda.evidence.package_check import PackageReport, check_package, check_pair_files, with_addendum
from qianda.evidence.package_report import as_json
from qianda.verify.trust import Trust
from tests.evidence.ended_contracts import ended, package_of, trusted_pem
from tests.evidence.test_trees import faults
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def addendum_of(running: Running, contract: Contract) -> tuple[EvidenceAddendum, bytes]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await open_addendum(tx, contract, "staff:test")
    return found, await running.hub.services.files.get(found.sha256)


async def check(running: Running, folder: Path, *files: bytes) -> PackageReport:
    paths = [folder / f"{number}.zip" for number in range(2)]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    trust = Trust.load([running.hub.settings.data / "trust"])
    return await asyncio.to_thread(check_pair_files, (paths[0], paths[1]), trust)


def changed(addendum: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """Return the container with another content of one item, and its manifest with the digests that fit."""
    with zipfile.ZipFile(io.BytesIO(addendum)) as read:
        items = {each: read.read(each) for each in read.namelist()}
    signature = items.pop("META-INF/signature001.p7s")
    del items["mimetype"], items["META-INF/ASiCManifest001.xml"]
    assert old in items[name]
    items[name] = items[name].replace(old, new)
    return signed_package(items, signed_manifest(items), signature, datetime.now(UTC))


async def test_later_facts_go_into_an_addendum_and_nothing_signed_changes(tmp_path: Path) -> None:
    async with quiet_hub() as running:
        services, contract = running.hub.services, await ended(running, "voided")
        with pytest.raises(NotFound):
            await add_addendum(services, contract.id)
        package = await package_of(running, contract)
        assert not await add_addendum(services, contract.id)  # nothing has happened since
        await place_hold(services, EVERYTHING, contract.id, ("court", None), "staff:x")
        assert await add_addendum(services, contract.id)
        assert not await add_addendum(services, contract.id)  # that it was made and taken out is no news
        first, content = await addendum_of(running, contract)
        assert not await add_addendum(services, contract.id)
        assert (await addendum_of(running, contract)) == (first, content)
        report = await check(running, tmp_path, package, content)
        assert report.fault is None and report.addendum is not None
        assert "hold-placed" in [each.kind for each in report.addendum.entries]
        assert report.proven_since is None
        await lift_hold(services, EVERYTHING, contract.id, "settled", "staff:x")
        await build_tree(services)
        await add_proofs(services)
        assert await add_addendum(services, contract.id)
        second, later = await addendum_of(running, contract)
        assert (second.number, await services.files.get(first.sha256)) == (2, content)
        report = await check(running, tmp_path, package, later)
        assert report.addendum is not None and report.proven_since is not None
        assert report.proof_ends is not None
        longer = replace(report, proof_ends=report.proof_ends + timedelta(days=1))  # another record in the package
        trust = Trust.load([running.hub.settings.data / "trust"])
        together = await asyncio.to_thread(with_addendum, longer, package, later, trust)
        assert together.addendum and together.proof_ends == longer.proof_ends
        kinds = [each.kind for each in report.addendum.entries]
        assert kinds.index("hold-placed") < kinds.index("hold-lifted")
        assert await faults(running) == []
        (tmp_path / "trusted.pem").write_bytes(trusted_pem(running))
    arguments = ["verify", str(tmp_path / "1.zip"), str(tmp_path / "0.zip"), "--trust", str(tmp_path / "trusted.pem")]
    done = await asyncio.to_thread(CliRunner().invoke, build(["verify"]), [*arguments, "--json"])
    said = json.loads(done.output)
    assert done.exit_code == 0 and said["addendum"]["number"] == 2, done.output
    trust = Trust.load([tmp_path / "trusted.pem"])
    alone = await asyncio.to_thread(check_package, later, trust)
    assert alone.fault is not None and "together with its package" in alone.fault.en


async def test_a_certificate_that_is_revoked_later_is_told(tmp_path: Path) -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services, contract = running.hub.services, await ended(running, "completed")
        package = await package_of(running, contract)
        async with services.database.transaction(EVERYTHING) as tx:
            signature = next(each for each in await tx.signatures.list_of_contract(contract.id) if not each.is_seal)
            serial = load_der_x509_certificate(signature.chain[0]).serial_number
        assert not await add_addendum(services, contract.id)
        clock.advance(timedelta(hours=1))
        async with services.database.transaction(EVERYTHING) as tx:
            name = services.sealing.authority_name
            assert await tx.certificates.revoke(name, serial, tx.now, "key_compromise")
        assert await add_addendum(services, contract.id)
        assert not await add_addendum(services, contract.id)
        report = await check(running, tmp_path, package, (await addendum_of(running, contract))[1])
        assert report.fault is None and report.addendum is not None and not report.failed
        told = [(each["field"], each["serial"], each["reason"]) for each in report.addendum.revocations]
        assert told == [(signature.field, f"{serial:x}", "key_compromise")]


async def test_a_wrong_addendum_is_refused(tmp_path: Path) -> None:
    async with quiet_hub() as running:
        contracts = [await ended(running, "voided") for _ in range(2)]
        packages, addenda = [await package_of(running, each) for each in contracts], list[bytes]()
        for each in contracts:
            await place_hold(running.hub.services, EVERYTHING, each.id, ("court", None), "staff:x")
            await add_addendum(running.hub.services, each.id)
            addenda.append((await addendum_of(running, each))[1])
        for files, words in (
            ((packages[0], addenda[1]), "belongs to another"),
            ((packages[0], changed(addenda[0], "record/record.jsonl", b"hold-placed", b"hold-liftet")), "is wrong"),
            ((packages[0], changed(addenda[0], ADDENDUM, b'"addendum": 1', b'"addendum": 2')), "is wrong"),
            ((packages[0], packages[1]), "cannot be read"),
            ((packages[0], addenda[0][:-30]), "ZIP"),
        ):
            report = await check(running, tmp_path, *files)
            said = as_json(report)["verdict"]
            assert report.failed and report.addendum_fault is not None and words in report.addendum_fault.en, said
            # The package itself is as good as before.
            assert report.fault is None and "None of its" in said[0]["en"] and any(words in each["en"] for each in said)
        trust = Trust.load([running.hub.settings.data / "trust"])
        alone = await asyncio.to_thread(check_package, packages[0], trust)
        assert alone.signer is not None
        other = replace(alone, signer=replace(alone.signer, organisation="another school"))
        # A seal without an organisation, whose own name is that of this one.
        named_alike = replace(alone, signer=replace(alone.signer, organisation="", name=alone.signer.organisation))
        for package, is_good in ((alone, True), (other, False), (named_alike, False)):
            report = await asyncio.to_thread(with_addendum, package, packages[0], addenda[0], trust)
            assert (report.addendum_fault is None, report.failed) == (is_good, not is_good)
