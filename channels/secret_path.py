"""For providers that do not sign their calls: `…/callbacks/NAME/SECRET` is known to them alone."""

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


# The secret piece of the path, as an option: it needs no escaping in any address or pattern.
CallbackSecret = Annotated[SecretStr, AfterValidator(_fit_for_a_path)]


def check_path(call: CallbackRequest, secret: SecretStr) -> None:
    """Raises NotGenuine unless the last piece of the path is the secret; takes as long, whatever the piece is."""
    piece = call.path.partition("?")[0].rpartition("/")[2]
    if not hmac.compare_digest(piece.encode("utf-8", "surrogatepass"), secret.get_secret_value().encode()):
        raise NotGenuine("the call was made to an address without the secret")
