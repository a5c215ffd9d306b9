"""Which way to the school's app is offered on which device. The page itself works everywhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import unquote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import ValidationError

from channels.applink import AndroidApp, AppLink
from hub.settings import Settings
from hub.web.app import make_app
from hub.web.signer.user_agent import (
    MAX_USER_AGENT_LENGTH,
    BrowserKind,
    System,
    VisitorDevice,
    app_button_url,
    recognised,
)
from tests.running import running_hub
from tests.web.user_agents import PEOPLE, PROGRAMS

ORIGIN = "https://sign.example.org"
ANDROID = AndroidApp("org.example.school", (":".join(["AB"] * 32),))
EVERY_APP = AppLink("school", ["A1B2C3D4E5.org.example.school"], [ANDROID], ["5765880207853"])
Client = TestClient[web.Request, web.Application]
INTENT = (
    "intent://{place}#Intent;scheme=school;package=org.example.school;"
    "S.browser_fallback_url=https%3A%2F%2Fsign.example.org%2F{place}%3Fapp%3Dnone;end"
)
OFFERED = {"ios": "school://{place}", "harmony": "school://{place}", "android": INTENT}


@pytest.fixture
async def pages() -> AsyncIterator[Client]:
    """Serve the pages of a school that has an app for every system, and that is not a demo."""
    async with running_hub(with_worker=False, with_web=False) as running:
        hub = replace(running.hub, demo=False, app_link=EVERY_APP)
        app = make_app(replace(hub, services=replace(hub.services, origin=ORIGIN)))
        async with TestClient(TestServer(app)) as client:
            yield client


@pytest.mark.parametrize(("variant", "user_agent"), PEOPLE.values(), ids=PEOPLE)
def test_a_device_is_recognised(variant: str, user_agent: str) -> None:
    device = recognised(user_agent)
    assert device.variant == variant
    assert app_button_url(device, EVERY_APP, ORIGIN, any_system=False) == OFFERED.get(variant, "")


def test_every_variant_that_there_is_stands_in_the_table() -> None:
    every = {VisitorDevice(system, kind).variant for system in System for kind in BrowserKind} - {"app-desktop"}
    assert {variant for variant, _ in PEOPLE.values()} == every


@pytest.mark.parametrize("user_agent", PROGRAMS)
def test_programs_are_taken_for_something(user_agent: str) -> None:
    assert recognised(user_agent).system in System


def test_a_monstrous_user_agent_costs_nothing() -> None:
    assert recognised("(" * 10_000_000 + "Android").system is System.DESKTOP
    assert recognised("x" * MAX_USER_AGENT_LENGTH + "iPhone").variant == "desktop"


@pytest.mark.parametrize("system", [System.IOS, System.ANDROID, System.HARMONY])
def test_only_an_app_that_exists_is_offered(system: System) -> None:
    none = AppLink("school")
    assert app_button_url(VisitorDevice(system), none, ORIGIN, any_system=False) == ""
    as_if = app_button_url(VisitorDevice(system), none, ORIGIN, any_system=True)
    assert "package=" not in as_if and "{place}" in as_if


def test_an_intent_comes_back_to_the_page_when_there_is_no_app() -> None:
    address = EVERY_APP.intent_on_tap(ORIGIN).replace("{place}", "s/7F3KQ0ZC8M2XA")
    assert address.startswith("intent://s/7F3KQ0ZC8M2XA#Intent;") and address.endswith(";end")
    fallback = re.search(r"S\.browser_fallback_url=([^;]+);", address)
    assert fallback and unquote(fallback[1]) == f"{ORIGIN}/s/7F3KQ0ZC8M2XA?app=none"


# ---- the page


@pytest.mark.parametrize("path", ["/s/7F3KQ0ZC8M2XA", "/S/7f3kq0zc8m2xa"])
async def test_the_page_works_for_every_device_and_opens_nothing_by_itself(pages: Client, path: str) -> None:
    for name, (variant, user_agent) in PEOPLE.items():
        async with pages.get(path, headers={"User-Agent": user_agent, "Accept-Language": "en"}) as answer:
            text = await answer.text()
        assert answer.status == 200 and "location" not in answer.headers and "refresh" not in answer.headers, name
        assert 'data-act="begin"' in text and "<meta http-equiv" not in text and "<iframe" not in text, name
        addresses = re.findall(r'data-address="([^"]+)"', text)
        assert addresses == ([OFFERED[variant]] if variant in OFFERED else []), name
        kind = variant.partition("-")[0] if "-" in variant else None
        assert re.findall(r'data-hint="(\w+)"', text) == ([kind] if kind else []), name


async def test_the_page_is_the_same_for_every_ticket(pages: Client) -> None:
    for _, user_agent in PEOPLE.values():
        said = set()
        for ticket in ("7F3KQ0ZC8M2XA", "0000000000000", "no-ticket", "%3Cscript%3E"):
            async with pages.get(f"/s/{ticket}", headers={"User-Agent": user_agent}) as answer:
                said.add((answer.status, await answer.text()))
        assert len(said) == 1


async def test_whoever_comes_back_without_the_app_is_not_sent_round_again(pages: Client) -> None:
    headers = {"User-Agent": PEOPLE["Chrome, Pixel"][1], "Accept-Language": "en"}
    async with pages.get("/s/7F3KQ0ZC8M2XA?app=none", headers=headers) as answer:
        text = await answer.text()
    assert "is not on this phone" in text and "data-address" not in text and 'data-act="begin"' in text


# ---- the files that phones fetch


@pytest.mark.parametrize(
    "path",
    ["/.well-known/apple-app-site-association", "/.well-known/assetlinks.json", "/.well-known/applinking.json"],
)
async def test_phones_find_the_apps(pages: Client, path: str) -> None:
    for host in ("sign.example.org", "another.example.org"):
        for method in ("GET", "HEAD"):
            headers = {"Host": host, "User-Agent": "swcd (unknown version) CFNetwork/1494.0.7 Darwin/23.4.0"}
            async with pages.request(method, path, headers=headers, allow_redirects=False) as answer:
                assert (answer.status, answer.content_type) == (200, "application/json")
                assert int(answer.headers["Content-Length"]) < 128 << 10  # iOS reads no more than that
    async with pages.get(path) as answer:
        said = await answer.json()
    assert (
        said
        == {
            "apple-app-site-association": EVERY_APP.apple_association(),
            "assetlinks.json": EVERY_APP.asset_links(),
            "applinking.json": {"applinking": {"apps": [{"appIdentifier": "5765880207853"}]}},
        }[path.rpartition("/")[2]]
    )


# ---- the configuration

SHA256 = ":".join(f"{n:02x}" for n in range(32))


def test_a_right_configuration_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QIANDA_CONFIG", raising=False)
    android = {"package": "org.example.school", "fingerprints": [SHA256, SHA256.upper()]}
    ios = ["A1B2C3D4E5.org.example.school", "0123456789.School-1"]
    app_link = {"scheme": "school+v2", "ios_apps": ios, "android_apps": [android], "harmony_apps": ["5765880207853"]}
    read = Settings.load(app_link=app_link).app_link
    assert read.android_apps[0].fingerprints == [SHA256.upper()] * 2
    assert read.ios_apps == ios


@pytest.mark.parametrize(
    ("wrong", "key", "reason"),
    [
        ({"scheme": "School"}, "scheme", "is not a URL scheme"),
        ({"scheme": "school://"}, "scheme", "is not a URL scheme"),
        ({"scheme": ""}, "scheme", "is not a URL scheme"),
        ({"scheme": "https"}, "scheme", "is a general scheme"),
        ({"scheme": "javascript"}, "scheme", "is a general scheme"),
        ({"ios_apps": ["org.example.school"]}, "ios_apps.0", "team id"),
        ({"ios_apps": ["A1B2C3D4E5"]}, "ios_apps.0", "team id"),
        ({"ios_apps": ["a1b2c3d4e5.org.example"]}, "ios_apps.0", "team id"),
        ({"ios_apps": ["A1B2C3D4E5.org_example"]}, "ios_apps.0", "team id"),
        (
            {"android_apps": [{"package": "school", "fingerprints": [SHA256]}]},
            "android_apps.0.package",
            "two or more words",
        ),
        (
            {"android_apps": [{"package": "1.a", "fingerprints": [SHA256]}]},
            "android_apps.0.package",
            "two or more words",
        ),
        ({"android_apps": [{"package": "org.a", "fingerprints": []}]}, "android_apps.0.fingerprints", "at least 1"),
        (
            {"android_apps": [{"package": "org.a", "fingerprints": [SHA256[:59]]}]},
            "android_apps.0.fingerprints.0",
            "20 (20 are SHA-1)",
        ),
        (
            {"android_apps": [{"package": "org.a", "fingerprints": [SHA256.replace(":", "")]}]},
            "android_apps.0.fingerprints.0",
            "joined by colons",
        ),
        (
            {"android_apps": [{"package": "org.a", "fingerprints": [SHA256 + ":00"]}]},
            "android_apps.0.fingerprints.0",
            "here are 33",
        ),
        ({"harmony_apps": ["org.example"]}, "harmony_apps.0", "digits only"),
    ],
)
def test_a_wrong_configuration_is_refused_with_key_and_reason(
    wrong: dict[str, object], key: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QIANDA_CONFIG", raising=False)
    with pytest.raises(ValidationError) as refused:
        Settings.load(app_link=wrong)
    (error,) = refused.value.errors()
    assert ".".join(map(str, error["loc"])) == f"app_link.{key}" and reason in error["msg"]
