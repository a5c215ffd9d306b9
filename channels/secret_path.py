"""Secret callback URLs, `…/callbacks/NAME/SECRET`, for providers that do not sign their callbacks."""

from __future__ import annotations

import hmac
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from channels import CallbackRequest, ChannelOptions, NotGenuine

MIN_SECRET_LENGTH = 16


def _fit_for_a_path(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if len(value) < MIN_SECRET_LENGTH or not value.isascii() or not value.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"has to be at least {MIN_SECRET_LENGTH} letters, digits, - and _")
    return secret


# Option for the secret path segment. Its characters need no escaping in URLs.
CallbackSecret = Annotated[SecretStr, AfterValidator(_fit_for_a_path)]


class SecretPathOptions(ChannelOptions):
    """Options of a channel that gets its callbacks at a secret URL.

    `callback_secret`: the last path segment of this URL, for a provider that does not sign its callbacks.
    `callback_secret_former`: the one before, which counts too while it is being changed at the provider, and while
    receipts come of messages that named it.
    """

    callback_secret: CallbackSecret | None = None
    callback_secret_former: CallbackSecret | None = None

    def is_secret(self, piece: str) -> bool:
        """Return, in constant time, whether this path segment is one of the secrets."""
        secrets = (self.callback_secret, self.callback_secret_former)
        given = piece.encode("utf-8", "surrogatepass")
        equal = [hmac.compare_digest(given, each.get_secret_value().encode()) for each in secrets if each]
        return any(equal)


def check_path(call: CallbackRequest, options: SecretPathOptions) -> None:
    """Check that the last path segment is a secret of this channel. Raises NotGenuine."""
    if not options.is_secret(call.path.partition("?")[0].rpartition("/")[2]):
        raise NotGenuine("the secret in the callback URL is wrong")
