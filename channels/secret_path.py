"""Secret callback URLs, `…/callbacks/NAME/SECRET`, for providers that do not sign their callbacks."""

from __future__ import annotations

import hmac
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from channels import CallbackRequest, NotGenuine

MIN_SECRET_LENGTH = 16


def _fit_for_a_path(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if len(value) < MIN_SECRET_LENGTH or not value.isascii() or not value.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"has to be at least {MIN_SECRET_LENGTH} letters, digits, - and _")
    return secret


# Option for the secret path segment. Its characters need no escaping in URLs.
CallbackSecret = Annotated[SecretStr, AfterValidator(_fit_for_a_path)]


def check_path(call: CallbackRequest, secret: SecretStr) -> None:
    """Check, in constant time, that the last path segment is the secret. Raises NotGenuine."""
    piece = call.path.partition("?")[0].rpartition("/")[2]
    if not hmac.compare_digest(piece.encode("utf-8", "surrogatepass"), secret.get_secret_value().encode()):
        raise NotGenuine("the secret in the callback URL is wrong")
