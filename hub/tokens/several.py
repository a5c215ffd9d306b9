"""Use one or several tokens with the same keys: they sign in turn, and one that fails is skipped.

Two keys are the same if their public keys are. How a vendor's tokens get the same keys (cloning, a cluster, the same
file) is up to the vendor; this code copies no key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from hub.errors import KeyNotOnToken, TokenUnavailable
from hub.measures import TOKEN_AVAILABLE
from hub.model.messaging.cooldown import Cooldowns
from hub.tokens import SigningKey
from hub.tokens.softkey import SealingPrivateKey

Answer = TypeVar("Answer")


class HeldToken(Protocol):
    """What is needed from each token; `hub.tokens.pkcs11` provides it."""

    @property
    def label(self) -> str: ...

    async def has_key(self, label: str) -> bool: ...

    async def key(self, label: str) -> SigningKey: ...

    async def sm2_key(self, label: str) -> SigningKey: ...

    async def generate_key(self, label: str) -> SigningKey: ...

    async def import_key(self, label: str, key: SealingPrivateKey) -> SigningKey | None: ...

    async def list_keys(self) -> list[str]: ...

    async def list_mechanisms(self) -> list[str]: ...

    def close(self) -> None: ...


class TokenWarnings(Protocol):
    """The part that tells staff about tokens in trouble."""

    async def away(self, tokens: Sequence[str], instead: str) -> None:
        """Report tokens that did not answer. `instead`: the one that did; empty if none did."""
        ...


class SeveralTokens:
    """Tokens by their names, which are their labels. `warnings` is set once there is a database."""

    def __init__(self, tokens: Sequence[HeldToken], clock: Callable[[], datetime]) -> None:
        self.tokens = {token.label: token for token in tokens}
        if len(self.tokens) < len(tokens):
            raise ValueError("every token needs a label of its own")
        self.warnings: TokenWarnings | None = None
        self._clock, self._cooldowns, self._turn = clock, Cooldowns(), 0
        for name in self.tokens:
            TOKEN_AVAILABLE.labels(name).set(1)

    async def has_key(self, label: str) -> bool:
        """Return whether any token has the key. Raises TokenUnavailable if none of those that can be reached has it,
        and one cannot be reached."""

        async def find(token: HeldToken) -> None:
            if not await token.has_key(label):
                raise KeyNotOnToken(f"the token {token.label!r} has no key {label!r}")

        try:
            await self.ask(self.tokens, find)
        except KeyNotOnToken:
            return False
        return True

    async def key(self, label: str) -> SharedKey:
        """Return the key with this label. Raises TokenUnavailable if no token that can be reached has it."""
        return await self._found(label, lambda token: token.key(label))

    async def sm2_key(self, label: str) -> SharedKey:
        """Return the SM2 key with this label. Raises TokenUnavailable, also if no mechanism is configured for it."""
        return await self._found(label, lambda token: token.sm2_key(label))

    async def generate_key(self, label: str) -> SharedKey:
        """Return the key with this label. If no token has it, the first token makes it.

        Raises TokenUnavailable if a token that is asked before the key is found cannot be reached: it may have the key.
        """
        for name, token in self.tokens.items():
            if await token.has_key(label):
                known = await token.key(label)
                return SharedKey(label, known.spki, self, lambda token: token.key(label), {name: known})
        name, first = next(iter(self.tokens.items()))
        made = await first.generate_key(label)
        return SharedKey(label, made.spki, self, lambda token: token.key(label), {name: made})

    async def import_key(self, label: str, key: SealingPrivateKey) -> SharedKey | None:
        """Store a key in every token. Return None if one does not accept this kind of key. Raises TokenUnavailable."""
        stored = {name: await token.import_key(label, key) for name, token in self.tokens.items()}
        found = {name: each for name, each in stored.items() if each is not None}
        if len(found) < len(stored):
            return None
        return SharedKey(label, next(iter(found.values())).spki, self, lambda token: token.key(label), found)

    async def list_keys(self) -> dict[str, list[str]]:
        """Return the tokens that have each key, by its label. Raises TokenUnavailable if one of them is away."""
        found: dict[str, list[str]] = {}
        for name, token in self.tokens.items():
            for label in await token.list_keys():
                found.setdefault(label, []).append(name)
        return found

    def close(self) -> None:
        for token in self.tokens.values():
            token.close()

    async def _found(self, label: str, look: Callable[[HeldToken], Awaitable[SigningKey]]) -> SharedKey:
        held: dict[str, SigningKey] = {}

        async def find(token: HeldToken) -> SigningKey:
            held[token.label] = key = await look(token)
            return key

        key = await self.ask(self.tokens, find)
        return SharedKey(label, key.spki, self, look, held)

    async def ask(self, names: Iterable[str], act: Callable[[HeldToken], Awaitable[Answer]]) -> Answer:
        """Return the answer of one of these tokens. They take turns to be asked first; those that failed come last.

        A token that only lacks the key is skipped. Raises TokenUnavailable, with every reason, if none answers, and
        KeyNotOnToken if all lack the key.
        """
        failures: dict[str, str] = {}
        lacking: list[str] = []
        for name in self._order(list(names)):
            try:
                answer = await act(self.tokens[name])
            except KeyNotOnToken as error:
                lacking.append(str(error))
                continue
            except TokenUnavailable as error:
                self._cooldowns.record_failure(name, self._clock())
                failures[name] = str(error)
                continue
            self._note_there(name)
            await self._note_away(failures, name)
            return answer
        if not failures:
            raise KeyNotOnToken("; ".join(lacking))
        await self._note_away(failures, "")
        raise TokenUnavailable("; ".join([*failures.values(), *lacking]))

    def _order(self, names: list[str]) -> list[str]:
        self._turn += 1
        first = self._turn % len(names)
        return self._cooldowns.sort_by_cooldown(names[first:] + names[:first], self._clock())

    def _note_there(self, name: str) -> None:
        self._cooldowns.record_success(name)
        TOKEN_AVAILABLE.labels(name).set(1)

    async def _note_away(self, failures: dict[str, str], instead: str) -> None:
        for name in failures:
            TOKEN_AVAILABLE.labels(name).set(0)
        if failures and self.warnings is not None:
            await self.warnings.away(list(failures), instead)


@dataclass(frozen=True)
class SharedKey:
    """A key that one or several tokens hold. A token with another key under the same label is not used for signing."""

    label: str
    spki: bytes
    _tokens: SeveralTokens = field(repr=False)
    _look: Callable[[HeldToken], Awaitable[SigningKey]] = field(repr=False)
    _held: dict[str, SigningKey] = field(default_factory=dict, repr=False)

    async def sign(self, message: bytes) -> bytes:
        """Return a signature as `SigningKey.sign` does, made by the next token in turn. Raises TokenUnavailable if all
        tokens fail."""
        return await self._tokens.ask(self._tokens.tokens, lambda token: self._sign(token, message))

    async def sign_all(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return the signatures over these messages, all made by the same token, the next in turn. Raises
        TokenUnavailable if all tokens fail."""

        async def sign(token: HeldToken) -> list[bytes]:
            return await (await self._of(token)).sign_all(messages)

        return await self._tokens.ask(self._tokens.tokens, sign)

    async def check(self) -> None:
        """Check that the key could sign now. Raises TokenUnavailable."""
        await self._tokens.ask(self._tokens.tokens, self._check)

    async def check_each(self) -> dict[str, str]:
        """Let each token sign once. Return for each token's name the reason why it failed, or an empty text."""
        names = list(self._tokens.tokens)
        results = await asyncio.gather(*(self._fault(self._tokens.tokens[name]) for name in names))
        return dict(zip(names, results, strict=True))

    async def _fault(self, token: HeldToken) -> str:
        try:
            await self._sign(token, b"is the key there")
        except TokenUnavailable as error:
            return str(error)
        return ""

    async def _check(self, token: HeldToken) -> None:
        await (await self._of(token)).check()

    async def _sign(self, token: HeldToken, message: bytes) -> bytes:
        return await (await self._of(token)).sign(message)

    async def _of(self, token: HeldToken) -> SigningKey:
        known = self._held.get(token.label)
        if known is None or known.spki != self.spki:
            known = await self._look(token)
            if known.spki != self.spki:
                raise TokenUnavailable(f"the token {token.label!r} has another key under the label {self.label!r}")
            self._held[token.label] = known
        return known
