"""Every page of the hub, and how one gets there. `test_routes.py` compares the list with the route table."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

from playwright.async_api import Page

from tests.running import ADULT_ID, PASSWORD, STUDENT_PHONE
from tests.web.user_agents import PEOPLE

Doing = Callable[[Page], Awaitable[None]]
_numbers = count(1)


@dataclass(frozen=True)
class LookedAtPage:
    """A page of the walk. `who`: whose browser it is, a key of `PreparedHub.cookies`. `which`: of several at this
    route. `doing`: what is done there before one looks, such as sending a form. `agent`: the User-Agent, where the page
    depends on it. `status`: of the first answer."""

    route: str
    who: str = ""
    which: str = ""
    doing: Doing | None = None
    query: str = ""
    agent: str = ""
    status: int = 200

    @property
    def name(self) -> str:
        done = f" {self.doing.__name__}" if self.doing else ""
        who = ", ".join(filter(None, (self.who, self.which)))
        return f"{self.route}{self.query}{done}{f' ({who})' if who else ''}"


# ---- forms that lead to a page of their own


async def remind_many(page: Page) -> None:
    await page.check("#all")
    await page.click("button[name=chosen]")
    await page.wait_for_url("**/staff/remind/preview*")


async def do_with_many(page: Page, act: str) -> None:
    """Choose everybody on the board's page, and look at what an act would do."""
    await page.check("#all")
    await page.locator("details.more summary").click()
    await page.locator(f"button[formaction^='/staff/{act}/preview']").click()
    await page.wait_for_url(f"**/staff/{act}/preview*")


async def extend_many(page: Page) -> None:
    await do_with_many(page, "extend")


async def void_many(page: Page) -> None:
    await do_with_many(page, "void")


async def export_many(page: Page) -> None:
    await do_with_many(page, "export")


async def download_many(page: Page) -> None:
    await do_with_many(page, "download")


async def codes_for_many(page: Page) -> None:
    await do_with_many(page, "codes")


async def print_codes(page: Page) -> None:
    await codes_for_many(page)
    await page.locator("form[action^='/staff/codes'] button.primary").click()
    await page.wait_for_url("**/staff/codes*")


async def add_key(page: Page) -> None:
    await page.fill("#name", f"system-{next(_numbers)}")
    await page.locator("input[name=scope]").first.check()
    await page.locator("form[action='/staff/keys'] button.primary").click()
    await page.locator("code").first.wait_for()


async def find_person(page: Page) -> None:
    await page.fill("#phone", "19000000101")
    await page.fill("#reason", "asked by letter")
    await page.locator("form[action='/staff/persons'] button").click()
    await page.wait_for_load_state()


async def issue_many(page: Page) -> None:
    await page.locator("input[name=enrolment]").first.check()
    await page.locator("button.primary.counted").click()
    await page.wait_for_url("**/staff/enrolments/preview*")


async def issue_by_hand(page: Page) -> None:
    await page.select_option("#course", index=1)
    values = {"student_name": "李想", "student_id_number": ADULT_ID, "phone": STUDENT_PHONE}
    for name, value in values.items():
        await page.fill(f"#{name}", value)
    await page.locator("button[formaction='/staff/issue/preview']").click()
    await page.wait_for_url("**/staff/issue/preview")


async def reveal(page: Page) -> None:
    card = page.locator("details", has=page.locator('form[action*="/reveal/"]')).first
    await card.locator("summary").click()
    await card.locator("select").select_option(index=1)
    await card.locator("button").click()
    await page.wait_for_url("**/reveal/*")


async def preview_answer(page: Page) -> None:
    await page.fill("#text", "可以改到周三下午，请直接签署。")
    await page.locator("form[action$='/preview'] button").click()
    await page.wait_for_url("**/answer/preview")


async def add_account(page: Page) -> None:
    await page.fill("#login", f"new{next(_numbers)}")
    await page.fill("#name", "周示范")
    await page.locator("input[name=role]").first.check()
    await page.locator("form[action='/staff/accounts'] button.primary").click()
    await page.locator(".code-card, .card").first.wait_for()


async def wrong_password(page: Page) -> None:
    await page.fill("#login", "nobody")
    await page.fill("#password", "wrong")
    await page.locator("button.primary").click()
    await page.get_by_role("alert").wait_for()


async def first_factor(page: Page) -> None:
    """Give the password of an account that has a second factor."""
    await page.fill("#login", "two-steps")
    await page.fill("#password", PASSWORD)
    await page.locator("button.primary").click()
    await page.wait_for_url(re.compile("/staff/login/code"))


async def new_recovery_codes(page: Page) -> None:
    from tests.a11y.prepared import one_time_code

    await page.fill("#codes-code", one_time_code())
    await page.locator("form[action$='/second-factor/codes'] button").click()
    await page.wait_for_url("**/second-factor/codes")


async def relink(page: Page) -> None:
    await page.locator("details", has=page.locator("[data-relink]")).locator("summary").click()
    await page.locator("[data-relink] input").fill(STUDENT_PHONE)
    await page.locator("[data-relink] button").click()
    await page.locator("[data-relink] [data-sent]").wait_for()


ANDROID = PEOPLE["Mi Browser"][1]
WECHAT = PEOPLE["WeChat, Android"][1]
ONE = "/staff/contracts/{id}"
SIGNERS = (
    LookedAtPage("/s"),
    LookedAtPage("/s", query="?code=12"),
    LookedAtPage("/s", doing=relink),
    LookedAtPage("/s/{ticket}"),
    LookedAtPage("/s/{ticket}", which="WeChat", agent=WECHAT),
    LookedAtPage("/s/{ticket}", which="unknown"),
    LookedAtPage("/copy/{contract}/{ticket}"),
    LookedAtPage("/copy/{contract}/{ticket}", which="unknown", status=404),
    LookedAtPage("/p/{poster}"),
    LookedAtPage("/p/{poster}", which="several courses"),
    LookedAtPage("/p/{poster}", which="unknown", status=404),
    LookedAtPage("/sign/contract", "open"),
    LookedAtPage("/sign/contract", "open", which="phone", agent=ANDROID),
    LookedAtPage("/sign/answers", "to fill in"),
    LookedAtPage("/sign/text", "open"),
    LookedAtPage("/sign/signature", "open"),
    LookedAtPage("/sign/signature", "another key"),
    LookedAtPage("/sign/token", "open"),
    LookedAtPage("/sign/decline", "open"),
    LookedAtPage("/sign/question", "open"),
    LookedAtPage("/sign/devices", "open"),
    LookedAtPage("/sign/done", "waiting"),
    LookedAtPage("/sign/done", "signed"),
    LookedAtPage("/sign/done", "completed"),
    LookedAtPage("/sign/done", "withdrawn"),
    LookedAtPage("/sign/contract", "", status=401),
)
EVERYBODY = (
    LookedAtPage("/"),
    LookedAtPage("/verify"),
    LookedAtPage("/problems"),
    LookedAtPage("/problems/{code}"),
    LookedAtPage("/problems/{code}", which="unknown", status=404),
    LookedAtPage("/demo/phone"),
    LookedAtPage("/demo/phone", which="one"),
)
STAFF = (
    LookedAtPage("/staff/login"),
    LookedAtPage("/staff/login", doing=wrong_password),
    LookedAtPage("/staff/login", doing=first_factor),
    LookedAtPage("/staff/doctor", "clerk", status=403),
    LookedAtPage("/staff", "clerk", query="?q=nobody"),
    *(
        LookedAtPage(route, "staff")
        for route in (
            "/staff",
            "/staff/doctor",
            "/staff/rehearsal",
            "/staff/school",
            "/staff/issue/document",
            "/staff/enrolments",
            "/staff/enrolments/{enrolment}",
            "/staff/issue",
            "/staff/issued/{act}",
            "/staff/import",
            "/staff/import/{upload}",
            "/staff/imports/{import}",
            "/staff/tasks",
            "/staff/tasks/{task}/answer",
            "/staff/accounts",
            "/staff/accounts/{account}",
            "/staff/account",
            "/staff/record",
            "/staff/messages",
            "/staff/reports",
            "/staff/chats",
            "/staff/policies",
            "/staff/keys",
            "/staff/persons",
            "/staff/holds",
            "/staff/bulk/{act}",
            "/staff/seals",
            "/staff/seals/new",
            "/staff/seals/{seal}",
            "/staff/seals/{seal}/register",
            "/staff/texts",
            "/staff/texts/{kind}/{subject}",
            "/staff/texts/{kind}/{subject}/{version}",
            "/staff/remind/{act}",
            "/staff/phone-changes",
            "/staff/phone-changes/{change}",
            "/staff/posters",
            "/staff/posters/new",
            "/staff/posters/{poster}",
            "/staff/posters/{poster}/people",
            "/staff/posters/{poster}/revoke",
            ONE,
            f"{ONE}/void",
            f"{ONE}/paper",
            f"{ONE}/read",
            f"{ONE}/links/{{signer}}",
            f"{ONE}/desk/{{signer}}",
        )
    ),
    LookedAtPage("/staff/texts/{kind}/{subject}/{version}", "staff", "a message that waits"),
    LookedAtPage("/staff/issued/{act}", "staff", "waits for approval"),
    LookedAtPage(ONE, "staff", "completed"),
    LookedAtPage(ONE, "staff", "unknown", status=404),
    LookedAtPage("/staff/seals/{seal}/grant", "keeper"),
    LookedAtPage("/staff/seals/{seal}/revoke", "keeper"),
    LookedAtPage("/staff/seals/{seal}/sm2", "keeper"),
    LookedAtPage("/staff", "staff", doing=remind_many),
    *(
        LookedAtPage("/staff", "staff", doing=doing)
        for doing in (extend_many, void_many, export_many, download_many, codes_for_many, print_codes)
    ),
    LookedAtPage("/staff/keys", "staff", doing=add_key),
    LookedAtPage("/staff/persons", "staff", doing=find_person),
    LookedAtPage("/staff/enrolments", "staff", doing=issue_many),
    LookedAtPage("/staff/issue", "staff", doing=issue_by_hand),
    LookedAtPage(ONE, "staff", doing=reveal),
    LookedAtPage("/staff/tasks/{task}/answer", "staff", doing=preview_answer),
    LookedAtPage("/staff/accounts", "staff", doing=add_account),
    LookedAtPage("/staff/account", "two-steps", doing=new_recovery_codes),
    LookedAtPage("/staff/account/second-factor", "beginning"),
)
# What is half logged in is so for five minutes: it comes first.
PAGES = (LookedAtPage("/staff/login/code", "half"), *EVERYBODY, *SIGNERS, *STAFF)
