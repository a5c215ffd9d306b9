"""The first authority and the first timestamp service die while people sign, and come back: nothing is lost.

Real peers: authorities for which OpenSSL issues behind an HTTP API, `openssl ts` and certomancer as timestamp services,
and signers by the client library over the protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from asn1crypto import cms
from pyhanko.pdf_utils.reader import PdfFileReader
from stdnum.cn import ric

from hub.lifecycle.contract.new_contract import NewSigner
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.evidence.record import find_broken_entry
from hub.model.staff.scope import EVERYTHING
from hub.settings.sections import TimestampService, TimestampSettings
from qianda.holder import SoftwareKey
from tests.authorities.certomancer_pki import CertomancerPki
from tests.authorities.outside_ca import OutsideCa, RegistrationAuthority
from tests.judges import judge_by_pdfsig
from tests.running import Running, running_hub
from tests.timestamps.openssl_tsa import OpensslTsa
from tests.web.signer_visits import verified

pytestmark = pytest.mark.custody
NAME = "陈建国"
AT_ONCE = 8


@dataclass
class Person:
    number: int

    @property
    def document(self) -> str:
        base = f"34010419850102{self.number:03d}"
        return base + ric.calc_check_digit(base + "0")

    @property
    def phone(self) -> str:
        return f"+861900000{self.number:04d}"

    @property
    def signer(self) -> NewSigner:
        return NewSigner(Role.GUARDIAN, NAME, self.phone, self.document, relation="父亲")


@dataclass
class School:
    """A hub with two authorities and two timestamp services."""

    running: Running
    first: RegistrationAuthority
    second: RegistrationAuthority
    tsa: OpensslTsa
    other: CertomancerPki
    contracts: list[Contract] = field(default_factory=list)
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def die(self) -> None:
        """Make the first authority and the first timestamp service fail from now on, in different ways."""
        self.first.answer = _away
        self.tsa.before.clear()  # it accepts the request and never answers

    def come_back(self) -> None:
        self.first.answer = None
        self.tsa.before.set()

    async def sign(self, person: Person) -> None:
        """Sign as a parent does on their phone."""
        async with self.gate:
            await self._sign(person)

    async def _sign(self, person: Person) -> None:
        contract = await self.running.issue_minor(signers=(person.signer,))
        self.contracts.append(contract)
        async with verified(self.running, contract, name=NAME, tail=person.document[-4:], phone=person.phone) as client:
            key = SoftwareKey()
            await client.key(key)
            assert (await client.sign(key)).state == "SIGNED"

    async def nothing_is_lost(self, folder: Path) -> set[str]:
        """Expect that every contract is completed, with each signature once and a timestamp over it. Return who made
        the timestamps."""
        makers: set[str] = set()
        for contract in self.contracts:
            final = await self.running.completed(contract)
            async with self.running.hub.database.transaction(EVERYTHING) as tx:
                entries = await tx.record.list_entries(contract.id)
            kinds = [entry.kind for entry in entries]
            once = ("signature-accepted", "signature-embedded", "seal-used", "completed")
            assert [kinds.count(kind) for kind in once] == [1, 1, 1, 1] and find_broken_entry(entries) is None
            makers |= _timestamped_by(final)
        (folder / "final.pdf").write_bytes(final)
        judge_by_pdfsig(folder / "final.pdf", ["guardian-1", "seal"])
        return makers


async def _away(_: object) -> web.StreamResponse:
    return web.json_response({}, status=503)


def _timestamped_by(final: bytes) -> set[str]:
    """Return who made the timestamp of each signature and of the document. A signature without a timestamp fails the
    test."""
    tokens = []
    reader = PdfFileReader(io.BytesIO(final))
    for signature in reader.embedded_regular_signatures:
        (attribute,) = [
            each
            for each in signature.signer_info["unsigned_attrs"]
            if each["type"].native == "signature_time_stamp_token"
        ]
        tokens.append(attribute["values"][0])
    (document,) = reader.embedded_timestamp_signatures
    tokens.append(cms.ContentInfo.load(document.pkcs7_content))
    assert len(tokens) == 3
    return {each["content"]["signer_infos"][0]["sid"].chosen["issuer"].human_friendly for each in tokens}


@contextlib.asynccontextmanager
async def school(folder: Path) -> AsyncIterator[School]:
    async with contextlib.AsyncExitStack() as stack:
        licensed = [RegistrationAuthority(OutsideCa(folder / name, name)) for name in ("szca", "gdca")]
        first, second = [await stack.enter_async_context(each.serving()) for each in licensed]
        tsa = await stack.enter_async_context(OpensslTsa(folder / "tsa").serving())
        other = await stack.enter_async_context(CertomancerPki(folder / "other").serving())
        more = TimestampService(url=other.timestamps, certificates=[other.write("tsa")])
        configured = {
            "authorities": {"szca": first.options(), "gdca": second.options()},
            "authority_rules": [{"authorities": ["szca", "gdca"]}],
        }
        timestamps = TimestampSettings(kind="rfc3161", url=tsa.url, certificates=[tsa.pinned], deadline=1, more=[more])
        async with running_hub(tsa=timestamps, configured=configured) as running:
            made = School(running, first, second, tsa, other)
            try:
                yield made
            finally:
                made.come_back()  # no call has to wait for a delayed answer


async def under_load(folder: Path, before: int, meanwhile: int, after: int) -> None:
    async with school(folder) as made:
        people = [Person(number) for number in range(1, 1 + before + meanwhile + after)]
        early = [asyncio.create_task(made.sign(person)) for person in people[:before]]
        while not made.first.ca.issued:  # the first certificates are issued, and not timestamped yet
            await asyncio.sleep(0.01)
        made.die()
        await asyncio.gather(*(made.sign(person) for person in people[before : before + meanwhile]))
        await asyncio.gather(*early)
        assert await made.nothing_is_lost(folder) >= {"Common Name: Certomancer root"}
        assert len(made.second.ca.issued) >= meanwhile
        made.come_back()
        for name in ("szca", "gdca"):
            made.running.hub.services.signing.authorities.cooldowns.record_success(name)  # as after their cooldown
        served = len(made.first.ca.issued)
        await asyncio.gather(*(made.sign(person) for person in people[before + meanwhile :]))
        await made.nothing_is_lost(folder)
        assert len(made.first.ca.issued) == served + after
        async with made.running.hub.database.transaction(EVERYTHING) as tx:
            kinds = {alert.kind for alert in await tx.alerts.list_recent(EVERYTHING, tx.now)}
        assert {"authority-away", "timestamps-away"} & kinds == {"authority-away", "timestamps-away"}


@pytest.mark.real
async def test_some_sign_while_the_first_two_die(tmp_path: Path) -> None:
    await under_load(tmp_path, 1, 2, 1)


@pytest.mark.real
async def test_many_sign_while_the_first_two_die(tmp_path: Path) -> None:
    await under_load(tmp_path, 8, 24, 8)
