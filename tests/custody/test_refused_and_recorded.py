"""Wrong keys, signatures and programs are refused in words that say what to do, and recorded.

Certificates that are not accepted: `test_own_certificate`; keys of the wrong kind: `test_minimum_custody`; agents of
another hub and files that were swapped on the way: `test_agent`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

from qianda.checks import RefusedToSign
from qianda.client import PreparedRequest, SigningClient
from qianda.holder import SoftwareKey
from qianda.wire import ProtocolProblem
from tests.custody.test_own_certificate import facts_of
from tests.lifecycle.people import MOTHER_ID, MOTHER_PHONE, two_guardians
from tests.running import Running, running_hub
from tests.web.signer_visits import verified

pytestmark = pytest.mark.custody


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with running_hub() as hub:
        yield hub


async def refused(call: Awaitable[Any], code: str, words: str) -> None:
    with pytest.raises(ProtocolProblem) as problem:
        await call
    assert problem.value.code == code
    assert words in problem.value.title


class Swapping(SigningClient):
    """A client that gets another file in place of the prepared one."""

    async def prepared_file(self, prepared: PreparedRequest) -> bytes:
        content = await super().prepared_file(prepared)
        return content.replace(b"/MediaBox", b"/mediaBox", 1)


async def test_keys_signatures_and_files(running: Running) -> None:
    contract = await running.issue_minor(signers=two_guardians(1, 1))
    fathers, mothers = SoftwareKey(), SoftwareKey()
    async with verified(running, contract) as father:
        await father.key(fathers)
        elsewhere = SigningClient(running.origin, origin="https://sign.other.example")
        elsewhere.resume(str(father.bearer))
        await refused(elsewhere.key(fathers), "wrong-proof", "try to sign again")
        await elsewhere.close()
        prepared = await father.prepare(await father.contract())
        *start, last = prepared.to_be_signed
        over_another = fathers.sign(bytes((*start, last ^ 1)))
        await refused(father.signature(prepared.request, over_another), "wrong-signature", "does not match")
        by_another = mothers.sign(prepared.to_be_signed)
        await refused(father.signature(prepared.request, by_another), "wrong-signature", "does not match")
        swapping = Swapping(running.origin)
        swapping.resume(str(father.bearer))
        with pytest.raises(RefusedToSign):
            await swapping.sign(fathers)
        await swapping.close()
    async with verified(running, contract, 1, "周文静", MOTHER_ID[-4:], MOTHER_PHONE) as mother:
        await refused(mother.key(fathers), "key-of-somebody-else", "a key of your own")
    keys = await facts_of(running, contract, "key-refused")
    assert [facts["reason"] for facts in keys] == ["wrong-proof", "key-of-somebody-else"]
    signatures = await facts_of(running, contract, "signature-refused")
    assert [facts["field"] for facts in signatures] == ["guardian-1"] * 2
    assert len({facts["signature_sha256"] for facts in signatures}) == 2
    assert len(await facts_of(running, contract, "signing-refused-by-client")) == 1
    assert await facts_of(running, contract, "signature-accepted") == []


async def test_a_second_agent_on_the_same_pairing(running: Running) -> None:
    contract = await running.issue_minor()
    async with verified(running, contract) as page, SigningClient(running.origin) as first:
        code = (await page.pair())["code"]
        async with SigningClient(running.origin) as second:
            await first.claim(code)
            await refused(second.claim(code), "pairing-not-valid", "get a new one on the page")
            await refused(second.claim("ABCD1234"), "pairing-not-valid", "get a new one on the page")
        assert (await page.pairing())["state"] == "CLAIMED"  # the first one goes on
    (noted,) = await facts_of(running, contract, "agent-refused")
    (paired,) = await facts_of(running, contract, "agent-paired")
    assert noted["pairing"] == paired["pairing"]
