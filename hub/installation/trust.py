"""Write into the folder `trust` what `qianda verify` trusts here. Nothing is ever deleted from it: contracts that were
signed with former certificates and at former addresses must remain verifiable."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from hub.authorities.brought import SignerTrust
from hub.installation.data_folder import fingerprint, root_certificate
from hub.settings import Settings
from qianda.certificate_facts import is_authority
from qianda.certificate_loading import load_pem_certificates
from qianda.verify.trust import ORIGINS_FILE, read_origins


def trust_builtin(settings: Settings, root: bytes, timestamp: bytes) -> None:
    """Make `qianda verify` trust the built-in authority, and the timestamp service's own certificate, pinned."""
    _trust(settings, "builtin-authority", root)
    _trust(settings, "builtin-timestamp", timestamp)


def trust_origin(settings: Settings) -> None:
    """Add the hub's address to those that `qianda verify` knows. Earlier addresses stay, because passkeys confirmed
    signatures there."""
    path = settings.data / "trust" / ORIGINS_FILE
    known = read_origins(path) if path.exists() else []
    if settings.public_origin not in known:
        path.write_text("".join(f"{one}\n" for one in [*known, settings.public_origin]), "utf-8")


def trust_authority(settings: Settings, name: str, chain: tuple[bytes, ...]) -> None:
    """Make `qianda verify` trust a configured authority, which is the last certificate of its chain."""
    _trust(settings, f"authority-{name}", chain[-1])


def trust_seal(settings: Settings, certificate: bytes) -> None:
    """Make `qianda verify` accept this certificate as the organisation's seal.

    The certificates of earlier seals stay, because contracts sealed with them must remain verifiable.
    """
    _trust(settings, f"seal-{fingerprint(certificate)[:16]}", certificate)


def trust_seal_chain(settings: Settings, chain: Sequence[bytes]) -> None:
    """Make `qianda verify` accept this seal (DER, its own certificate first), and the outside authority above it."""
    trust_seal(settings, chain[0])
    if chain[-1] != root_certificate(settings.data).read_bytes():
        _trust(settings, f"authority-seal-{fingerprint(chain[-1])[:16]}", chain[-1])


def trust_timestamps(settings: Settings, certificates: Sequence[bytes]) -> None:
    """Make `qianda verify` accept timestamps by these certificates. The files of earlier services stay."""
    for certificate in certificates:
        _trust(settings, f"timestamp-{fingerprint(certificate)[:16]}", certificate)


def signer_trust(settings: Settings, own: bytes, authorities: Sequence[bytes] = ()) -> SignerTrust:
    """Return the authorities whose certificates signers may bring, and make `qianda verify` trust the configured files.

    These are the built-in authority, the other `authorities` that certify keys here, and those in the configured files.
    Raises ValueError for a file without certificates, OSError for one that does not exist.
    """
    anchors = [own, *authorities]
    folder = settings.data / "trust"
    folder.mkdir(parents=True, exist_ok=True)
    for path in settings.trusted_signers:
        for certificate in load_pem_certificates(path.read_bytes()):
            anchors.append(certificate.public_bytes(Encoding.DER))
            kept = folder / f"signers-{certificate.fingerprint(SHA256()).hex()[:16]}.pem"
            if not kept.exists() and is_authority(certificate):  # other certificates there would count as seals
                kept.write_bytes(certificate.public_bytes(Encoding.PEM))
    return SignerTrust(tuple(dict.fromkeys(anchors)), own, frozenset(settings.token_only_policies))


def _trust(settings: Settings, name: str, certificate: bytes) -> None:
    """Write a trusted certificate. An earlier one of this name stays next to it, for what was signed with it."""
    folder = settings.data / "trust"
    folder.mkdir(parents=True, exist_ok=True)
    path, pem = folder / f"{name}.pem", ssl.DER_cert_to_PEM_cert(certificate)
    if path.exists() and (before := path.read_text()) != pem:
        path.rename(path.with_stem(f"{name}-{fingerprint(ssl.PEM_cert_to_DER_cert(before))[:16]}"))
    if not path.exists():
        path.write_text(pem)
