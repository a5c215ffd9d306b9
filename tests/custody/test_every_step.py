"""Guardian, the representative with a USB token, seal: after every step every validator accepts the file."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from hub.errors import TokenUnavailable
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from hub.tokens import softhsm
from qianda.holder import SoftwareKey
from tests.custody.agent_process import agent
from tests.custody.outside_authority import TOKEN_POLICY, ec_key, person
from tests.custody.test_agent import confirm, to_the_pin
from tests.custody.test_own_certificate import facts_of, hub_that_trusts
from tests.custody.usb_token import PIN, UsbToken
from tests.judges import judge, judge_by_pyhanko, judge_integrity, program, run
from tests.lifecycle.people import HEAD_ID, HEAD_PHONE, father, head
from tests.running import Running, until
from tests.web.signer_visits import verified

pytestmark = [pytest.mark.custody, pytest.mark.real]

LATER = ("+20m", "+2d", "+400d", "+5y")
FIELDS = ("guardian-1", "representative-1", "seal")


@pytest.mark.parametrize("directly", [True, False], ids=["by a root", "by an authority below it"])
async def test_guardian_representative_on_usb_and_seal(tmp_path: Path, directly: bool) -> None:
    try:
        softhsm.module_path()
    except TokenUnavailable as reason:
        pytest.skip(str(reason))
    token, key = UsbToken.make(tmp_path / "usb"), ec_key()
    async with hub_that_trusts(tmp_path) as place:
        running = place.running
        certificate = place.authority.issue(
            key.public_key(), person("顾远舟"), policies=[TOKEN_POLICY], directly=directly
        )
        token.put(key, *((certificate,) if directly else place.authority.chain(certificate)))
        contract = await running.issue_minor(signers=(father(1), head(2)))
        async with verified(running, contract) as guardian:
            await guardian.sign(SoftwareKey())
        steps = [await revision(running, contract, 1)]
        await by_usb(running, contract, token)
        final = await running.completed(contract)
        steps.append(await revision(running, contract, 2))
        assert [facts["custody"] for facts in await facts_of(running, contract, "signature-accepted")] == [
            "software",
            "usb-token",
        ]
        trust = trust_of(running, tmp_path)
    steps.append(until_the_seal(final))
    assert all(later.startswith(earlier) for earlier, later in zip(steps, [*steps[1:], final], strict=True))
    await asyncio.to_thread(judge_steps, tmp_path, steps, final)
    file = tmp_path / "final.pdf"
    await asyncio.to_thread(judge, file, trust, FIELDS)
    for clock in LATER:
        if directly:  # below another authority, pyHanko does not find the CRLs: see qianda/verify/pdf/issuers.py
            await asyncio.to_thread(judge_by_pyhanko, file, trust, FIELDS, clock)
        moved = (program("faketime"), "-f", clock, sys.executable, "-m", "qianda", "verify")
        assert "Result: nothing failed." in run(*moved, file, "--trust", trust, "--language", "en")


def judge_steps(folder: Path, steps: Sequence[bytes], final: bytes) -> None:
    """Judge the file after the guardian, after the representative, after the seal, and after the document timestamp."""
    for number, content in enumerate([*steps, final]):
        file = folder / ("final.pdf" if content is final else f"step-{number}.pdf")
        file.write_bytes(content)
        judge_integrity(file, FIELDS[: number + 1], closed=content is final)


def until_the_seal(final: bytes) -> bytes:
    """Return the file as it was when the seal had been set and nothing followed it."""
    seal = PdfFileReader(io.BytesIO(final)).embedded_regular_signatures[-1]
    *_, start, length = (int(number) for number in seal.byte_range)
    return final[: start + length]


async def by_usb(running: Running, contract: Contract, token: UsbToken) -> None:
    """Sign as the representative: the page shows a code, the agent signs with the token."""
    async with verified(running, contract, 1, "顾远舟", HEAD_ID[-4:], HEAD_PHONE) as page:
        code = (await page.pair())["code"]
        async with agent(token, "--origin", running.origin, "--module", token.module) as program:
            await program.answer("Pairing code from the page: ", code)
            await to_the_pin(program, 1)
            program.type(PIN)
            assert (await confirm(page))["custody"] == "usb-token"
            assert await program.ended() == 0, program.text


async def revision(running: Running, contract: Contract, number: int) -> bytes:
    """Wait for the stored file with `number` signatures, and return it."""

    async def stored() -> bytes | None:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            signed = [each for each in await tx.contracts.list_versions(contract.id) if each["kind"] == "signed"]
        return await running.hub.services.files.get(signed[number - 1]["sha256"]) if len(signed) >= number else None

    return await until(stored)


def trust_of(running: Running, folder: Path) -> Path:
    """Write the roots above the signers into one file, and last the pinned timestamp certificate. Return its path."""
    files = sorted((running.hub.settings.data / "trust").glob("*.pem"), key=lambda path: "timestamp" in path.name)
    trust = folder / "trust.pem"
    trust.write_bytes(b"".join(path.read_bytes() for path in files))
    return trust
