"""Build what identifies signers and certifies their keys: authorities, identity providers, attestors."""

from __future__ import annotations

import secrets

import aiohttp

from hub import attestations, authorities, identity as identities
from hub.attestations import Attestor
from hub.authorities import Authority
from hub.authorities.revocation import RevocationClient
from hub.identity import IdentityProvider
from hub.identity.roster import RosterIdentity
from hub.installation.pki import BuiltinPki
from hub.installation.trust import signer_trust, trust_authority
from hub.lifecycle.services import Authorities, SigningServices
from hub.model.signing.authority_choice import BUILTIN, AuthorityRule
from hub.plugins import ATTESTORS, AUTHORITIES, IDENTITIES, ROSTER, connect_plugin
from hub.settings import Settings
from hub.store.encryption.keys import Keys
from hub.store.transaction import Clock


def connect_signing(
    settings: Settings, pki: BuiltinPki, keys: Keys, http: aiohttp.ClientSession, clock: Clock
) -> SigningServices:
    authorities = _authorities(settings, pki, http, clock)
    outside = [authority.chain[-1] for authority in authorities.by_name.values()]
    return SigningServices(
        keys=keys,
        randomness=secrets.token_bytes,
        identity=RosterIdentity(),
        real_names=_real_names(settings, http, clock),
        authorities=authorities,
        signer_trust=signer_trust(settings, pki.authority.root, outside),
        revocation=RevocationClient(http, clock),
        attestors=_attestors(settings, http, clock),
    )


def _authorities(settings: Settings, pki: BuiltinPki, http: aiohttp.ClientSession, clock: Clock) -> Authorities:
    """Return the built-in and the configured authorities, and let `qianda verify` trust the chains of the latter.

    Raises ValueError for a wrong entry, and for a rule that names an authority which does not exist.
    """
    found: dict[str, Authority] = {BUILTIN: pki.authority}
    for name, entry in settings.authorities.items():
        found[name] = connect_plugin(AUTHORITIES, name, entry, authorities.AuthorityContext(name, http, clock))
        trust_authority(settings, name, found[name].chain)
    rules = tuple(
        AuthorityRule(tuple(each.authorities), tuple(each.campuses), tuple(each.templates), tuple(each.keys))
        for each in settings.authority_rules
    )
    for name in (settings.authority, *(name for rule in rules for name in rule.authorities)):
        if name not in found:
            raise ValueError(f"authorities: there is no authority {name}")
    return Authorities(found, settings.authority, rules)


def _real_names(settings: Settings, http: aiohttp.ClientSession, clock: Clock) -> IdentityProvider | None:
    """Return the identity provider; None if only the roster is used. Raises ValueError for a wrong or missing entry."""
    found = {
        name: connect_plugin(IDENTITIES, name, entry, identities.IdentityContext(name, http, clock))
        for name, entry in settings.identities.items()
    }
    if settings.identity != ROSTER and settings.identity not in found:
        raise ValueError(f"identity: there is no provider {settings.identity}")
    return found.get(settings.identity)


def _attestors(settings: Settings, http: aiohttp.ClientSession, clock: Clock) -> dict[str, Attestor]:
    """Return the attestors by the format that they read. Raises ValueError for a wrong entry, and for two with the same
    format."""
    found: dict[str, Attestor] = {}
    for name, entry in settings.attestations.items():
        connected = connect_plugin(ATTESTORS, name, entry, attestations.AttestationContext(name, http, clock))
        if connected.format in found:
            raise ValueError(f"attestations.{name}: statements of the format {connected.format} are read already")
        found[connected.format] = connected
    return found
