"""The steps of the agent, from the pairing code to the signature."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from qianda.agent.certificates import TokenCertificate, chain_of, read_certificate
from qianda.agent.pinned import checked_origin, chosen_origin, read_pinned, usual_file
from qianda.agent.terminal import Terminal
from qianda.agent.token import OpenDevice, TokenDevice, TokenHolder, plugged_in
from qianda.agent.words import AgentTrouble, say
from qianda.checks import RefusedToSign
from qianda.client import ShownContract, SigningClient
from qianda.wire import BadAnswer, Json, ProtocolProblem

CONFIRMATION_TIMEOUT = 600
ASK_INTERVAL = 1.0


@dataclass(frozen=True)
class Choice:
    """What the person chose to sign with. If `certificate` is None, the hub issues one for a key on this token."""

    device: TokenDevice
    certificate: TokenCertificate | None


@dataclass(frozen=True)
class ShownDocument:
    """The document that the person was shown (its bytes, whose hash was checked here), and what the hub says of it."""

    id: str
    contract: ShownContract
    document: bytes


def sign_once(origin: str, module: str, config: Path | None, language: str) -> int:
    """Sign one contract in this terminal. Return the exit code of the process: 0 if it was signed, 1 if nothing was
    signed."""
    terminal = Terminal(language)
    try:
        asyncio.run(_sign(terminal, origin, module, config or usual_file()))
    except AgentTrouble as trouble:
        blanks = dict(trouble.blanks)
        if "left" in blanks:
            blanks["left"] = say(language, blanks["left"])
        terminal.complain(trouble.name, **blanks)
        return 1
    except KeyboardInterrupt:
        terminal.complain("stopped")
        return 1
    return 0


async def _sign(terminal: Terminal, typed: str, module: str, config: Path) -> None:
    pinned = read_pinned(config)
    origin = chosen_origin(typed, pinned) or checked_origin(terminal.ask("ask-origin"))
    devices = plugged_in(module or pinned.module or terminal.ask("ask-module"))
    with _troubles_of_the_wire():
        async with SigningClient(origin, language=terminal.language) as client:
            await _sign_at(terminal, client, origin, devices)


async def _sign_at(terminal: Terminal, client: SigningClient, origin: str, devices: list[TokenDevice]) -> None:
    claimed = await client.claim(terminal.ask("ask-code"))
    if claimed.get("origin") != origin:
        raise AgentTrouble("lying-hub", said=str(claimed.get("origin")), origin=origin)
    terminal.say("connected", origin=origin, school=claimed.get("school"), campus=claimed.get("campus"))
    shown = await _downloaded(client, str(claimed.get("contract")))
    with tempfile.TemporaryDirectory(prefix="qianda-") as folder:
        file = Path(folder) / "contract.pdf"
        file.write_bytes(shown.document)
        _show(terminal, shown, file)
        choice = _chosen(terminal, devices)
        if terminal.ask("ask-yes").lower() not in ("yes", "y", "是"):
            raise AgentTrouble("stopped")
    with choice.device.logged_in(_pin(terminal, choice.device), to_write=choice.certificate is None) as opened:
        holder = await _certified(terminal, client, shown, choice, opened)
        await _confirmed(client)
        terminal.say("checking")
        await _signed(client, shown, holder)
    terminal.say("signed")


# ---- what is signed


async def _downloaded(client: SigningClient, contract_id: str) -> ShownDocument:
    contract = await client.contract(contract_id)
    document = await client.document(contract_id)
    if hashlib.sha256(document).hexdigest() != contract.document_sha256:
        raise AgentTrouble("changed")
    return ShownDocument(contract_id, contract, document)


def _show(terminal: Terminal, shown: ShownDocument, file: Path) -> None:
    contract = shown.contract
    terminal.say("contract", title=contract.title)
    for row in _rows(contract.summary):
        terminal.show(str(row.get("label", "")), str(row.get("value", "")))
    terminal.say("parties")
    for party in _rows(contract.signers):
        you = say(terminal.language, "you") if party.get("you") else ""
        terminal.show(str(party.get("role", "")), f"{party.get('name', '')}{you}")
    terminal.say("sha256", value=hashlib.sha256(shown.document).hexdigest())
    terminal.say("look", path=file)
    terminal.say("consent", text=contract.consent.text)


def _rows(value: object) -> list[Json]:
    """Return the objects in a list from the hub. Other values are ignored, because the hub is not trusted."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


# ---- the key and the certificate


def _chosen(terminal: Terminal, devices: list[TokenDevice]) -> Choice:
    """Ask which certificate to sign with: a usable one on any of the tokens, or a new one. Raises AgentTrouble."""
    for device in devices:
        device.read()
    people = [(device, one) for device in devices for one in device.certificates if not one.authority]
    choices = [Choice(device, one) for device, one in people if not one.reason]
    terminal.say("certificates")
    for number, choice in enumerate(choices, start=1):
        _offer(terminal, number, choice)
    for device, one in people:
        if one.reason:
            reason = say(terminal.language, one.reason)
            terminal.say("unusable", name=one.name, token=device.name, reason=reason)
    for device in devices:
        choices.append(Choice(device, None))
        terminal.say("new-certificate", number=len(choices), token=device.name)
    return choices[terminal.choose(len(choices)) - 1]


def _offer(terminal: Terminal, number: int, choice: Choice) -> None:
    one = choice.certificate
    assert one is not None
    terminal.say(
        "certificate",
        number=number,
        name=one.name,
        issuer=one.issuer,
        until=f"{one.until:%Y-%m-%d}",
        token=choice.device.name,
    )


def _pin(terminal: Terminal, device: TokenDevice) -> str:
    """Ask for the PIN, once. Return an empty text for a token with a keypad; this program never sees that PIN."""
    if device.has_keypad:
        terminal.say("pad", token=device.name)
        return ""
    return terminal.ask_secret("ask-pin", token=device.name)


async def _certified(
    terminal: Terminal, client: SigningClient, shown: ShownDocument, choice: Choice, opened: OpenDevice
) -> TokenHolder:
    """Prove to the hub that the key is here, and tell the person to confirm its certificate on the page.

    Return the key that signs. Raises RefusedToSign if the hub issued a certificate for another key.
    """
    if choice.certificate is None:
        holder = opened.own_key()
        chain = await client.key(holder, shown.id)
        issued = read_certificate(chain[0], b"") if chain else None
        if issued is None or issued.reason == "reason-key" or issued.spki != holder.spki:
            raise RefusedToSign(3, "the certificate is not for this key")
        _keep(terminal, opened, chain[0], holder)
    else:
        holder = opened.holder(choice.certificate)
        chain = await client.key(holder, shown.id, chain=chain_of(choice.certificate, choice.device.certificates))
    page = (await client.pairing()).get("certificate") or {}
    short = hashlib.sha256(chain[0]).hexdigest()[:16]
    terminal.say("confirm", name=page.get("name"), short=short)
    return holder


def _keep(terminal: Terminal, opened: OpenDevice, certificate: bytes, holder: TokenHolder) -> None:
    """Store the certificate on the token for the next contract. A token that stores no certificates can still sign."""
    try:
        opened.keep(certificate, holder)
    except AgentTrouble as trouble:
        terminal.say("not-kept", why=trouble.blanks.get("what", trouble.name))


async def _confirmed(client: SigningClient) -> None:
    until = time.monotonic() + CONFIRMATION_TIMEOUT
    while time.monotonic() < until:
        standing: Json = await client.pairing()
        match standing.get("state"):
            case "CONFIRMED":
                return
            case "CERTIFIED":
                await asyncio.sleep(ASK_INTERVAL)
            case _:
                break
    raise AgentTrouble("not-confirmed")


async def _signed(client: SigningClient, shown: ShownDocument, holder: TokenHolder) -> None:
    """Sign the document that the person saw. Raises AgentTrouble if the hub's document or consent has changed in the
    meantime."""
    now = await client.contract(shown.id)
    if (now.document_sha256, now.consent) != (shown.contract.document_sha256, shown.contract.consent):
        raise AgentTrouble("changed")
    await client.sign(holder, shown.id, shown=shown.document, contract=shown.contract)


@contextmanager
def _troubles_of_the_wire() -> Iterator[None]:
    try:
        yield
    except RefusedToSign as refusal:
        raise AgentTrouble("refused", reason=refusal.reason) from refusal
    except ProtocolProblem as problem:
        if problem.code in ("document-changed", "wrong-document", "wrong-consent"):
            raise AgentTrouble("changed") from problem
        if problem.code in ("session-not-valid", "not-confirmed"):
            raise AgentTrouble("not-confirmed") from problem
        detail = problem.detail if problem.detail != problem.title else ""
        raise AgentTrouble("hub-says", title=problem.title or problem.code, detail=detail) from problem
    except BadAnswer as error:
        raise AgentTrouble("odd-answer", why=str(error)) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise AgentTrouble("offline", why=str(error) or type(error).__name__) from error
