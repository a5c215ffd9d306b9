"""`qianda doctor`: check whether every part that a contract needs exists and works, and if not, say what to do."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hub.doctor.providers import ask_provider
from hub.documents.fonts import ContractFont
from hub.documents.signing.signature import MAX_TOKEN_BYTES
from hub.errors import FilesUnavailable, QiandaError
from hub.lifecycle.messaging.pause_sending import count_due_steps
from hub.model.sealing.seal import KeyPlace
from hub.model.staff.operator_figures import WORKER_SILENCE
from hub.model.staff.scope import EVERYTHING
from hub.store.files.free_space import find_space
from hub.store.server.migrate import check_current
from hub.timestamps.several import MAX_CLOCK_DIFFERENCE, SeveralTimestamps
from hub.tokens.several import SharedKey
from hub.wiring import Hub
from hub.wiring.certificate_ends import list_other_ends
from qianda.certificate_loading import load_certificate

# Seconds for one check. A timestamp service may take ten.
CHECK_TIMEOUT = 20.0
RENEW_BEFORE = timedelta(days=60)
# Clients like certbot renew a TLS certificate of 90 days by themselves, 30 days before it ends; one of 45 days, 15.
RENEW_TLS_BEFORE = timedelta(days=14)


class NeedsAttention(Exception):
    """Tell of something that is no fault, and waits until somebody acts."""


@dataclass(frozen=True)
class DoctorFinding:
    """`attention`: nothing is broken (`well`), but something waits until somebody acts."""

    part: str
    well: bool
    words: str
    attention: bool = False

    def __str__(self) -> str:
        mark = ("NOTE" if self.attention else "ok  ") if self.well else "BAD "
        return f"{mark} {self.part}: {self.words}"


async def examine(hub: Hub) -> list[DoctorFinding]:
    """Make every check, all at the same time, each with a deadline, even if others fail. Return the findings."""
    asked = {f"provider {each.name}": ask_provider(each) for each in hub.services.messaging.router.providers}
    made = {part: check(hub) for part, check in CHECKS.items()} | asked
    return list(await asyncio.gather(*(_checked(part, check) for part, check in made.items())))


async def _checked(part: str, check: Awaitable[str]) -> DoctorFinding:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            return DoctorFinding(part, True, await check)
    except NeedsAttention as notice:
        return DoctorFinding(part, True, str(notice), attention=True)
    except TimeoutError:
        return DoctorFinding(part, False, f"did not answer within {CHECK_TIMEOUT:.0f} s")
    except (QiandaError, OSError, ValueError) as error:
        return DoctorFinding(part, False, str(error))


async def _database(hub: Hub) -> str:
    await check_current(hub.database.dsn)
    return "reachable, schema current"


async def _clock(hub: Hub) -> str:
    """Compare our clock with the database's. On one machine they agree; over a network this finds a wrong clock."""
    async with hub.database.transaction(EVERYTHING) as tx:
        theirs: datetime = (await tx.connection.fetch("SELECT clock_timestamp()")).one()[0]
    difference = abs(datetime.now(UTC) - theirs)
    if difference > MAX_CLOCK_DIFFERENCE:
        seconds = f"{difference.total_seconds():.0f} s"
        raise ValueError(f"differs from the database's by {seconds}: set up time synchronisation")
    return "agrees with the database's"


async def _disk(hub: Hub) -> str:
    found = await asyncio.to_thread(find_space, (hub.settings.data, hub.services.files.folder))
    if low := ", ".join(str(each) for each in found if each.is_low):
        raise ValueError(f"little space is left: {low}: make space, or nothing can be signed any more")
    return f"free: {', '.join(map(str, found))}"


async def _stored_files(hub: Hub) -> str:
    """Store a file, read and delete it, and look for the newest document, which a folder that is not mounted lacks."""
    files = hub.services.files
    # The hub could not write to a folder that root makes.
    if files.folder and os.geteuid() == 0 != files.folder.stat().st_uid:
        raise NeedsAttention("not tried, because root must make no folder there: run it as the owner of the files")
    try:
        name = await files.put(secrets.token_bytes(32))
        await files.get(name)
        await files.erase(name)
    except FilesUnavailable as error:
        raise ValueError(f"cannot be stored, read or deleted: check `files` and its credentials ({error})") from error
    async with hub.database.transaction(EVERYTHING) as tx:
        newest = "SELECT file FROM document_version WHERE file = sha256 AND erased_at IS NULL ORDER BY id DESC LIMIT 1"
        found = (await tx.connection.fetch(newest)).first()
    if found and not await files.get_size(found[0]):
        raise ValueError("the newest document is missing: is the folder mounted, and is `files` the right address?")
    return "can be stored, read and deleted"


async def _fonts(_: Hub) -> str:
    missing = ContractFont().undrawable("签达合同㛃𠮷䶮")
    if missing:
        raise ValueError(f"the contract font lacks {' '.join(missing)}")
    return "the contract font draws rare characters"


async def _token(hub: Hub) -> str:
    """Let the seal's key sign on each token. Raises TokenUnavailable, or ValueError that names those that fail."""
    seal = hub.services.sealing.seal
    begun = time.perf_counter()
    await seal.key.sign(b"qianda doctor")
    latency = f"{(time.perf_counter() - begun) * 1000:.0f} ms"
    if not isinstance(seal.key, SharedKey):
        where = "at the remote service" if seal.remote else "in software"
        return f"the seal key {seal.key.label!r} {where} signs in {latency}"
    tokens = hub.pki.token.tokens
    if away := [f"{name}: {why}" for name, why in (await seal.key.check_each()).items() if why]:
        raise ValueError(f"{len(away)} of {len(tokens)} tokens do not sign: {'; '.join(away)}")
    offered = [f"{name} ({', '.join(await token.list_mechanisms())})" for name, token in tokens.items()]
    until = f"{load_certificate(seal.chain[0]).not_valid_after_utc:%Y-%m-%d}"
    signs = f"the seal key {seal.key.label!r} on the token signs in {latency}, its certificate until {until}"
    return f"{signs}; {'; '.join(offered)}"


async def _seal_certificate(hub: Hub) -> str:
    certificate = load_certificate(hub.services.sealing.seal.chain[0])
    left = certificate.not_valid_after_utc - hub.services.clock()
    how = _renewing_commands(hub)
    if left < timedelta(0):
        raise ValueError(
            f"ended on {certificate.not_valid_after_utc:%Y-%m-%d}, and nothing can be sealed: renew it by {how}"
        )
    if left < RENEW_BEFORE:
        raise ValueError(f"ends on {certificate.not_valid_after_utc:%Y-%m-%d}: renew it by {how}")
    until = f"valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
    if hub.services.sealing.seal.chain[-1] == hub.pki.authority.root:
        return f"{until}; built-in authority, for trial and internal use"
    if (await hub.services.signing.revocation.of(hub.services.sealing.seal.chain)).revoked:
        raise ValueError("was revoked: nothing can be sealed with it")
    return f"{until}, not revoked; issued by {certificate.issuer.rfc4514_string()}"


def _renewing_commands(hub: Hub) -> str:
    seal = hub.services.sealing.seal
    if seal.remote:  # the service renews it
        return "`qianda init --renew`"
    is_builtin = seal.chain[-1] == hub.pki.authority.root
    return "`qianda seal renew`" if is_builtin else "`qianda seal request`, `qianda seal install`"


async def _certificates(hub: Hub) -> str:
    """Look at the certificates above and beside the seal's own: of root, authorities, timestamp services, TLS. Raises
    ValueError that names those that end soon."""
    ends = list_other_ends(hub)
    if hub.settings.tls_certificate and "tls" not in ends:
        raise ValueError(f"tls_certificate cannot be read: {hub.settings.tls_certificate}")
    before = {"tls": RENEW_TLS_BEFORE}
    left = {name: end - hub.services.clock() for name, end in ends.items()}
    soon = [name for name in ends if left[name] < before.get(name, RENEW_BEFORE)]
    if named := ", ".join(f"{name} ({ends[name]:%Y-%m-%d})" for name in soon):
        raise ValueError(f"ended, or end soon: {named}: renew them")
    return f"{', '.join(ends)}; none ends soon"


async def _seals(hub: Hub) -> str:
    """Look at the other seals. Raises ValueError that names those in use whose certificate ends soon."""
    now = hub.services.clock()
    async with hub.database.transaction(EVERYTHING) as tx:
        seals = [seal for seal in await tx.seals.list_all() if seal.key_place is KeyPlace.TOKEN and seal.chain]
        ending = [seal for seal in await tx.seals.list_ending(now + RENEW_BEFORE) if seal.key_place is KeyPlace.TOKEN]
        ending_sm2 = [await tx.seals.get(each) for each in await tx.sm2_seals.list_ending(now + RENEW_BEFORE)]
    if ending:
        named = ", ".join(f"{seal.name} ({seal.ends_at:%Y-%m-%d})" for seal in ending)
        raise ValueError(f"certificates end soon: {named}: renew them by `qianda seal renew NAME`")
    if used := [seal.name for seal in ending_sm2 if not seal.state.is_over]:
        how = "renew a bought one by `qianda seal install-sm2`, one for trial by `make-sm2`"
        raise ValueError(f"the SM2 side ends soon: {', '.join(used)}: {how}")
    number = sum(not seal.state.is_over for seal in seals)
    return f"{number} besides the configured one; no certificate ends soon"


async def _authorities(hub: Hub) -> str:
    """Check all authorities. Raises ValueError that names those that cannot be reached."""
    said, away = [], []
    for name, authority in hub.services.signing.authorities.by_name.items():
        try:
            said.append(f"{name}: {await authority.check()}")
        except QiandaError as error:
            away.append(f"{name}: {error}")
    if away:
        raise ValueError("; ".join(away))
    return "; ".join(said)


async def _timestamps(hub: Hub) -> str:
    if isinstance(hub.services.sealing.timestamps, SeveralTimestamps):
        said = await hub.services.sealing.timestamps.check()
    else:
        said = "answers; built-in, for trial and internal use"
    token = await hub.services.sealing.timestamps.timestamp(hashlib.sha256(b"qianda doctor").digest())
    if len(token) > MAX_TOKEN_BYTES:
        size = f"its timestamps have {len(token):,} bytes, and {MAX_TOKEN_BYTES:,} fit into a signature"
        raise ValueError(f"{size}: ask the service to send fewer certificates, or use another one")
    return said


async def _identity(hub: Hub) -> str:
    """Name the identity provider. It is not called, because every call is about a person and costs money."""
    provider = hub.services.signing.real_names
    return f"the roster, then {provider.name} ({provider.method})" if provider else "the school's own roster"


async def _channels(hub: Hub) -> str:
    if not hub.services.messaging.router.configured:
        raise ValueError("none is configured: no messages can be sent, links can only be handed out")
    return ", ".join(hub.services.messaging.router.configured)


async def _workers(hub: Hub) -> str:
    """Count the workers. Raises NeedsAttention if there is none: no fault, a hub that was never started has none."""
    async with hub.database.transaction(EVERYTHING) as tx:
        number = await tx.heartbeats.count_workers(tx.now - WORKER_SILENCE)
    seconds = f"{WORKER_SILENCE.total_seconds():.0f} s"
    if number:
        return f"{number} reported in the last {seconds}"
    raise NeedsAttention(f"NONE has reported in the last {seconds}: messages and seals wait until `qianda work` runs")


async def _jobs(hub: Hub) -> str:
    """Look for failed jobs. Raises NeedsAttention if there are any: they are tried again."""
    async with hub.database.transaction(EVERYTHING) as tx:
        number = len(await tx.failed_jobs.list_all())
    if number:
        raise NeedsAttention(f"{number} FAILED and are tried again: `qianda jobs list` says why")
    return "none has failed"


async def _sending(hub: Hub) -> str:
    async with hub.database.transaction(EVERYTHING) as tx:
        pause = await tx.pause.get()
    if pause is None:
        return "goes on"
    why = f", restored from the backup of {pause.restored_from:%Y-%m-%d %H:%M}Z" if pause.restored_from else ""
    due = await count_due_steps(hub.services)
    since = f"{pause.since:%Y-%m-%d %H:%M}Z"
    raise NeedsAttention(f"PAUSED since {since}{why}; steps due: {due}; `qianda resume` sends on")


# The parts of a hub.
CHECKS: Mapping[str, Callable[[Hub], Awaitable[str]]] = {
    "database": _database,
    "clock": _clock,
    "disk": _disk,
    "stored files": _stored_files,
    "fonts": _fonts,
    "token": _token,
    "seal certificate": _seal_certificate,
    "certificates": _certificates,
    "seals": _seals,
    "authorities": _authorities,
    "timestamp service": _timestamps,
    "identity": _identity,
    "channels": _channels,
    "workers": _workers,
    "jobs": _jobs,
    "sending": _sending,
}
