"""Connect the parts that seal the files of other systems."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from hub.authorities.request import read_certificate_files
from hub.lifecycle.services import SealFileServices
from hub.model.sealing.webhook import WebhookAddress, read_webhook_key
from hub.settings import Settings
from hub.store.files.object_places import ObjectPlace
from hub.store.sealing.job_files import SealJobFiles
from hub.store.transaction import Clock

if TYPE_CHECKING:
    from hub.documents.sealing.file_sealer import FileSealer


def connect_seal_files(settings: Settings, closing: AsyncExitStack, clock: Clock) -> SealFileServices:
    """Return the parts. Raises ValueError for a webhook without a key, BadInput for a file without certificates,
    OSError if a file cannot be read."""
    configured = settings.seal_files

    def make_sealer() -> FileSealer:
        from hub.documents.sealing.file_sealer import FileSealer  # loads the PDF libraries

        sealer = FileSealer(clock, configured.children)
        closing.callback(sealer.close)
        return sealer

    return SealFileServices(
        folder=SealJobFiles(configured.folder or settings.data / "seal-jobs"),
        make_sealer=make_sealer,
        stores={
            name: ObjectPlace(store.url, store.options, store.clients) for name, store in configured.stores.items()
        },
        webhooks={
            name: WebhookAddress(name, hook.url, read_webhook_key(hook.secret_file.read_text("utf-8")))
            for name, hook in configured.webhooks.items()
        },
        trusted_roots=read_certificate_files([(str(path), path.read_bytes()) for path in configured.trusted_roots]),
    )
