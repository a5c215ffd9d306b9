"""`qianda agent` as a process with a terminal, a SoftHSM token of the person's own, and a hub."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from hub.errors import TokenUnavailable
from hub.model.contract.contract import Contract
from hub.tokens import softhsm
from qianda.client import SigningClient
from tests.client.hub_double import CONTRACT, HubDouble, problem
from tests.custody.agent_process import AgentProcess, agent
from tests.custody.outside_authority import TOKEN_POLICY, OutsideAuthority, ec_key, person, usage
from tests.custody.test_own_certificate import Place, facts_of, hub_that_trusts
from tests.custody.usb_token import PIN, UsbToken
from tests.running import Running, until
from tests.web.signer_visits import NAME, verified

pytestmark = pytest.mark.custody


@pytest.fixture
def token(tmp_path: Path) -> UsbToken:
    try:
        softhsm.module_path()
    except TokenUnavailable as reason:
        pytest.skip(str(reason))
    return UsbToken.make(tmp_path / "usb")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with hub_that_trusts(tmp_path) as found:
        yield found


@contextlib.asynccontextmanager
async def paired(
    running: Running, token: UsbToken, contract: Contract, count: int = 1
) -> AsyncIterator[tuple[SigningClient, AgentProcess]]:
    """Yield a page that shows a pairing code, and the agent into which the person types it."""
    async with verified(running, contract, count=count) as page:
        code = (await page.pair())["code"]
        async with agent(token, "--origin", running.origin, "--module", token.module) as program:
            await program.answer("Pairing code from the page: ", f"{code[:4]} {code[4:]}")
            yield page, program


async def confirm(page: SigningClient) -> dict[str, Any]:
    """Confirm the certificate on the page as the person does, once the page shows it. Return the certificate."""

    async def shown() -> dict[str, Any] | None:
        standing = await page.pairing()
        return standing["certificate"] if standing["state"] == "CERTIFIED" else None

    certificate = await until(shown, seconds=60)
    await page.confirm_pairing(certificate["sha256"])
    return certificate


async def to_the_pin(program: AgentProcess, number: int) -> None:
    await program.answer(r"Which one\? \(number\): ", str(number))
    await program.answer("Type yes: ", "yes")
    await program.read(r"PIN of .*: ")


@pytest.mark.real
@pytest.mark.parametrize("kind", ["ec", "rsa"])
async def test_a_certificate_on_the_token_signs(place: Place, token: UsbToken, kind: str) -> None:
    running, authority = place.running, place.authority
    contract = await running.issue_minor()
    key = ec_key() if kind == "ec" else rsa.generate_private_key(65537, 2048)
    policies = [TOKEN_POLICY] if kind == "rsa" else []
    certificate = authority.issue(key.public_key(), person(NAME), policies=policies)
    token.put(key, *authority.chain(certificate))
    other = ec_key()
    token.put(
        other, authority.issue(other.public_key(), person("加密"), key_usage=usage(key_agreement=True)), identifier="b2"
    )
    async with paired(running, token, contract) as (page, program):
        await program.read(f"Contract: {contract.title}")
        await program.read(str(contract.document))
        await program.read(rf"1\) {NAME} · issued by Outside Issuing")
        await program.read("加密 on .*: it is not for signing")
        await to_the_pin(program, 1)
        program.type(PIN)
        assert (await confirm(page))["issuer"] == "Outside Issuing"
        await program.read("Signed")
        assert await program.ended() == 0
        assert PIN not in program.text
        assert (await page.pairing())["task"] == "SIGNED"
    await running.completed(contract)
    (accepted,) = await facts_of(running, contract, "signature-accepted")
    proved = "usb-token" if kind == "rsa" else "software"
    assert (accepted["custody_claimed"], accepted["custody"]) == ("usb-token", proved)


@pytest.mark.real
async def test_a_token_without_a_certificate_gets_one_and_keeps_it(place: Place, token: UsbToken) -> None:
    running = place.running
    first = await running.issue_minor()
    async with paired(running, token, first) as (page, program):
        await program.read(r"1\) a new certificate from the school")
        await to_the_pin(program, 1)
        program.type(PIN)
        assert (await confirm(page))["name"] == NAME
        assert await program.ended() == 0, program.text
        assert "could not be written" not in program.text
    running.clock.advance(timedelta(seconds=61))  # until the next code
    async with paired(running, token, await running.issue_minor(), count=2) as (page, program):
        await program.read(rf"1\) {NAME} · issued by .* Root")
        await to_the_pin(program, 1)
        program.type("999999")
        await program.read("That PIN is wrong")
        assert await program.ended() == 1
        assert (await page.pairing())["state"] == "CLAIMED"
    assert program.text.count("PIN of") == 1  # asked once, given once
    assert "it locks after a few" in program.text or "A few tries are left" in program.text


@pytest.mark.real
async def test_a_token_that_is_pulled_out(place: Place, token: UsbToken) -> None:
    key = ec_key()
    certificate = place.authority.issue(key.public_key(), person(NAME))
    token.put(key, *place.authority.chain(certificate))
    contract = await place.running.issue_minor()
    async with paired(place.running, token, contract) as (page, program):
        await to_the_pin(program, 1)
        token.pull_out()
        program.type(PIN)
        assert await program.ended() == 1
        assert "The token was removed" in program.text or "The token answered" in program.text, program.text
        assert (await page.pairing())["task"] == "OPEN"


@pytest.mark.real
async def test_the_hub_says_why_it_takes_no_certificate(place: Place, token: UsbToken) -> None:
    key = ec_key()
    certificate = place.authority.issue(key.public_key(), person("张三"))
    token.put(key, *place.authority.chain(certificate))
    contract = await place.running.issue_minor()
    async with paired(place.running, token, contract) as (_, program):
        await to_the_pin(program, 1)
        program.type(PIN)
        assert await program.ended() == 1
    assert "The name in the certificate is not yours" in program.text


@pytest.mark.real
async def test_the_page_says_no(place: Place, token: UsbToken) -> None:
    key = ec_key()
    token.put(key, *place.authority.chain(place.authority.issue(key.public_key(), person(NAME))))
    contract = await place.running.issue_minor()
    async with paired(place.running, token, contract) as (page, program):
        await to_the_pin(program, 1)
        program.type(PIN)
        await program.read("confirm on the page")
        await page.end_pairing()
        assert await program.ended() == 1
    assert "The certificate was not confirmed" in program.text


# ---- other hubs, and dishonest ones


class LyingHub(HubDouble):
    """A dishonest hub with pairing, whose page confirms every certificate. `calls`: the requests that it got."""

    def __init__(self, lie: str = "", says: str = "") -> None:
        super().__init__(lie)
        self.says = says
        self.calls: list[str] = []

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.insert(0, self._counted)
        app.router.add_post("/agent/v1/claim", self._claim)
        app.router.add_get("/sign/v1/pairing", self._pairing)
        return app

    @web.middleware
    async def _counted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls.append(request.path)
        if request.path == "/agent/v1/claim":
            return await self._claim(request)
        response: web.StreamResponse = await handler(request)
        return response

    async def _claim(self, request: web.Request) -> web.Response:
        if (await request.json())["code"] != "ABCD1234":
            return problem(404, "pairing-not-valid")
        origin = self.says or f"http://{request.host}"
        return web.json_response(self._new_session() | {"origin": origin, "contract": CONTRACT})

    async def _pairing(self, _request: web.Request) -> web.Response:
        return web.json_response({"state": "CONFIRMED", "certificate": {"name": "\x1b[31m李雷"}})


@pytest.mark.parametrize(("lie", "signed"), [("", True), ("swapped", False), ("page", False), ("digest", False)])
async def test_a_swapped_file_is_refused_and_reported(token: UsbToken, lie: str, signed: bool) -> None:
    hub = LyingHub(lie)
    async with TestServer(hub.app()) as server:
        origin = str(server.make_url("/")).rstrip("/")
        async with agent(token, "--origin", origin, "--module", token.module) as program:
            await program.answer("Pairing code", "ABCD1234")
            await to_the_pin(program, 1)
            program.type(PIN)
            assert await program.ended() == (0 if signed else 1), program.text
    assert ("REFUSED TO SIGN" in program.text) is not signed
    assert (hub.state == "SIGNED") is signed and len(hub.refusals) == (0 if signed else 1)
    assert "\x1b[31m" not in program.text  # a hub's text cannot control the terminal


async def test_nobody_agrees_to_a_consent_that_they_were_not_shown(token: UsbToken) -> None:
    hub = LyingHub("later-consent")
    async with TestServer(hub.app()) as server:
        origin = str(server.make_url("/")).rstrip("/")
        async with agent(token, "--origin", origin, "--module", token.module) as program:
            await program.answer("Pairing code", "ABCD1234")
            await to_the_pin(program, 1)
            program.type(PIN)
            assert await program.ended() == 1, program.text
    assert "The contract has changed meanwhile" in program.text
    assert hub.state == "OPEN" and "/sign/v1/prepare" not in hub.calls


@pytest.mark.real
async def test_an_agent_of_another_hub(token: UsbToken) -> None:
    hub = LyingHub(says="https://sign.school.example")
    async with TestServer(hub.app()) as server:
        origin = str(server.make_url("/")).rstrip("/")
        async with agent(token, "--origin", origin, "--module", token.module) as program:
            await program.answer("Pairing code", "ABCD1234")
            assert await program.ended() == 1
        assert "calls itself https://sign.school.example" in program.text
        assert hub.calls == ["/agent/v1/claim"]
        folder = token.folder / "qianda"
        folder.mkdir()
        (folder / "agent.toml").write_text(f'origin = "https://sign.school.example"\nmodule = "{token.module}"\n')
        async with agent(token, "--origin", origin) as pinned:
            assert await pinned.ended() == 1
        assert "is set up for https://sign.school.example, not for" in pinned.text
        async with agent(token, "--origin", "http://sign.school.example", language="zh") as plain:
            assert await plain.ended() == 1
        assert "不是签约网站地址" in plain.text
        assert hub.calls == ["/agent/v1/claim"]


@pytest.mark.real
async def test_one_of_several_certificates_on_one_of_several_tokens(token: UsbToken) -> None:
    hub, authority = LyingHub(), OutsideAuthority("http://127.0.0.1:9")
    keys = [ec_key(), ec_key(), ec_key()]
    for number, key in enumerate(keys):
        token.put(key, authority.issue(key.public_key(), person(f"No. {number}")), identifier=f"0{number}")
    token.add("second")
    async with TestServer(hub.app()) as server:
        origin = str(server.make_url("/")).rstrip("/")
        async with agent(token, "--origin", origin, "--module", token.module) as program:
            await program.answer("Pairing code", "ABCD1234")
            await program.read("Certificates on your token:")
            listed = await program.read(r"(?s).*5\) a new certificate[^\n]*\n")
            chosen = re.search(r"(\d)\) No\. 1 ", listed[0])
            assert chosen is not None, listed[0]
            await to_the_pin(program, int(chosen[1]))
            program.type(PIN)
            assert await program.ended() == 0, program.text
    certified = x509.load_der_x509_certificate(hub.certificates[-1]).public_key()
    assert hub.state == "SIGNED" and certified == keys[1].public_key()


@pytest.mark.real
async def test_no_token_no_module_and_several_tokens(token: UsbToken, tmp_path: Path) -> None:
    async with agent(token, "--origin", "https://x.example", "--module", str(tmp_path / "none.so")) as program:
        assert await program.ended() == 1
    assert "none.so cannot be loaded" in program.text
    token.add("second")
    hub = LyingHub()
    async with TestServer(hub.app()) as server:
        origin = str(server.make_url("/")).rstrip("/")
        async with agent(token, "--origin", origin, "--module", token.module) as several:
            await several.answer("Pairing code", "ABCD1234")
            await several.read(r"1\) a new certificate .* on (second|我的签名Key)")
            await several.answer(r"2\) a new certificate .*\n(.*)Which one\? \(number\): ", "7")
            await several.answer(r"a number from 1 to 2.*\n.*: ", "")
            assert await several.ended() == 1
    token.pull_out()
    async with agent(token, "--origin", origin, "--module", token.module) as none:
        assert await none.ended() == 1
    assert "No token was found" in none.text
