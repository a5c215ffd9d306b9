"""Signers' certificates from outside authorities: chosen by rule, with others as a fallback, up to the finished
file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from hub.errors import AuthorityRefused, AuthorityUnavailable
from hub.lifecycle.contract.new_contract import NewSigner
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.staff.scope import EVERYTHING
from tests.authorities.outside_ca import OutsideCa, RegistrationAuthority
from tests.database import tamper
from tests.judges import judge_by_pyhanko
from tests.lifecycle.signer import Person, completed, person, ready_to_sign, signed
from tests.running import Running, running_hub

pytestmark = [pytest.mark.custody, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class School:
    """A hub whose rules name two licensed authorities, and the built-in one last."""

    running: Running
    szca: RegistrationAuthority
    gdca: RegistrationAuthority
    people: Iterator[int] = field(default_factory=lambda: count(10))

    async def contract(self) -> Contract:
        """Issue a contract of another guardian each time, because codes to one person are limited."""
        number = next(self.people)
        guardian = NewSigner(
            Role.GUARDIAN, "周文静", f"+86190000002{number}", f"E12345{number}", "passport", relation="母亲"
        )
        return await self.running.issue_minor(signers=(guardian,))

    async def certified(self) -> Contract:
        contract = await self.contract()
        await ready_to_sign(self.running, contract)
        return contract

    async def refused(self, error: type[Exception]) -> Contract:
        contract = await self.contract()
        somebody: Person = await person(self.running, contract)
        await somebody.enter()
        with pytest.raises(error):
            await somebody.certify()
        return contract

    async def attempts(self, contract: Contract) -> list[tuple[str, str]]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            rows = await tx.signatures.list_attempts(contract.id)
        return [(row["state"], (row["failure"] or "").split(":")[0]) for row in rows if row["kind"] == "certificate"]

    async def issued(self, contract: Contract) -> dict[str, Any]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            entries = await tx.record.list_entries(contract.id)
        return dict(next(entry.facts for entry in entries if entry.kind == "certificate-issued"))

    async def alerts(self) -> list[str]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            found = await tx.alerts.list_recent(EVERYTHING, tx.now)
        return [alert.said("en") for alert in found if alert.kind == "authority-away"]

    def well(self) -> None:
        self.szca.answer = self.gdca.answer = None
        for name in ("szca", "gdca", "builtin"):
            self.running.hub.services.signing.authorities.cooldowns.record_success(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[School]:
    folder = tmp_path_factory.mktemp("authorities")
    szca = RegistrationAuthority(OutsideCa(folder / "szca", "SZCA"))
    gdca = RegistrationAuthority(OutsideCa(folder / "gdca", "GDCA"))
    async with szca.serving(), gdca.serving():
        configured = {
            "authorities": {"szca": szca.options(), "gdca": gdca.options(kind="http_json")},
            "authority": "gdca",
            "authority_rules": [
                {"authorities": ["szca"], "campuses": ["hefei"], "keys": ["rsa"]},
                {"authorities": ["szca", "gdca", "builtin"], "campuses": ["hq"]},
            ],
        }
        async with running_hub(with_web=False, with_worker=False, configured=configured) as running:
            yield School(running, szca, gdca)


@pytest_asyncio.fixture(loop_scope="module")
async def school(hub: School) -> School:
    """Return the school as if no authority had been away: staff hear of each only once an hour."""
    hub.well()
    for forget in ("DELETE FROM alert", "DELETE FROM budget WHERE kind = 'alarm'"):
        await tamper(hub.running.hub.database.dsn, forget)
    return hub


async def away(_: dict[str, Any]) -> web.Response:
    return web.json_response({}, status=503)


async def no(_: dict[str, Any]) -> web.Response:
    return web.json_response({"code": 2001})


async def test_a_contract_is_completed_with_the_certificate_of_a_licensed_authority(
    school: School, tmp_path: Path
) -> None:
    contract = await school.contract()
    await signed(school.running, contract)
    final = tmp_path / "final.pdf"
    final.write_bytes(await completed(school.running, contract))
    assert (await school.issued(contract))["authority"] == "szca"
    trust = tmp_path / "trust.pem"  # what `qianda verify` trusts by default
    kept = school.running.hub.settings.data / "trust"
    trust.write_text("".join(path.read_text() for path in sorted(kept.glob("*.pem"))))
    assert {"authority-szca.pem", "authority-gdca.pem"} <= {path.name for path in kept.iterdir()}
    judge_by_pyhanko(final, trust, ["guardian-1", "seal"])
    judge_by_pyhanko(final, trust, ["guardian-1", "seal"], "+400d")


async def test_the_next_one_issues_when_the_first_is_away_and_staff_hear_of_it(school: School) -> None:
    school.szca.answer = away
    contract = await school.certified()
    issued = await school.issued(contract)
    assert (issued["authority"], issued["passed_over"]) == ("gdca", "szca")
    assert await school.attempts(contract) == [("failed", "szca"), ("done", "")]
    assert await school.alerts() == ["The authority szca cannot issue certificates; gdca issues them instead"]
    asked = len(school.szca.asked)
    await school.certified()  # szca is on cooldown: the other one is asked first
    assert len(school.szca.asked) == asked


async def test_the_trial_authority_does_not_stand_in_for_a_licensed_one(school: School) -> None:
    school.szca.answer = school.gdca.answer = away
    contract = await school.refused(AuthorityUnavailable)
    assert await school.attempts(contract) == [("failed", "szca"), ("failed", "gdca")]


async def test_the_trial_authority_stands_in_where_the_template_allows_it(school: School) -> None:
    templates = school.running.hub.services.documents.printer.templates
    before = templates._templates["course", "zh"]
    school.szca.answer = school.gdca.answer = away
    templates._templates["course", "zh"] = replace(before, trial_allowed=True)
    try:
        assert (await school.issued(await school.certified()))["authority"] == "builtin"
    finally:
        templates._templates["course", "zh"] = before


async def test_a_no_is_a_no_and_nobody_else_is_asked(school: School) -> None:
    school.szca.answer = no
    asked = len(school.gdca.asked)
    contract = await school.refused(AuthorityRefused)
    assert await school.attempts(contract) == [("failed", "szca")]
    assert len(school.gdca.asked) == asked
