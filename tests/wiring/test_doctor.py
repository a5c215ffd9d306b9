"""`qianda doctor` notices a store of files that is away or another one, and a seal certificate that has ended."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hub.doctor import DoctorFinding, examine
from hub.store.files.content_addressed import Files
from hub.timestamps.several import SeveralTimestamps
from hub.wiring import Hub
from hub.wiring.certificate_ends import list_certificate_ends, list_other_ends
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.sealing.s3_double import ACCESS, BUCKET, REGION, object_store

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def find(hub: Hub, part: str) -> DoctorFinding:
    return next(each for each in await examine(hub) if each.part == part)


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def test_a_folder_that_is_another_one_is_noticed(tmp_path: Path) -> None:
    async with quiet_hub() as running:
        files = running.hub.services.files
        assert str(await find(running.hub, "stored files")) == "ok   stored files: can be stored, read and deleted"
        assert files.folder
        await running.issue_minor()
        kept = files_in(files.folder)
        assert (await find(running.hub, "stored files")).well
        assert files_in(files.folder) == kept != []
        away = tmp_path / "away"
        shutil.move(files.folder, away)
        files.folder.mkdir()
        found = await find(running.hub, "stored files")
        assert not found.well and "is the folder mounted" in found.words


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another account")
async def test_root_makes_no_folder_among_the_files_of_another_account() -> None:
    async with quiet_hub() as running:
        folder = running.hub.services.files.folder
        assert folder
        os.chown(folder, 65534, -1)
        before = list(folder.iterdir())
        found = await find(running.hub, "stored files")
        assert found.attention and "as the owner of the files" in found.words
        assert list(folder.iterdir()) == before


async def test_an_object_store_that_refuses_the_key_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with quiet_hub() as running, object_store() as store:
        options = {"ENDPOINT": store.origin, "REGION": REGION, "ACCESS_KEY_ID": ACCESS, "ALLOW_HTTP": "true"}
        for name, value in (options | {"SECRET_ACCESS_KEY": "a wrong one"}).items():
            monkeypatch.setenv(f"AWS_{name}", value)
        services = replace(running.hub.services, files=Files.at(f"s3://{BUCKET}"))
        found = await find(replace(running.hub, services=services), "stored files")
        assert not found.well and "check `files` and its credentials (PermissionDeniedError" in found.words
        assert store.refused and not store.objects


async def test_a_seal_certificate_that_has_ended_is_said_to_have_ended() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        for days, words in ((365 * 3 - 30, "ends on "), (60, "ended on ")):
            clock.advance(timedelta(days=days))
            found = await find(running.hub, "seal certificate")
            assert not found.well and found.words.startswith(words) and found.words.endswith("by `qianda seal renew`")


async def test_certificates_beside_the_seal_are_said_to_end(tmp_path: Path) -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        hub = running.hub
        found = await find(hub, "certificates")
        assert found.well and found.words == "root, timestamp, authority builtin; none ends soon"
        missing = replace(hub, settings=hub.settings.model_copy(update={"tls_certificate": tmp_path / "none.pem"}))
        found = await find(missing, "certificates")
        assert not found.well and found.words.startswith("tls_certificate cannot be read: ")
        ends = list_certificate_ends(hub)["timestamp"]
        clock.advance(ends - hub.services.clock() - timedelta(days=5))
        found = await find(hub, "certificates")
        assert not found.well and f"timestamp ({ends:%Y-%m-%d})" in found.words and "root" not in found.words


def tls_file(folder: Path, end: datetime) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "qianda.school.example")])
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, end - timedelta(days=90), end)
    path = folder / "tls.pem"
    path.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(("days", "well"), [(45, True), (15, True), (10, False)])
async def test_a_tls_certificate_is_said_to_end_two_weeks_before(tmp_path: Path, days: int, well: bool) -> None:
    """A client like certbot renews it with a month left, and nobody has to do anything."""
    async with quiet_hub(StandingClock()) as running:
        path = tls_file(tmp_path, running.hub.services.clock() + timedelta(days=days))
        settings = running.hub.settings.model_copy(update={"tls_certificate": path})
        found = await find(replace(running.hub, settings=settings), "certificates")
        assert found.well == well and "tls" in found.words


async def test_a_seal_that_ends_is_one_fault() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        leaf = x509.load_der_x509_certificate(running.hub.services.sealing.seal.chain[0])
        clock.advance(leaf.not_valid_after_utc - running.hub.services.clock() - timedelta(days=5))
        assert not (await find(running.hub, "seal certificate")).well
        assert "seal (" not in (await find(running.hub, "certificates")).words


async def test_each_timestamp_service_has_its_name() -> None:
    async with quiet_hub() as running:
        services, hub = running.hub.services, running.hub
        one = services.sealing.timestamps
        several = SeveralTimestamps({"first": one, "second": one}, services.clock, None)  # type: ignore[arg-type]
        both = replace(hub, services=replace(services, sealing=replace(services.sealing, timestamps=several)))
        assert {"timestamp first", "timestamp second"} <= set(list_other_ends(both))
