"""The outbox and the doors: how a message is sent, and what a link is rendered as."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime

import pytest
import zxingcpp
from PIL import Image

from channels import Doorway, Fate, Message
from channels.applink import AndroidApp, AppLink
from channels.copy import Copy
from channels.outbox import Outbox
from channels.qr import Qr
from hub.model.signing.link import format_ticket

TICKET = "7F3KQ0ZC8M2XA"
DOORWAY = Doorway(
    f"https://sign.example.org/s/{TICKET}", f"HTTPS://SIGN.EXAMPLE.ORG/S/{TICKET}", TICKET, format_ticket(TICKET)
)
MOMENT = datetime(2026, 12, 1, tzinfo=UTC)
MESSAGE = Message("key-1", "+8619000000101", "invitation", "zh", "text", "invitation", {}, MOMENT)


class Ledger:
    def __init__(self) -> None:
        self.keys: set[str] = set()

    async def accept(self, key: str) -> None:
        self.keys.add(key)

    async def accepted(self, key: str) -> bool:
        return key in self.keys


async def test_the_outbox_knows_what_it_took_and_takes_the_same_message_once() -> None:
    ledger = Ledger()
    outbox = Outbox(ledger)
    assert await outbox.find(MESSAGE) is None
    for _ in range(2):
        assert (await outbox.send(MESSAGE)).fate is Fate.DELIVERED
    assert ledger.keys == {"key-1"}
    found = await outbox.find(MESSAGE)
    assert found and found.fate is Fate.DELIVERED


def test_a_qr_code_is_small_upper_case_and_decodes_to_exactly_its_address() -> None:
    rendering = Qr().render(DOORWAY)
    assert rendering.png and rendering.svg
    image = Image.open(io.BytesIO(rendering.png))
    (code,) = zxingcpp.read_barcodes(image)
    assert code.text == rendering.url == DOORWAY.scan_url
    modules = image.size[0] / 10 - 2 * 4
    assert modules == 29  # version 3 for this address; up to 37 characters make version 2


def test_a_short_address_fits_version_2() -> None:
    address = "HTTPS://QD.EXAMPLE.CN/S/7F3KQ0ZC8M2XA"
    assert len(address) == 37
    rendering = Qr().render(Doorway(address.lower(), address, TICKET, format_ticket(TICKET)))
    assert rendering.png and Image.open(io.BytesIO(rendering.png)).size[0] / 10 - 2 * 4 == 25


def test_the_svg_is_one_well_formed_element_that_scales() -> None:
    svg = Qr().render(DOORWAY).svg
    assert svg
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg") and root.get("viewBox")


def test_copy_hands_out_the_plain_address() -> None:
    rendering = Copy().render(DOORWAY)
    assert (rendering.url, rendering.svg, rendering.app_url) == (DOORWAY.url, None, None)


def test_an_app_link_is_the_web_address_with_the_app_on_tap() -> None:
    rendering = AppLink("qianda").render(DOORWAY)
    assert (rendering.url, rendering.app_url) == (DOORWAY.url, f"qianda://s/{TICKET}")


@pytest.mark.parametrize("apps", [(), ("TEAM123456.cn.example.sign",)])
def test_the_apple_file_names_the_apps_and_every_path_in_both_cases(apps: tuple[str, ...]) -> None:
    details = AppLink("qianda", ios_apps=apps).apple_association()["applinks"]["details"]
    assert len(details) == len(apps)
    for detail in details:
        assert detail["appIDs"] == list(apps)
        assert {component["/"] for component in detail["components"]} == {"/s/*", "/S/*", "/p/*", "/P/*"}
        assert all(component["caseSensitive"] is False for component in detail["components"])


def test_the_android_file_has_a_statement_for_each_app() -> None:
    apps = [AndroidApp("cn.example.sign", ("AA:BB",)), AndroidApp("cn.example.beta", ("CC:DD", "EE:FF"))]
    statements = AppLink("qianda", android_apps=apps).asset_links()
    assert [each["target"]["package_name"] for each in statements] == ["cn.example.sign", "cn.example.beta"]
    assert statements[1]["target"]["sha256_cert_fingerprints"] == ["CC:DD", "EE:FF"]
    assert all(each["relation"] == ["delegate_permission/common.handle_all_urls"] for each in statements)
