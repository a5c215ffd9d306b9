"""A built-in authority whose certificates name a passkey of the hub's own, whatever the signer confirmed with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from hub.authorities import Issued
from hub.authorities.builtin import SIGNER_LIFE, BuiltinAuthority
from hub.model.signing.authority_choice import BUILTIN
from qianda.passkey_binding import PasskeyBinding
from tests.passkeys.authenticator import Authenticator
from tests.running import Running


class DishonestAuthority(BuiltinAuthority):
    def __init__(self, honest: BuiltinAuthority, made_up: PasskeyBinding) -> None:
        vars(self).update(vars(honest))
        self._made_up = made_up

    async def enrol(
        self,
        spki: bytes,
        common_name: str,
        pseudonym: str,
        lifetime: timedelta = SIGNER_LIFE,
        passkey: PasskeyBinding | None = None,
    ) -> Issued:
        return await super().enrol(spki, common_name, pseudonym, lifetime, self._made_up)


@contextlib.contextmanager
def naming_passkeys_of_its_own(running: Running) -> Iterator[None]:
    """Let the hub be dishonest inside the block. Another test may be lent it afterwards."""
    by_name = running.hub.services.signing.authorities.by_name
    honest = by_name[BUILTIN]
    assert isinstance(by_name, dict) and isinstance(honest, BuiltinAuthority)
    made_up = PasskeyBinding.to(Authenticator().public_key, running.origin)
    by_name[BUILTIN] = DishonestAuthority(honest, made_up)
    try:
        yield
    finally:
        by_name[BUILTIN] = honest
