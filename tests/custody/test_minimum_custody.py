"""A template that demands where the signers' keys are: what passes, what does not, and what a person is told."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hub.settings import PACKED
from qianda.client import SigningClient
from qianda.holder import SoftwareKey
from qianda.wire import ProtocolProblem
from tests.custody.app import AppKey, hub_with_an_app
from tests.custody.outside_authority import TOKEN_POLICY, outside_authority
from tests.custody.test_own_certificate import EcKey, Place, bring, facts_of
from tests.running import Running, demanding_templates, running_hub
from tests.web.signer_visits import asked, verified
from tests.web.user_agents import PEOPLE

pytestmark = pytest.mark.custody

DEMANDS = 'custody = { guardian = ["usb-token", "app-keystore"] }'


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with outside_authority() as authority:
        configured = {
            "trusted_signers": [str(authority.write_root(tmp_path / "root.pem"))],
            "token_only_policies": [TOKEN_POLICY],
        }
        async with running_hub(configured=configured, templates=templates_in(tmp_path / "t")) as running:
            yield Place(running, authority)


def templates_in(folder: Path, demands: str = DEMANDS) -> Path:
    """Write the templates `course` with these demands and `plain` without. Return the folder."""
    demanding_templates(folder, demands)
    for language in ("zh", "en"):
        shutil.copytree(PACKED / "templates" / "contracts" / f"course-{language}", folder / f"plain-{language}")
        file = folder / f"plain-{language}" / "template.toml"
        file.write_text(file.read_text("utf-8").replace('id = "course"', 'id = "plain"'), "utf-8")
    return folder


class BrowserKey(SoftwareKey):
    custody = "browser"


@contextlib.contextmanager
def too_low(held: str, told: str = "accepted here: usb-token, app-keystore") -> Iterator[None]:
    with pytest.raises(ProtocolProblem) as refused:
        yield
    assert (refused.value.status, refused.value.code) == (403, "custody-too-low")
    assert f"counts as {held}" in refused.value.detail and refused.value.detail.endswith(told)


async def test_what_is_claimed_does_not_count_and_what_is_proved_does(place: Place) -> None:
    running = place.running
    contract = await running.issue_minor()
    async with verified(running, contract) as client:
        assert (await client.contract()).custody == ("usb-token", "app-keystore")
        with too_low("browser"):
            await client.key(BrowserKey())
        for claimed in (SoftwareKey(), EcKey(), AppKey()):  # the last two claim to be on a token, and in an app
            with too_low("software"):
                await client.key(claimed)
        with too_low("software"):
            await bring(place, client, EcKey())
        with pytest.raises(ProtocolProblem, match="wrong-proof"):
            await client.prepare(await client.contract())
        key = EcKey()
        await bring(place, client, key, policies=[TOKEN_POLICY])
        assert (await client.sign(key)).state == "SIGNED"
    await running.completed(contract)
    refused = await facts_of(running, contract, "custody-refused")
    claims = [(facts["custody_claimed"], facts["custody"]) for facts in refused]
    assert claims == [
        ("browser", "browser"),
        ("software", "software"),
        ("usb-token", "software"),
        ("app-keystore", "software"),
        ("usb-token", "software"),
    ]
    assert all(facts["accepted"] == ["usb-token", "app-keystore"] for facts in refused)
    assert await facts_of(running, contract, "certificate-issued") == []  # no useless certificate was issued
    (accepted,) = await facts_of(running, contract, "signature-accepted")
    assert accepted["custody"] == "usb-token"


async def test_keys_that_are_refused_count_as_well(tmp_path: Path) -> None:
    """What speaks for a key is read before it is refused, and that takes time."""
    budgets = {"certificates_per_person_hour": 2, "certificates_per_person_day": 2}
    async with running_hub(configured={"budgets": budgets}, templates=templates_in(tmp_path / "t")) as running:
        contract = await running.issue_minor()
        async with verified(running, contract) as client:
            for key in (AppKey(), SoftwareKey()):
                with too_low("software"):
                    await client.key(key)
            with pytest.raises(ProtocolProblem) as refused:
                await client.key(AppKey())
            assert (refused.value.status, refused.value.code) == (429, "budget-spent")


async def test_a_key_that_another_contract_of_the_visit_let_pass(place: Place) -> None:
    """One key serves all contracts of a session; each contract checks its own demands."""
    running = place.running
    demanding = await running.issue_minor()
    plain = await running.issue_minor(course="english-b", template="plain")
    async with verified(running, demanding) as client:
        key = SoftwareKey()
        await client.key(key, str(plain.id))
        with too_low("software"):
            await client.prepare(await client.contract(), str(demanding.id))
        assert (await client.sign(key, str(plain.id))).state == "SIGNED"
    (refused,) = await facts_of(running, demanding, "custody-refused")
    assert refused["custody"] == "software"
    assert await facts_of(running, plain, "custody-refused") == []


async def test_an_app_whose_key_is_attested_passes_and_one_that_only_says_so_is_told_what_would(tmp_path: Path) -> None:
    """The template accepts only keys of apps: tried from a browser, by the app without proof, and with proof."""
    templates = templates_in(tmp_path / "t", 'custody = ["app-keystore"]')
    async with hub_with_an_app(tmp_path, templates) as phones:
        running = phones.running
        contract = await running.issue_minor()
        async with verified(running, contract) as client:
            assert (await client.contract()).custody == ("app-keystore",)
            page = await signature_page(running, client, contract.id, "en", PEOPLE["Chrome, Pixel"][1])
            assert "This contract needs a key of another kind" in page and "app on your phone" in page
            assert "USB token" not in page
            with too_low("browser", "accepted here: app-keystore"):
                await client.key(BrowserKey())
            not_believed = AppKey(lambda key, challenge: phones.keystore.statement(key, bytes(32)))
            for key in (AppKey(), not_believed):
                with too_low("software", "accepted here: app-keystore"):
                    await client.key(key)
            assert await client.devices() == []  # none of them was bound
            assert (await client.sign(phones.android())).state == "SIGNED"
        await running.completed(contract)
        refused = await facts_of(running, contract, "custody-refused")
        assert [facts["custody_claimed"] for facts in refused] == ["browser", "app-keystore", "app-keystore"]
        assert all(facts["accepted"] == ["app-keystore"] for facts in refused)
        (accepted,) = await facts_of(running, contract, "signature-accepted")
        assert (accepted["custody_claimed"], accepted["custody"]) == ("app-keystore", "app-keystore")


async def test_a_key_of_an_app_that_was_bound_before_passes_once_it_is_attested(tmp_path: Path) -> None:
    """The key is bound as software by a contract that accepts any key; then the same key is attested."""
    async with hub_with_an_app(tmp_path, templates_in(tmp_path / "t", DEMANDS)) as phones:
        running, key = phones.running, AppKey()
        plain = await running.issue_minor(course="english-b", template="plain")
        demanding = await running.issue_minor()
        async with verified(running, plain) as client:
            await client.key(key, str(plain.id))
            assert client.custody == "software"
            with too_low("software"):
                await client.key(key, str(demanding.id))
            key.attestation = lambda challenge: phones.app_attest.statement(  # type: ignore[method-assign]
                key.private.public_key(), challenge
            )
            await client.key(key, str(demanding.id))
            assert client.custody == "app-keystore"
            assert (await client.sign(key, str(demanding.id))).state == "SIGNED"
            (device,) = await client.devices()
            assert device["level"] == "vouched"
        (accepted,) = await facts_of(running, demanding, "signature-accepted")
        assert accepted["custody"] == "app-keystore"


async def test_the_page_says_what_one_can_sign_with(place: Place) -> None:
    running = place.running
    contract = await running.issue_minor()
    async with verified(running, contract) as client:
        for language, device, words in (
            ("zh", "Chrome, Windows", ("本合同要求使用另一种密钥", "使用我的 USB Key", "手机上的学校 App")),
            ("en", "Chrome, Windows", ("This contract needs a key of another kind", "Use my USB token")),
            ("zh", "Chrome, Pixel", ("请在电脑上打开我们发给您的链接",)),
        ):
            page = await signature_page(running, client, contract.id, language, PEOPLE[device][1])
            assert all(each in page for each in words), (language, device)
            assert 'data-act="sign"' not in page
        assert "/sign/token" not in page  # nothing can be plugged into a phone


async def signature_page(running: Running, client: SigningClient, contract: object, language: str, agent: str) -> str:
    headers = {"User-Agent": agent, "Accept": "text/html"}
    path = f"/sign/signature?id={contract}&lang={language}"
    status, text, _ = await asked(running, "GET", path, bearer=client.bearer, headers=headers)
    assert status == 200
    return str(text)
