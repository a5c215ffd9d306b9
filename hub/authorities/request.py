"""Make a certificate request (PKCS#10, RFC 2986) for a key that signs where it is kept, and check the answer to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asn1crypto import algos, csr, pem, x509

from hub.authorities.brought import SignerTrust, check_chain
from hub.authorities.builtin import AuthorityKey
from hub.authorities.outside import split_certificates
from hub.authorities.profile import acceptable_key, shorten_text, signing_extensions
from hub.authorities.revocation import names_a_source
from hub.errors import BadInput, CertificateNotTrusted

# The identifier of a legal person, from a national trade register (ETSI EN 319 412-1, 5.1.4).
REGISTER_PREFIX = "NTR"
COUNTRY = "CN"


async def certificate_request(key: AuthorityKey, organisation: str, credit_code: str) -> bytes:
    """Return a request in PEM, signed by the key: the organisation's name and registered code, for signing documents.

    Raises TokenUnavailable if the key cannot be reached.
    """
    subject = x509.Name.build(
        {
            "country_name": COUNTRY,
            "organization_name": shorten_text(organisation),
            "organization_identifier": f"{REGISTER_PREFIX}{COUNTRY}-{credit_code}",
            "common_name": shorten_text(organisation),
        }
    )
    extensions = [
        {"extn_id": extn_id, "critical": critical, "extn_value": value}
        for extn_id, critical, value in signing_extensions()
    ]
    info = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": subject,
            "subject_pk_info": acceptable_key(key.spki),
            "attributes": [{"type": "extension_request", "values": [extensions]}],
        }
    )
    request = csr.CertificationRequest(
        {
            "certification_request_info": info,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            "signature": await key.sign(info.dump()),
        }
    )
    return bytes(pem.armor("CERTIFICATE REQUEST", request.dump()))


def read_certificate_files(files: Sequence[tuple[str, bytes]]) -> list[bytes]:
    """Return the certificates (DER) in these PEM or DER files, given by name. Raises BadInput that names the file."""
    found = []
    for name, data in files:
        try:
            ders = split_certificates(data)
            for der in ders:
                x509.Certificate.load(der, strict=True).native  # noqa: B018 - parses all of it
        except (ValueError, TypeError) as error:
            raise BadInput(f"{name} holds no certificate that can be read", field="certificate") from error
        if not ders:
            raise BadInput(f"{name} holds no certificate", field="certificate")
        found += ders
    return list(dict.fromkeys(found))


async def accept_certificate(
    certificates: Sequence[bytes], spki: bytes, own_root: bytes, now: datetime
) -> tuple[bytes, ...]:
    """Return the chain in these certificates (DER): the one for this key first, its root last.

    Raises BadInput if none is for this key or nothing is above it, CertificateNotTrusted if one names no source for its
    status, and what `check_chain` raises for a certificate that has expired, is not for signing, or has an invalid
    chain.
    """
    loaded = [x509.Certificate.load(der) for der in certificates]
    leaves = [each for each in loaded if each.public_key.dump() == spki]
    if not leaves:
        raise BadInput("none of these certificates is for the seal's key", field="certificate")
    leaf = max(leaves, key=lambda each: each.not_valid_before)
    others = [each for each in loaded if each not in leaves]
    roots = [each for each in others if each.ca and each.self_issued]
    if own_root in [each.dump() for each in roots]:
        raise BadInput("the built-in authority's certificates are made by `qianda seal renew`", field="certificate")
    if not roots:
        raise BadInput(
            "the root of the authority is missing: name its file as well, with those of all authorities between",
            field="certificate",
        )
    trust = SignerTrust(tuple(each.dump() for each in roots), own_root)
    chain = (await check_chain([leaf.dump(), *(each.dump() for each in others if each not in roots)], trust, now)).chain
    for certificate in chain[:-1]:  # before each use of the seal, the hub asks for the status of each
        if not names_a_source(certificate):
            name = x509.Certificate.load(certificate).subject.human_friendly
            raise CertificateNotTrusted(f"{name} names neither a revocation list nor an OCSP responder to be asked")
    return chain
