"""What `/metrics` says of requests, pool, certificates and providers, and who may read it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from prometheus_client.parser import text_string_to_metric_families

from hub.model.staff.scope import EVERYTHING
from tests.lent_hubs import lent_hub
from tests.running import Running, running_hub, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "metrics-of-this-hub-alone"
Sample = tuple[str, frozenset[tuple[str, str]]]


def sample(name: str, **labels: str) -> Sample:
    return name, frozenset(labels.items())


async def scrape(running: Running, **headers: str) -> dict[Sample, float]:
    async with running.http.get(f"{running.origin}/metrics", headers=headers) as answer:
        assert answer.status == 200
        text = await answer.text()
    return {
        sample(each.name, **each.labels): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


async def test_requests_are_counted_by_route_and_never_by_path() -> None:
    async with lent_hub(with_worker=False) as running:
        before = await scrape(running)
        for path in ("/s/7F3KQ0ZC8M2XA", "/s/8F3KQ0ZC8M2XB", "/static/seal.svg", "/nowhere/7F3KQ0ZC8M2XA"):
            async with running.http.get(running.origin + path):
                pass
        async with running.http.request("BREW", f"{running.origin}/s/7F3KQ0ZC8M2XA"):
            pass
        after = await scrape(running)

    def more(method: str, route: str) -> float:
        found = sample("qianda_http_request_seconds_count", method=method, route=route)
        return after.get(found, 0) - before.get(found, 0)

    assert (more("GET", "/s/{ticket}"), more("GET", "/static"), more("GET", "none")) == (2, 1, 1)
    assert more("other", "none") == 1  # a client may send any word as a method
    assert not any("7F3KQ0ZC8M2XA" in value for _, labels in after for _, value in labels)
    assert any(name == "qianda_http_requests_total" and ("status", "404") in labels for name, labels in after)


async def test_the_credential_is_for_the_metrics_alone_and_then_nobody_comes_without() -> None:
    async with running_hub(with_worker=False, configured={"metrics_token": TOKEN}) as running:

        async def status(path: str, token: str | None) -> int:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with running.http.get(running.origin + path, headers=headers) as answer:
                return answer.status

        assert await status("/metrics", TOKEN) == 200
        assert await status("/metrics", None) == 401  # although it comes from this machine
        assert await status("/metrics", TOKEN + "0") == 401
        assert await status("/metrics", running.api_key) == 200
        assert await status("/api/v1/contracts", TOKEN) == 401


async def test_the_pool_says_how_many_wait_for_a_connection() -> None:
    async with lent_hub(with_worker=False) as running:
        database = running.hub.database
        free = asyncio.Event()

        async def hold() -> None:
            async with database.transaction(EVERYTHING):
                await free.wait()

        tasks = [asyncio.create_task(hold()) for _ in range(database.pool.size + 3)]

        async def waiting() -> bool:
            return database.pool.waits.waiting == 3 and database.pool.in_use == database.pool.size

        await until(waiting)
        free.set()
        await asyncio.gather(*tasks)
        found = await scrape(running)
    assert found[sample("qianda_database_pool_waiting")] == 0
    assert found[sample("qianda_database_pool_waits_total")] >= 3
    assert found[sample("qianda_database_pool_wait_seconds_total")] > 0
    assert found[sample("qianda_database_pool_size")] == 12
    assert found[sample("qianda_database_pool_in_use")] == 0


def proxy_certificate(path: Path, end: datetime) -> Path:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, end - timedelta(days=90), end).sign(key, SHA256())
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return path


async def test_every_certificate_says_when_it_ends(tmp_path: Path) -> None:
    end = datetime(2027, 5, 1, tzinfo=UTC)
    tls = proxy_certificate(tmp_path / "fullchain.pem", end)
    async with running_hub(with_worker=False, configured={"tls_certificate": tls}) as running:
        found = await scrape(running)
        seal = x509.load_der_x509_certificate(running.hub.services.sealing.seal.chain[0])
        ends = {dict(labels)["certificate"]: at for (name, labels), at in found.items() if "certificate_end" in name}
        assert ends.keys() == {"seal", "root", "timestamp", "authority builtin", "tls"}
        assert (ends["tls"], ends["seal"]) == (end.timestamp(), seal.not_valid_after_utc.timestamp())
        proxy_certificate(tls, end + timedelta(days=60))  # renewed, and nobody tells the hub
        renewed = await scrape(running)
        name = sample("qianda_certificate_end_timestamp_seconds", certificate="tls")
        assert renewed[name] == (end + timedelta(days=60)).timestamp()
        tls.unlink()
        assert name not in await scrape(running)  # the rest is served all the same
        assert any(name == "qianda_build_info" for name, _ in found)
