"""Find the visitor's system by the User-Agent, to choose how a page opens the school's app and what it offers.

The pages work for all visitors. If the system is misjudged, only such things differ: the button for the app, whether
the text comes before the pages, and whether USB tokens and passkeys are offered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from channels.applink import AppLink

# The most characters of a User-Agent that are examined.
MAX_USER_AGENT_LENGTH = 1000
_WECHAT = re.compile(r"MicroMessenger|WindowsWechat|MacWechat|wxwork", re.IGNORECASE)
_BROWSER_OF_AN_APP = re.compile(
    r"; ?wv\)|\bQQ/\d|AlipayClient|DingTalk|Weibo|\bFBA[NV]\b|FB_IAB|Instagram|\bLine/|KAKAOTALK|aweme|"
    r"BytedanceWebview|\bLark/|Feishu|baiduboxapp|Twitter for|LinkedInApp|Snapchat|Telegram-Android|ZhihuHybrid|"
    r"xhsdiscover|discover/\d",
    re.IGNORECASE,
)


class System(StrEnum):
    """Operating system. HarmonyOS up to version 4 runs Android apps and counts as Android."""

    IOS = "ios"
    ANDROID = "android"
    HARMONY = "harmony"
    DESKTOP = "desktop"
    """Any other system: programs, and tablets that pretend to be computers."""


class BrowserKind(StrEnum):
    """Kind of browser: a browser app, WeChat (also WeCom), or a view inside another app."""

    BROWSER = "browser"
    WECHAT = "wechat"
    OTHER_APP = "app"


@dataclass(frozen=True)
class VisitorDevice:
    system: System
    browser_kind: BrowserKind = BrowserKind.BROWSER

    @property
    def variant(self) -> str:
        """The combination in one word: `ios`, `wechat-android`, `app-harmony` …"""
        return self.system if self.browser_kind is BrowserKind.BROWSER else f"{self.browser_kind}-{self.system}"


def recognised(user_agent: str) -> VisitorDevice:
    text = user_agent[:MAX_USER_AGENT_LENGTH]
    return VisitorDevice(system := _system(text), _browser_kind(text, system))


def _system(text: str) -> System:
    if "OpenHarmony" in text or "ArkWeb/" in text:  # before Android: some browsers there say both
        return System.DESKTOP if "(PC;" in text else System.HARMONY
    if "Windows" in text:
        return System.DESKTOP
    if re.search(r"iPhone|iPad|iPod", text):
        return System.IOS
    return System.ANDROID if "Android" in text else System.DESKTOP


def _browser_kind(text: str, system: System) -> BrowserKind:
    if _WECHAT.search(text):
        return BrowserKind.WECHAT
    # On iOS, every browser calls itself Safari, but a view inside an app does not.
    if _BROWSER_OF_AN_APP.search(text) or (system is System.IOS and "Safari/" not in text):
        return BrowserKind.OTHER_APP
    return BrowserKind.BROWSER


def app_button_url(device: VisitorDevice, app: AppLink, origin: str, *, any_system: bool) -> str:
    """Return the URL of the button, containing `{place}`; empty if there is no app or the browser would not open it.

    Apps like WeChat open only apps of their partners. `any_system`: act as if the school had an app for every system.
    """
    if device.browser_kind is not BrowserKind.BROWSER:
        return ""
    match device.system:
        case System.ANDROID if app.android_apps or any_system:
            return app.intent_on_tap(origin)
        case System.IOS if app.ios_apps or any_system:
            return app.on_tap()
        case System.HARMONY if app.harmony_apps or any_system:
            return app.on_tap()
        case _:
            return ""
