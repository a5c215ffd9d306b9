"""Identity providers: Aliyun, with its official SDK as the judge of the signature, and JSON by mapping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hub.errors import IdentityUnavailable
from hub.identity import IdentityContext, IdentityProvider, IdentityVerdict, PersonOnFile
from hub.identity.aliyun import SignedForm, signed
from hub.plugins import IDENTITIES, connect_plugin
from tests.identity.aliyun_double import KEY, SECRET, AliyunIdentityDouble
from tests.signing_parts import utc_now

pytestmark = pytest.mark.custody
NAME, NUMBER, MOBILE = "陈建国", "340104198501010019", "19000000101"
PERSON = PersonOnFile(NAME, "cn-id", NUMBER, f"+86{MOBILE}")


@pytest.fixture
async def place() -> AsyncIterator[IdentityContext]:
    async with aiohttp.ClientSession() as http:
        yield IdentityContext("aliyun", http, utc_now)


@pytest.fixture
async def double() -> AsyncIterator[AliyunIdentityDouble]:
    async with AliyunIdentityDouble({(NAME, NUMBER): MOBILE}).serving() as serving:
        yield serving


def aliyun(double: AliyunIdentityDouble, place: IdentityContext, **more: Any) -> IdentityProvider:
    return connect_plugin(IDENTITIES, "aliyun", double.options(**more), place)


async def test_the_official_sdk_is_accepted_by_the_double(double: AliyunIdentityDouble) -> None:
    client = pytest.importorskip("alibabacloud_cloudauth20190307.client")
    models = pytest.importorskip("alibabacloud_cloudauth20190307.models")
    from alibabacloud_tea_openapi.utils_models import Config

    def ask(secret: str) -> Any:
        host = double.endpoint.removeprefix("http://")
        made = client.Client(Config(access_key_id=KEY, access_key_secret=secret, endpoint=host, protocol="http"))
        return made.id_2meta_verify(
            models.Id2MetaVerifyRequest(param_type="normal", user_name=NAME, identify_num=NUMBER)
        ).body

    def ask_three(mobile: str) -> Any:
        host = double.endpoint.removeprefix("http://")
        made = client.Client(Config(access_key_id=KEY, access_key_secret=SECRET, endpoint=host, protocol="http"))
        asked = models.Mobile3MetaSimpleVerifyRequest(
            param_type="normal", user_name=NAME, identify_num=NUMBER, mobile=mobile
        )
        return made.mobile_3meta_simple_verify(asked).body

    answer = await asyncio.to_thread(ask, SECRET)
    assert (answer.code, answer.result_object.biz_code) == ("200", "1")
    for mobile, code in ((MOBILE, "1"), ("19000000999", "2")):
        assert (await asyncio.to_thread(ask_three, mobile)).result_object.biz_code == code
    assert [sorted(asked) for _, asked in double.asked] == [
        ["IdentifyNum", "ParamType", "UserName"],
        *[["IdentifyNum", "Mobile", "ParamType", "UserName"]] * 2,
    ]
    with pytest.raises(Exception, match="SignatureDoesNotMatch"):
        await asyncio.to_thread(ask, SECRET + "x")


def test_our_signature_is_what_the_official_sdk_computes() -> None:
    from alibabacloud_tea_openapi.utils import Utils
    from darabonba.request import DaraRequest

    body = b"IdentifyNum=1&UserName=%E7%AD%BE%20~"
    host = "cloudauth.aliyuncs.com"
    headers = signed(KEY, SECRET, SignedForm(host, "Id2MetaVerify", body), datetime.now(UTC), "d41d8cd98f00b204")
    request = DaraRequest()
    request.method, request.pathname, request.query = "POST", "/", {}
    request.headers = {name: value for name, value in headers.items() if name != "authorization"}
    expected = Utils.get_authorization(request, "ACS3-HMAC-SHA256", headers["x-acs-content-sha256"], KEY, SECRET)
    assert headers["authorization"] == expected


@pytest.mark.parametrize(
    ("factors", "person", "matched"),
    [
        (2, PERSON, True),
        (3, PERSON, True),
        (2, PersonOnFile("陈建军", "cn-id", NUMBER, f"+86{MOBILE}"), False),
        (2, PersonOnFile("欧阳·㛃", "cn-id", "34010419850101002X", f"+86{MOBILE}"), False),
        (3, PersonOnFile(NAME, "cn-id", NUMBER, "+8619000000999"), False),
    ],
)
async def test_aliyun_says_yes_or_no(
    double: AliyunIdentityDouble, place: IdentityContext, factors: int, person: PersonOnFile, matched: bool
) -> None:
    provider = aliyun(double, place, factors=factors)
    assert provider.serves(person)
    assert await provider.check(person) == IdentityVerdict(matched, "R-1")
    ((action, asked),) = double.asked
    assert action == {2: "Id2MetaVerify", 3: "Mobile3MetaSimpleVerify"}[factors]
    assert (asked["UserName"], asked["IdentifyNum"]) == (person.name, person.id_number)
    assert ("Mobile" in asked) == (factors == 3)


def test_aliyun_is_asked_about_what_it_knows(double: AliyunIdentityDouble, place: IdentityContext) -> None:
    abroad = PersonOnFile("Ann Lee", "cn-id", NUMBER, "+6590000000")
    assert aliyun(double, place).serves(abroad) and not aliyun(double, place, factors=3).serves(abroad)
    assert not aliyun(double, place).serves(PersonOnFile("Ann Lee", "passport", "E1234567", f"+86{MOBILE}"))


ANSWERS = {
    "out of money": ({"Code": "412", "RequestId": "R"}, 200),
    "not allowed": ({"Code": "411", "RequestId": "R"}, 200),
    "its source is away": ({"Code": "402", "RequestId": "R"}, 200),
    "a result that nobody knows": ({"Code": "200", "ResultObject": {"BizCode": "9"}}, 200),
    "no result": ({"Code": "200"}, 200),
    "throttled": ({"Code": "Throttling.User"}, 400),
    "not an object": (["1"], 200),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_what_is_neither_yes_nor_no_is_no_answer(
    double: AliyunIdentityDouble, place: IdentityContext, case: str
) -> None:
    body, status = ANSWERS[case]
    double.spoil = lambda: web.json_response(body, status=status)
    with pytest.raises(IdentityUnavailable) as raised:
        await aliyun(double, place).check(PERSON)
    assert raised.value.retry
    for secret in (NAME, NUMBER, MOBILE, SECRET):
        assert secret not in str(raised.value)


async def test_a_provider_that_is_away_or_does_not_know_us_is_unavailable(
    double: AliyunIdentityDouble, place: IdentityContext
) -> None:
    for wrong in ({"access_key_secret": "wrong"}, {"endpoint": "http://127.0.0.1:9"}):
        with pytest.raises(IdentityUnavailable):
            await aliyun(double, place, **wrong).check(PERSON)
    double.spoil = lambda: web.Response(text="<html>busy")
    with pytest.raises(IdentityUnavailable):
        await aliyun(double, place).check(PERSON)
    assert NUMBER not in repr(PERSON)


# ---- JSON by mapping


@pytest.fixture
async def bureau() -> AsyncIterator[dict[str, Any]]:
    """Serve the HTTP API of an identity bureau. Yields its state: the requests that it got (`asked`) and its
    `answer`."""
    state: dict[str, Any] = {"asked": [], "answer": {"code": 0, "data": {"result": 1, "orderNo": "20261125-7"}}}

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["X-Key"] == SECRET
        state["asked"].append(dict(await request.post()))
        return web.json_response(state["answer"], status=state.get("status", 200))

    app = web.Application()
    app.router.add_post("/v2/three-factors", answer)
    async with TestServer(app) as server:
        state["entry"] = {
            "kind": "http_json",
            "url": f"http://127.0.0.1:{server.port}/v2",
            "headers": {"X-Key": "{secret}"},
            "secret": SECRET,
            "method": "three factors",
            "matched": {"data.result": ["1"]},
            "not_matched": {"data.result": ["2", "3"]},
            "reference": "data.orderNo",
            "ask": {
                "path": "/three-factors",
                "form": "form",
                "success": {"code": ["0"]},
                "body": {"name": "{name}", "idCard": "{id_number}", "mobile": "{mobile}"},
            },
        }
        yield state


async def test_a_provider_is_asked_by_its_mapping(bureau: dict[str, Any], place: IdentityContext) -> None:
    provider = connect_plugin(IDENTITIES, "bureau", bureau["entry"], place)
    assert await provider.check(PERSON) == IdentityVerdict(True, "20261125-7")
    assert bureau["asked"] == [{"name": NAME, "idCard": NUMBER, "mobile": MOBILE}]
    bureau["answer"]["data"]["result"] = "3"
    assert await provider.check(PERSON) == IdentityVerdict(False, "20261125-7")
    assert provider.method == "three factors" and not provider.serves(PersonOnFile("A", "passport", "E1", "+65"))


@pytest.mark.parametrize(
    ("answer", "status"),
    [({"code": 7}, 200), ({"code": 0, "data": {"result": 9}}, 200), ({"code": 0}, 200), ({"code": 0}, 404), ([], 200)],
)
async def test_what_the_mapping_does_not_know_is_no_answer(
    bureau: dict[str, Any], place: IdentityContext, answer: Any, status: int
) -> None:
    bureau.update(answer=answer, status=status)
    with pytest.raises(IdentityUnavailable):
        await connect_plugin(IDENTITIES, "bureau", bureau["entry"], place).check(PERSON)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"matched": {}}, "aliyun.matched"),
        ({"ask": {"body": {"a": "{nane}"}}}, "nane"),
        ({"kind": "roster"}, "no provider roster"),
        ({"kind": "nobody"}, "no provider nobody"),
    ],
)
async def test_a_wrong_entry_is_named(
    bureau: dict[str, Any], place: IdentityContext, more: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        connect_plugin(IDENTITIES, "bureau", bureau["entry"] | more, place)


async def test_no_entry_takes_the_name_of_the_roster(bureau: dict[str, Any], place: IdentityContext) -> None:
    with pytest.raises(ValueError, match=r"identities\.roster: there is no provider http_json to configure"):
        connect_plugin(IDENTITIES, "roster", bureau["entry"], place)


async def test_a_name_in_an_address_asks_about_nobody_else(place: IdentityContext) -> None:
    """Whoever enrols by a poster chooses their name."""
    asked: list[tuple[str, dict[str, str]]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.raw_path.partition("?")[0], dict(request.query)))
        return web.json_response({"result": "2"})

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    try:
        options = {
            "kind": "http_json",
            "url": str(server.make_url("")).rstrip("/"),
            "method": "name and number",
            "matched": {"result": ["1"]},
            "not_matched": {"result": ["2"]},
            "reference": "order",
            "ask": {"method": "GET", "path": "/of/{id_type}/two?number={id_number}&name={name}"},
        }
        bureau = connect_plugin(IDENTITIES, "bureau", options, place)
        for name in ("陈建国", "陈&number=1#", "陈%26/../x?a=b", "A B+C"):
            assert not (await bureau.check(replace(PERSON, name=name))).matched
            assert asked.pop() == ("/of/cn-id/two", {"number": NUMBER, "name": name})
        options["ask"] = {"method": "GET", "path": "/of/{name}/../two"}
        bureau = connect_plugin(IDENTITIES, "bureau", options, place)
        for name in (".", ".."):
            with pytest.raises(IdentityUnavailable, match="address"):
                await bureau.check(replace(PERSON, name=name))
        assert not (await bureau.check(PERSON)).matched
        assert asked.pop() == ("/of/two", {})
    finally:
        await server.close()
