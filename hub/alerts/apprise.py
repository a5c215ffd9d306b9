"""Notices to staff through Apprise: WeCom, DingTalk and Feishu robots, mail, and a hundred others, each by one address.

How to write an address: Apprise's documentation, https://appriseit.com/services/ (`wecombot://…`, `dingtalk://…`,
`feishu://…`, `mailtos://…`). An address contains keys and passwords, so none is ever logged or shown.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import apprise

from hub.alerts import Addressee, NotDelivered, Notice

# Seconds to wait for one address.
ADDRESS_TIMEOUT = 15.0
THREADS = 4
Mark = Callable[[str], str]


@dataclass(frozen=True)
class AppriseAddress:
    kind: str
    mark: str
    _url: str = field(repr=False)
    _threads: ThreadPoolExecutor = field(repr=False)
    _asset: apprise.AppriseAsset = field(repr=False)
    timeout: float = ADDRESS_TIMEOUT

    async def tell(self, notice: Notice) -> None:
        """Deliver the notice. Apprise blocks, so it runs in a thread, which is abandoned after the timeout. Raises
        NotDelivered."""
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._notify, notice)
        try:
            async with asyncio.timeout(self.timeout):
                told = await work
        except TimeoutError:
            raise NotDelivered("no answer in time") from None
        except Exception as error:  # any error of an Apprise plug-in; its message may contain the address
            raise NotDelivered(type(error).__name__) from None
        if not told:
            raise NotDelivered("not taken")

    def _notify(self, notice: Notice) -> bool:
        # A new object for each notice, because a used object sleeps before its next message.
        service = apprise.Apprise.instantiate(self._url, asset=self._asset)
        return service is not None and bool(
            service.notify(title=notice.title, body=notice.text, notify_type=apprise.NotifyType.WARNING)
        )


def connect(urls: Sequence[str], origin: str, mark: Mark) -> tuple[tuple[Addressee, ...], Callable[[], None]]:
    """Return the configured addresses, and the function that closes them. `mark` turns an address into one that reveals
    nothing.

    Raises ValueError, which names a wrong address only by its number.
    """
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its warnings name hosts and parts of addresses
    threads = ThreadPoolExecutor(THREADS, "alert")
    asset = apprise.AppriseAsset(service_timeout=ADDRESS_TIMEOUT, allow_templates=False, secure_logging=True)
    asset.app_id, asset.app_desc, asset.app_url = "Qianda", "Qianda 签达", origin
    found = []
    for number, url in enumerate(urls, 1):
        if apprise.Apprise.instantiate(url, asset=asset) is None:
            raise ValueError(f"alerts: address {number} is none that Apprise knows")
        found.append(AppriseAddress(url.partition(":")[0].lower(), mark(url), url, threads, asset))
    return tuple(found), lambda: threads.shutdown(wait=False, cancel_futures=True)
