"""Readiness, figures, and the files of the built-in authority."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from hub.errors import TokenUnavailable
from hub.model.signing.authority_choice import BUILTIN
from hub.model.staff.scope import EVERYTHING
from hub.store.signing.issued_certificates import IssuedCertificate
from hub.tokens import SignsEach
from tests.changed_services import change_services
from tests.lent_hubs import lent_hub
from tests.running import MovableClock, Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ready(running: Running) -> tuple[int, dict[str, Any]]:
    async with running.http.get(f"{running.origin}/readyz") as answer:
        return answer.status, await answer.json()


async def test_it_is_ready_once_a_worker_lives_and_no_longer_when_none_does() -> None:
    clock = MovableClock()
    async with lent_hub(with_worker=False, clock=clock) as running:
        status, found = await ready(running)
        assert status == 503
        assert found == {"ready": False, "migrations": True, "school": True, "token": True, "worker": False}
        await running.worker.periodic.run_round()

        async def is_ready() -> bool:
            return (await ready(running))[0] == 200

        await until(is_ready)
        clock.advance(timedelta(seconds=31))

        async def is_not() -> bool:
            return (await ready(running))[1]["worker"] is False

        await until(is_not)
        async with running.http.get(f"{running.origin}/healthz") as answer:
            assert answer.status == 200


async def test_it_is_not_ready_while_the_token_is_away() -> None:
    class Away(SignsEach):
        label, spki = "seal", b""

        async def sign(self, message: bytes) -> bytes:
            raise TokenUnavailable("unplugged")

        async def check(self) -> None:
            raise TokenUnavailable("unplugged")

    from aiohttp import web

    from hub.web import operations

    async with lent_hub(with_web=False) as running:
        services = change_services(
            running.hub.services, "sealing", seal=replace(running.hub.services.sealing.seal, key=Away())
        )
        app = web.Application()
        app.add_routes(operations.routes(replace(running.hub, services=services)))
        async with TestServer(app) as server, running.http.get(server.make_url("/readyz")) as answer:
            found = await answer.json()
        assert answer.status == 503 and found["token"] is False and found["migrations"] is True


async def test_figures_count_contracts_and_are_not_for_everybody() -> None:
    async with lent_hub(with_worker=False) as running:
        await running.issue_minor()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.api_keys.put_api_key("hefei", "hefei-key", "hefei", tx.now)

        async def figures(headers: dict[str, str]) -> tuple[int, str]:
            async with running.http.get(f"{running.origin}/metrics", headers=headers) as answer:
                return answer.status, await answer.text()

        await running.worker.periodic.count_rows()
        status, text = await figures({})
        assert status == 200 and 'qianda_contracts{state="ISSUED"} 1.0' in text and "qianda_workers 0.0" in text
        outside = {"X-Forwarded-For": "203.0.113.9"}
        assert (await figures(outside))[0] == 404
        assert (await figures(outside | {"Authorization": "Bearer hefei-key"}))[0] == 404
        assert (await figures(outside | {"Authorization": f"Bearer {running.api_key}"}))[0] == 200


async def test_the_revocation_list_names_what_was_revoked_at_once() -> None:
    async with lent_hub(with_worker=False) as running:

        async def download(path: str) -> bytes:
            async with running.http.get(running.origin + path) as answer:
                assert answer.status == 200 and "max-age" in answer.headers["Cache-Control"]
                return await answer.read()

        root = x509.load_der_x509_certificate(await download("/authority/root.cer"))
        key = root.public_key()
        assert isinstance(key, EllipticCurvePublicKey)
        first = await download("/authority/revoked.crl")
        assert await download("/authority/revoked.crl") == first
        parsed = x509.load_der_x509_crl(first)
        assert parsed.is_signature_valid(key) and len(parsed) == 0
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.certificates.add(IssuedCertificate(BUILTIN, 4711, b"x", tx.now, tx.now + timedelta(days=30)))
            await tx.certificates.revoke(BUILTIN, 4711, tx.now, "key_compromise")
        revoked = x509.load_der_x509_crl(await download("/authority/revoked.crl"))
        assert revoked.is_signature_valid(key)
        assert revoked.get_revoked_certificate_by_serial_number(4711) is not None
