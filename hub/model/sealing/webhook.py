"""The notice that a seal job has ended: its content, its signature, and when it is sent again. Pure.

Source: Standard Webhooks 1.0.0: HMAC-SHA256 over `id.timestamp.body`. The written form of the key begins with `whsec_`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from hub.model.sealing.seal_job import SealJob

PREFIX: Final = "whsec_"
MIN_KEY_BYTES: Final = 24
# The pauses before each further try. After the last one, the hub gives up.
RETRIES: Final = tuple(timedelta(seconds=each) for each in (5, 60, 300, 1800, 7200, 21_600, 43_200))


@dataclass(frozen=True)
class WebhookAddress:
    """A configured address, and the key that the hub shares with the receiver."""

    name: str
    url: str
    key: bytes = field(repr=False)


def read_webhook_key(text: str) -> bytes:
    """Return the key in the first line of a file. Raises ValueError if it is not a key of Standard Webhooks."""
    line = text.strip().partition("\n")[0].strip()
    try:
        key = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("seal_files.webhooks: the key is not Base64") from error
    if not line.startswith(PREFIX) or len(key) < MIN_KEY_BYTES:
        raise ValueError(f"seal_files.webhooks: a key is {PREFIX} and {MIN_KEY_BYTES} bytes or more in Base64")
    return key


def job_notice(job: SealJob, origin: str) -> bytes:
    """Return the body of the notice."""
    said = {
        "type": "seal-job.ended",
        "timestamp": job.ended_at.isoformat() if job.ended_at else None,
        "data": {
            "job": str(job.id),
            "state": job.state.value,
            "total": job.total,
            "sealed": job.sealed,
            "failed": job.failed,
            "url": f"{origin}/api/v1/seal-jobs/{job.id}",
        },
    }
    return json.dumps(said, separators=(",", ":")).encode()


def notice_headers(address: WebhookAddress, message: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers by which the receiver can verify the sender. `message`: an id, the same at each try."""
    seconds = str(int(at.timestamp()))
    signed = hmac.new(address.key, f"{message}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        "content-type": "application/json",
    }


def next_try(tries: int, now: datetime) -> datetime | None:
    """Return when to send a notice again after this number of failed tries; None to give up."""
    return now + RETRIES[tries - 1] if tries <= len(RETRIES) else None
