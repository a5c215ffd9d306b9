"""Which address the rate limit counts: X-Forwarded-For from a visitor neither hides them nor makes them local."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from hub.web.http.rate_limit import THIS_MACHINE, UNKNOWN, remote_address

WITH_PROXIES = (*THIS_MACHINE, ip_network("10.0.5.0/24"), ip_network("2001:db8:5::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("127.0.0.1", [], None),
        ("::1", [], None),
        ("::ffff:127.0.0.1", [], None),
        ("203.0.113.9", [], "203.0.113.9"),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("2001:db8::1", [], "2001:0db8:0000:0000"),
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),  # the visitor wrote the first one
        ("127.0.0.1", ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),  # or in a line of its own
        ("127.0.0.1", ["203.0.113.9, 10.0.5.7"], "203.0.113.9"),  # through two proxies of ours
        ("10.0.5.7", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.5.7", ["203.0.113.9:51234"], "203.0.113.9"),
        ("2001:db8:5::7", ["[2001:db8:9::1]:51234"], "2001:0db8:0009:0000"),
        ("10.0.6.7", ["203.0.113.9"], "10.0.6.7"),  # a neighbour is no proxy
        ("203.0.113.9", ["127.0.0.1"], "203.0.113.9"),
        ("127.0.0.1", ["127.0.0.1"], "127.0.0.1"),  # this does not mean: on this machine
        ("127.0.0.1", ["::1"], "0000:0000:0000:0000"),
        ("10.0.5.7", ["127.0.0.1, 10.0.5.7"], "127.0.0.1"),
        ("127.0.0.1", ["whoever"], UNKNOWN),
        ("127.0.0.1", ["203.0.113.9, "], UNKNOWN),
        ("", [], UNKNOWN),
    ],
)
def test_who_is_counted(peer: str, forwarded: list[str], counted: str | None) -> None:
    headers = CIMultiDict([("X-Forwarded-For", each) for each in forwarded])
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=peer)
    assert remote_address(request, WITH_PROXIES) == counted


def test_by_default_only_this_machine_is_believed() -> None:
    for peer in ("10.0.5.7", "192.168.1.1", "fd00::1"):
        request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": "127.0.0.1"}).clone(remote=peer)
        assert remote_address(request, THIS_MACHINE) is not None
