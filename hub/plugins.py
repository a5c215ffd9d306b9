"""Connect the configured channels, chats, authorities, timestamp services, notaries, identity providers, attestors and
the remote seal.

Each one is in its own file: a new one needs one file and one entry in the configuration.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import chats
from channels import Channel, ChannelContext
from hub import attestations, authorities, identity as identities, notaries, timestamps, tokens
from hub.model.messaging.provider import ProviderSettings
from hub.model.signing.authority_choice import BUILTIN
from hub.router.providers import Provider
from hub.settings.sections import SENDING_CHANNELS, ChannelSettings

# The value of `kind` in `[seal]` if the seal's key is on the token, which is the default.
ON_THE_TOKEN = "token"
# The name of the school's own roster, which needs no entry in the configuration.
ROSTER = "roster"
# With this ending, an option's name means a file: `auth_token_file` names a file that holds `auth_token`. So the
# configuration need not contain secrets.
SECRET_FILE = "_file"

Context = TypeVar("Context")
Plugin = TypeVar("Plugin")


@dataclass(frozen=True)
class PluginKind(Generic[Context, Plugin]):
    """A kind of plug-in.

    `section`: its section in the configuration. `package`: the package with a module for each kind, which has a
    function `connect`. `noun`: its name in errors. `interface`: the protocol of what `connect` returns. `reserved`: a
    name that no entry may have. `secrets`: options may be in files of their own.
    """

    section: str
    package: str
    noun: str
    interface: type
    reserved: str = ""
    secrets: bool = True


CHANNELS = PluginKind[ChannelContext, Channel]("channels", "channels", "channel", Channel)
CHATS = PluginKind[chats.ChatContext, chats.Chat]("chats", "chats", "chat", chats.Chat)
AUTHORITIES = PluginKind[authorities.AuthorityContext, authorities.Authority](
    "authorities", "hub.authorities", "authority", authorities.Authority, BUILTIN
)
IDENTITIES = PluginKind[identities.IdentityContext, identities.IdentityProvider](
    "identities", "hub.identity", "provider", identities.IdentityProvider, ROSTER
)
NOTARIES = PluginKind[notaries.NotaryContext, notaries.Notary]("notaries", "hub.notaries", "notary", notaries.Notary)
TIMESTAMPS = PluginKind[timestamps.TimestampContext, timestamps.TimestampAuthority](
    "timestamps", "hub.timestamps", "timestamp service", timestamps.TimestampAuthority
)
# Its `connect` is the only one that waits, because it asks the service for the key's certificate.
SEALS = PluginKind[tokens.TokenContext, Awaitable[tokens.RemoteKey]]("seal", "hub.tokens", "remote service", Awaitable)
# Not for secrets: `status_file` of android_key is a path, and its file is read again whenever it is due.
ATTESTORS = PluginKind[attestations.AttestationContext, attestations.Attestor](
    "attestations", "hub.attestations", "attestor", attestations.Attestor, secrets=False
)


def connect_plugin(sort: PluginKind[Context, Plugin], name: str, entry: Mapping[str, Any], context: Context) -> Plugin:
    """Connect one configured entry. Its `kind` names the module; the default is the entry's name.

    Raises ValueError that names the entry and what is wrong with it, or with the module and in which line.
    """
    kind, where = str(entry.get("kind") or name), f"{sort.section}.{name}"
    file = f"{sort.package.replace('.', '/')}/{kind}.py"
    options = {key: value for key, value in entry.items() if key != "kind"}
    if sort.secrets:
        options = _with_secrets(options, where)
    try:
        connect = _find_connect(sort, name, kind)
        connected: Plugin = connect(options, context)
    except ValueError:
        raise
    except OSError as error:
        raise ValueError(f"{where}: {error.filename or file}: {error.strerror or error}") from error
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(line.filename).name}, line {line.lineno}"
        raise ValueError(f"{where}: {file} cannot be used: {type(error).__name__}: {error} ({place})") from error
    if missing := [each for each in _members(sort.interface) if not hasattr(connected, each)]:
        found = type(connected).__name__
        raise ValueError(f"{where}: what `connect` in {file} returns ({found}) has no {', '.join(missing)}")
    return connected


def _find_connect(sort: PluginKind[Context, Plugin], name: str, kind: str) -> Callable[..., Plugin]:
    """Return the function `connect` of the module of this kind. Raises ValueError, and what the module raises."""
    module = f"{sort.package}.{kind}"
    if name == sort.reserved:
        reason = f"{name} is the built-in one"
    elif not kind.isidentifier() or find_spec(module) is None:
        reason = f"there is no file {module.replace('.', '/')}.py"
    elif connect := getattr(import_module(module), "connect", None):
        found: Callable[..., Plugin] = connect
        return found
    else:
        reason = f"{module.replace('.', '/')}.py has no function `connect`"
    raise ValueError(f"{sort.section}.{name}: there is no {sort.noun} {kind} to configure: {reason}")


def _members(interface: type) -> list[str]:
    """Return the names of the attributes and methods that a protocol demands."""
    if interface is Awaitable:
        return ["__await__"]
    bases = [base for base in interface.__mro__ if base not in (object, Protocol, Generic)]
    names = {name for base in bases for name in (*vars(base), *base.__annotations__)}
    return sorted(name for name in names if not name.startswith("_"))


def connect_provider(name: str, settings: ChannelSettings, context: ChannelContext) -> Provider:
    """Return one configured provider with its channel. Raises ValueError that names the entry and its fault."""
    kind = settings.kind or name
    channel = connect_plugin(CHANNELS, name, {**settings.options, "kind": kind}, context)
    carries = settings.carries or (name if name in SENDING_CHANNELS else kind.split("_")[0])
    if carries not in SENDING_CHANNELS:
        raise ValueError(f"channels.{name}: carries has to be one of {', '.join(SENDING_CHANNELS)}, not {carries}")
    provider = ProviderSettings(
        name,
        kind,
        carries,
        settings.weight,
        settings.rate,
        settings.codes_share,
        tuple(settings.serves),
        tuple(settings.languages),
        settings.segment_cost,
        settings.currency,
    )
    return Provider(provider, channel)


async def seal_key(entry: Mapping[str, Any], context: tokens.TokenContext) -> tokens.RemoteKey | None:
    """Return the key of the school's seal at a remote service; None if it is on the token.

    `kind` in the entry names the module of the service. Raises ValueError that says what is wrong, TokenUnavailable.
    """
    kind = str(entry.get("kind") or ON_THE_TOKEN)
    if kind != ON_THE_TOKEN:
        return await connect_plugin(SEALS, kind, entry, context)
    if options := entry.keys() - {"kind"}:
        raise ValueError(f"seal.{min(options)}: options of the token belong to the section [token]")
    return None


def _with_secrets(options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the options. One whose name ends in `_file` is replaced by the content of that file. Raises ValueError."""
    read = {}
    for key, value in options.items():
        if not key.endswith(SECRET_FILE):
            read[key] = value
            continue
        try:
            read[key.removesuffix(SECRET_FILE)] = Path(str(value)).read_text("utf-8").strip()
        except OSError as error:
            raise ValueError(f"{where}.{key}: {error.strerror or error}") from None
    return read
