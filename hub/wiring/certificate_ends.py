"""List when the certificates of a hub end, for the metrics and `qianda doctor`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from hub.timestamps.several import SeveralTimestamps
from hub.wiring import Hub
from qianda.certificate_loading import load_certificate, load_pem_certificates

log = structlog.get_logger()


def list_certificate_ends(hub: Hub) -> dict[str, datetime]:
    """Return when the first certificate of each chain ends: of the seal, the built-in root, timestamps and authorities,
    and of the proxy's TLS, if its file is configured and can be read."""
    timestamps = {"timestamp": hub.services.sealing.timestamps.certificates}
    return _list_ends(hub, {"seal": hub.services.sealing.seal.chain}, timestamps)


def list_other_ends(hub: Hub) -> dict[str, datetime]:
    """Return the same for all but the seal's own certificate, with the name of each of several timestamp services."""
    timestamps = hub.services.sealing.timestamps
    services = timestamps.services if isinstance(timestamps, SeveralTimestamps) else {}
    named = {f"timestamp {name}": each.certificates for name, each in services.items()}
    issuers = [each for each in hub.services.sealing.seal.chain[1:] if each != hub.pki.authority.root]
    return _list_ends(
        hub, {"issuers of the seal": issuers}, named if len(named) > 1 else {"timestamp": timestamps.certificates}
    )


def _list_ends(
    hub: Hub, seal: Mapping[str, Sequence[bytes]], timestamps: Mapping[str, Sequence[bytes]]
) -> dict[str, datetime]:
    authorities = hub.services.signing.authorities.by_name
    chains = {
        **seal,
        "root": (hub.pki.authority.root,),
        **timestamps,
        **{f"authority {name}": each.chain for name, each in authorities.items()},
    }
    ends = {name: min(_end_of(each) for each in chain) for name, chain in chains.items() if chain}
    if (tls := _tls_end(hub)) is not None:
        ends["tls"] = tls
    return ends


def _end_of(certificate: bytes) -> datetime:
    return load_certificate(certificate).not_valid_after_utc


def _tls_end(hub: Hub) -> datetime | None:
    """Return when the TLS certificate ends. The file is read each time, because its renewal is not announced."""
    path = hub.settings.tls_certificate
    if path is None:
        return None
    try:
        return min(each.not_valid_after_utc for each in load_pem_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        log.warning("tls_certificate cannot be read", reason=repr(error)[:200])
        return None
