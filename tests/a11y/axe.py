"""axe-core on a page: what it finds that keeps somebody from using the page, and whether the page fits the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# What axe-core calls a finding that hinders people; the others ("moderate", "minor") are matters of style.
HINDERING = ("serious", "critical")
# Everything that a page could show later is shown at once: what is folded, the panels to come, each kind of trouble.
UNFOLD = """
() => {
  for (const part of document.querySelectorAll('details')) part.open = true;
  for (const part of document.querySelectorAll('[hidden]')) part.hidden = false;
  const trouble = document.querySelector('#trouble');
  for (const each of document.querySelectorAll('template[data-trouble]')) trouble.append(each.content.cloneNode(true));
}
"""
RUN = """
async rules => {
  const options = { resultTypes: ['violations'], iframes: false };
  if (rules.length) options.runOnly = { type: 'rule', values: rules };
  const found = await axe.run(document, options);
  return found.violations.map(({ id, impact, help, nodes }) => (
    { id, impact, help, where: nodes.map(({ target }) => target.join(' ')) }
  ));
}
"""
# A table or a QR code may scroll inside its own box; the page itself must not scroll sideways (WCAG 2.1, 1.4.10).
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@dataclass(frozen=True)
class AxeFinding:
    """`where`: CSS selectors of the elements."""

    rule: str
    said: str
    where: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.where[:3]) + (f" and {len(self.where) - 3} more" if len(self.where) > 3 else "")
        return f"{self.rule}: {self.said} ({shown})"


async def unfold(page: Page) -> None:
    """Show everything that is on a page."""
    await page.evaluate(UNFOLD)


async def judge(page: Page, rules: Sequence[str] = ()) -> list[AxeFinding]:
    """Return what is serious or critical on a page into which AXE was brought. `rules`: only these rules of axe-core;
    all of them without."""
    found: list[dict[str, Any]] = await page.evaluate(RUN, list(rules))
    hindering = [AxeFinding(each["id"], each["help"], tuple(each["where"])) for each in found if _hinders(each)]
    if await page.evaluate(TOO_WIDE):
        hindering.append(AxeFinding("reflow", "the page is wider than the screen", ("html",)))
    return hindering


def _hinders(found: dict[str, Any]) -> bool:
    return found["impact"] in HINDERING
