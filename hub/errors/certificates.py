"""Refusals of a signer's key, or of the certificate that is brought for it."""

from __future__ import annotations

from collections.abc import Sequence

from hub.errors.kinds import Refused


class WrongProof(Refused):
    code = "wrong-proof"
    sentence = "The proof for the key is not valid. Please try to sign again."


class KeyOfSomebodyElse(Refused):
    code = "key-of-somebody-else"
    sentence = "This key has been used by somebody else. Please use a key of your own."


class KeyRevoked(Refused):
    code = "key-revoked"
    sentence = "The key of this device was revoked. Please make a new one in the app."


class CertificateNotTrusted(Refused):
    code = "certificate-not-trusted"
    sentence = "This certificate's authority is not accepted here. Please use another certificate, or ask the school."


class CertificateNotValid(Refused):
    """It has expired, has not begun, or ends before the contract can be completed; the detail says which."""

    code = "certificate-not-valid"
    sentence = "This certificate has expired or expires too soon. Please renew it or use another one."


class CertificateNotBegun(Refused):
    """The hub's clock was ahead when the certificate was issued, or is behind now. If it begins `soon`, trying again
    helps, and nobody has to be told."""

    code = "certificate-not-begun"
    sentence = (
        "According to the server's clock, a certificate is not valid yet. Nothing was lost. Please check the clock."
    )

    def __init__(self, detail: str, *, soon: bool) -> None:
        super().__init__(detail)
        self.retry = soon


class CertificateRevoked(Refused):
    code = "certificate-revoked"
    sentence = "This certificate was revoked. Please use another one."


class CertificateNotForSigning(Refused):
    code = "certificate-not-for-signing"
    sentence = "This certificate is not meant for signing. Please use the one for signatures."


class CertificateOfSomebodyElse(Refused):
    code = "certificate-of-somebody-else"
    sentence = "The name in the certificate is not yours. Please use a certificate of your own."


class CustodyTooLow(Refused):
    """A key's custody is too low for the contract. `held`: where it is, as proved; `accepted`: by the template."""

    code = "custody-too-low"
    sentence = "This contract requires a different kind of key; the page lists the accepted kinds. Nothing was signed."

    def __init__(self, held: str, accepted: Sequence[str]) -> None:
        super().__init__(f"this key counts as {held}; accepted here: {', '.join(accepted)}")
        self.held, self.accepted = held, tuple(accepted)
