"""The configured channels, chats, authorities, identity providers and attestors, each from its own file: a new one is
one file and one entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import chats
from channels import ChannelContext, FixedTexts
from hub import attestations, authorities, tokens
from hub import identity as identities
from hub.errors import TemplateFailed
from hub.model.messaging.message_rules import faults
from hub.model.messaging.provider import Provider
from hub.model.signing.authority_choice import BUILTIN
from hub.model.signing.link import TICKET_LENGTH
from hub.router.providers import Carrier
from hub.router.rendering import Wording
from hub.settings import CARRIERS, ChannelSettings

ON_THE_TOKEN = "token"
"""Where the seal's key is unless `[seal]` says otherwise."""
ROSTER = "roster"
"""The name of the school's own roster, which needs no entry in the configuration."""
SECRET_FILE = "_file"
"""An option `auth_token_file` names a file that holds `auth_token`: so secrets need not stand in the configuration."""
OUTBOX_RATE = 1000.0


def carrier(name: str, settings: ChannelSettings, place: ChannelContext) -> Carrier:
    """One configured provider with its channel. Raises ValueError that names the entry and what is wrong with it."""
    kind = settings.kind or name
    carries = settings.carries or (name if name in CARRIERS else kind.split("_")[0])
    if not kind.isidentifier() or find_spec(f"channels.{kind}") is None:
        raise ValueError(f"channels.{name}: there is no channel {kind}")
    if carries not in CARRIERS:
        raise ValueError(f"channels.{name}: carries has to be one of {', '.join(CARRIERS)}, not {carries}")
    channel = import_module(f"channels.{kind}").connect(with_secrets(name, settings.options), place)
    provider = Provider(
        name, kind, carries, settings.weight, settings.rate, settings.codes_share, tuple(settings.serves),
        tuple(settings.languages), settings.segment_cost, settings.currency,
    )  # fmt: skip
    return Carrier(provider, channel)


def demo_outbox(place: ChannelContext) -> list[Carrier]:
    """In the demo every channel is the outbox."""
    channel = import_module("channels.outbox").connect({}, place)
    return [Carrier(Provider(f"outbox-{each}", "outbox", each, rate=OUTBOX_RATE), channel) for each in CARRIERS]


def check_messages(carriers: Iterable[Carrier], wording: Wording) -> None:
    """Raises TemplateFailed with every reason why a configured provider would refuse or cut one of our messages."""
    addresses = {"link": wording.doorway("0" * TICKET_LENGTH).url, "entry": wording.entry}
    found: list[str] = []
    for each in carriers:
        texts = each.channel.templates if isinstance(each.channel, FixedTexts) else None
        found += faults(wording.templates, each.provider, each.channel.rules, texts, addresses)
    if found:
        raise TemplateFailed("\n".join(["These messages could not be sent:", *dict.fromkeys(found)]))


def chat(name: str, entry: Mapping[str, Any], place: chats.ChatContext) -> chats.Chat:
    """One configured chat; `kind` is the name of its file, by default the entry's. Raises ValueError that says what is
    wrong."""
    kind = str(entry.get("kind") or name)
    if not kind.isidentifier() or find_spec(f"chats.{kind}") is None:
        raise ValueError(f"chats.{name}: there is no chat {kind}")
    options = {key: value for key, value in entry.items() if key != "kind"}
    connected: chats.Chat = import_module(f"chats.{kind}").connect(with_secrets(name, options, "chats"), place)
    return connected


def authority(name: str, entry: Mapping[str, Any], place: authorities.AuthorityContext) -> authorities.Authority:
    """One configured authority; `kind` is the name of its file. Raises ValueError that says what is wrong."""
    kind = str(entry.get("kind") or name)
    connect = _connect("hub.authorities", kind)
    if name == BUILTIN or connect is None:
        raise ValueError(f"authorities.{name}: there is no authority {kind} to configure")
    options = {key: value for key, value in entry.items() if key != "kind"}
    connected: authorities.Authority = connect(with_secrets(name, options, "authorities"), place)
    return connected


def identity(name: str, entry: Mapping[str, Any], place: identities.IdentityContext) -> identities.IdentityProvider:
    """One configured provider; `kind` is the name of its file. Raises ValueError that says what is wrong."""
    kind = str(entry.get("kind") or name)
    connect = _connect("hub.identity", kind)
    if name == ROSTER or connect is None:
        raise ValueError(f"identities.{name}: there is no provider {kind} to configure")
    options = {key: value for key, value in entry.items() if key != "kind"}
    connected: identities.IdentityProvider = connect(with_secrets(name, options, "identities"), place)
    return connected


async def seal_key(entry: Mapping[str, Any], place: tokens.TokenContext) -> tokens.RemoteKey | None:
    """The key of the school's seal where it is at a remote service; `kind` is the name of its file. None: it is on the
    token. Raises ValueError that says what is wrong, TokenUnavailable."""
    kind = str(entry.get("kind") or ON_THE_TOKEN)
    options = {key: value for key, value in entry.items() if key != "kind"}
    if kind == ON_THE_TOKEN:
        if options:
            raise ValueError(f"seal.{min(options)}: what belongs to the token stands in the section [token]")
        return None
    connect = _connect("hub.tokens", kind)
    if connect is None:
        raise ValueError(f"seal: there is no remote service {kind} to configure")
    key: tokens.RemoteKey = await connect(with_secrets(kind, options, "seal"), place)
    return key


def attestor(name: str, entry: Mapping[str, Any], place: attestations.AttestationContext) -> attestations.Attestor:
    """One configured attestor; `kind` is the name of its file. Raises ValueError that says what is wrong."""
    kind = str(entry.get("kind") or name)
    connect = _connect("hub.attestations", kind)
    if connect is None:
        raise ValueError(f"attestations.{name}: there is no attestor {kind} to configure")
    options = {key: value for key, value in entry.items() if key != "kind"}
    connected: attestations.Attestor = connect(options, place)
    return connected


def _connect(package: str, kind: str) -> Callable[..., Any] | None:
    """The function `connect` of a file; None for one that does not exist, or is no implementation."""
    if not kind.isidentifier() or find_spec(f"{package}.{kind}") is None:
        return None
    return getattr(import_module(f"{package}.{kind}"), "connect", None)


def with_secrets(name: str, options: Mapping[str, Any], section: str = "channels") -> dict[str, Any]:
    """Options whose names end in `_file`, each replaced by what that file holds."""
    read = {}
    for key, value in options.items():
        if not key.endswith(SECRET_FILE):
            read[key] = value
            continue
        try:
            read[key.removesuffix(SECRET_FILE)] = Path(str(value)).read_text("utf-8").strip()
        except OSError as error:
            raise ValueError(f"{section}.{name}.{key}: {error.strerror or error}") from None
    return read
