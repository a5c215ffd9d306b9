"""Load the certificates that the verifier trusts: those of authorities, and pinned ones of timestamp authorities and
seals.

A trust folder contains them as `*.pem`. Its file `origins.txt` lists, one on each line, all origins that the
organisation's hub ever had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import pem, x509

from qianda.trust_marks import SEAL_POLICY_OID, TRIAL_POLICY_OID
from qianda.verify import reasons
from qianda.verify.findings import Reason

ORIGINS_FILE = "origins.txt"
_MAX_CHAIN_LENGTH = 8


class UnreadableTrust(Exception):
    """A trust file or folder is missing, or contains no certificate. `reason` says which."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason.en


@dataclass(frozen=True)
class Trust:
    """The trusted certificates and origins.

    `timestamp_authorities`: the timestamp certificates themselves; their revocation is not checked. `seals`: the
    certificates of the organisations' seals, which must also lead to an authority. `origins`: the addresses at which
    passkeys may have confirmed a signature; if it is empty, they are unknown and not checked.
    """

    authorities: tuple[x509.Certificate, ...] = ()
    timestamp_authorities: tuple[x509.Certificate, ...] = ()
    seals: tuple[x509.Certificate, ...] = ()
    origins: frozenset[str] = frozenset()

    @classmethod
    def load(cls, paths: Iterable[Path]) -> Trust:
        """Read PEM files (one certificate or many), DER files, and trust folders. Raises UnreadableTrust.

        A certificate whose extended key usage is timeStamping becomes a timestamp authority, one that may issue
        certificates becomes an authority, and any other a seal.
        """
        files = [file for path in paths for file in _list_files(path)]
        certificates = [one for file in files if file.name != ORIGINS_FILE for one in _certificates(file)]
        origins = frozenset(one for file in files if file.name == ORIGINS_FILE for one in read_origins(file))
        stamping = tuple(one for one in certificates if _stamps(one))
        others = [one for one in certificates if one not in stamping]
        authorities = tuple(one for one in others if one.ca)
        return cls(authorities, stamping, tuple(one for one in others if not one.ca), origins)

    def pins(self, encoded: bytes) -> bool:
        """Return whether exactly this certificate (DER) is a trusted timestamp authority."""
        return any(one.dump() == encoded for one in self.timestamp_authorities)

    def is_seal(self, certificate: x509.Certificate) -> bool:
        """Return whether the certificate is an organisation's seal: it is pinned, or its authority marked it as one.

        Without this check anybody with a certificate of the same authority could make "the organisation's" seal.
        Whether the authority is trusted is checked with the chain.
        """
        return has_policy(certificate, SEAL_POLICY_OID) or self.pins_seal(certificate)

    def pins_seal(self, certificate: x509.Certificate) -> bool:
        """Return whether exactly this certificate was named as that of a seal, or of a maker of seals."""
        return any(one.dump() == certificate.dump() for one in self.seals)

    def is_trial(self, certificate: x509.Certificate, others: Iterable[x509.Certificate] = ()) -> bool:
        """Return whether the certificate, or one above it, states that it is for trial and internal use."""
        above = {one.subject.hashable: one for one in (*others, *self.authorities)}
        current: x509.Certificate | None = certificate
        for _ in range(_MAX_CHAIN_LENGTH):
            if current is None:
                return False
            if says_trial(current):
                return True
            current = above.get(current.issuer.hashable)
        return False


def list_trust_files(folder: Path) -> list[Path]:
    """Return the files of a trust folder; empty if it contains no certificates or is missing."""
    certificates = sorted(folder.glob("*.pem"))
    origins = folder / ORIGINS_FILE
    return [*certificates, origins] if certificates and origins.is_file() else certificates


def read_origins(file: Path) -> list[str]:
    """Return the origins in the file. Raises UnreadableTrust."""
    try:
        return file.read_text("utf-8").split()
    except (OSError, ValueError) as error:
        raise UnreadableTrust(reasons.NO_ORIGINS_READ.about(path=file, fault=error)) from error


def _list_files(path: Path) -> list[Path]:
    if not path.exists():
        raise UnreadableTrust(reasons.TRUST_MISSING.about(path=path))
    if not path.is_dir():
        return [path]
    if not (found := list_trust_files(path)):
        raise UnreadableTrust(reasons.TRUST_FOLDER_EMPTY.about(path=path))
    return found


def says_trial(certificate: x509.Certificate) -> bool:
    return has_policy(certificate, TRIAL_POLICY_OID)


def has_policy(certificate: x509.Certificate, oid: str) -> bool:
    policies = certificate.certificate_policies_value or ()
    return any(policy["policy_identifier"].dotted == oid for policy in policies)


def _stamps(certificate: x509.Certificate) -> bool:
    usage = certificate.extended_key_usage_value
    return usage is not None and "time_stamping" in usage.native


def _certificates(path: Path) -> Iterator[x509.Certificate]:
    try:
        data = path.read_bytes()
        blocks = pem.unarmor(data, multiple=True) if pem.detect(data) else [("CERTIFICATE", {}, data)]
        encoded = [block for kind, _, block in blocks if kind == "CERTIFICATE"]
        found = [x509.Certificate.load(block, strict=True) for block in encoded]
        for certificate in found:
            certificate.native  # noqa: B018 - parses all of it, so that a malformed one is found here
    except (OSError, ValueError, TypeError) as error:
        raise UnreadableTrust(reasons.NO_CERTIFICATE_READ.about(path=path, fault=error)) from error
    if not found:
        raise UnreadableTrust(reasons.NO_CERTIFICATE.about(path=path))
    yield from (x509.Certificate.load(block) for block in encoded)
