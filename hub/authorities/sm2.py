"""A built-in authority for SM2 certificates, for trial and internal use: for seals and their makers.

It issues the certificates that an OFD needs, and states in each that it is for trial. It publishes no revocation list,
because an OFD has no place for one. Source: GB/T 20518, which is RFC 5280 with SM2 (identifiers: GB/T 33560).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from asn1crypto import keys, x509

from hub.authorities import CLOCK_TOLERANCE, Clock
from hub.authorities.builtin import ROOT_LIFE, SEAL_LIFE, AuthorityKey, new_serial
from hub.authorities.profile import KeyHolder, hash_key_bits, name, point_in_time, shorten_text
from hub.errors import BadInput
from qianda import sm2
from qianda.trust_marks import SEAL_MAKER_POLICY_OID, SEAL_POLICY_OID, TRIAL_POLICY_OID

_ALGORITHM: Final = {"algorithm": sm2.SIGNATURE_OID}


async def make_sm2_root(key: AuthorityKey, clock: Clock, organisation: str) -> bytes:
    """Return the self-signed root certificate of an SM2 authority in DER, valid for 20 years."""
    subject = name(organisation, f"{shorten_text(organisation, 40)} SM2 Root")
    life = (clock() - CLOCK_TOLERANCE, clock() + ROOT_LIFE)
    extensions = [
        _extension("basic_constraints", {"ca": True, "path_len_constraint": 0}, critical=True),
        _extension("key_usage", {"key_cert_sign", "crl_sign"}, critical=True),
        _extension("key_identifier", _key_identifier(key.spki)),
        _extension("certificate_policies", [{"policy_identifier": TRIAL_POLICY_OID}]),
    ]
    return await _signed(_body(subject, KeyHolder(subject, key.spki), new_serial(), life, extensions), key)


class Sm2Authority:
    """The authority, with a root made by `make_sm2_root` for its key. Raises ValueError for another root."""

    def __init__(self, key: AuthorityKey, root: bytes, clock: Clock, organisation: str) -> None:
        self.root = root
        self._root = x509.Certificate.load(root)
        if self._root.public_key.dump() != key.spki:
            raise ValueError("the root certificate is not for this key")
        self._key, self._clock, self._organisation = key, clock, organisation

    async def issue_seal(self, spki: bytes, common_name: str) -> bytes:
        """Return the certificate (DER) for an organisation's seal key. Raises BadInput for a key of another kind."""
        return await self._issue(spki, common_name, SEAL_POLICY_OID)

    async def issue_seal_maker(self, spki: bytes, common_name: str) -> bytes:
        """Return the certificate (DER) of a seal maker. Raises BadInput for a key that is not an SM2 key."""
        return await self._issue(spki, common_name, SEAL_MAKER_POLICY_OID)

    async def _issue(self, spki: bytes, common_name: str, policy: str) -> bytes:
        if sm2.read_spki(spki) is None:
            raise BadInput("the public key is no SM2 key", field="spki")
        holder = KeyHolder(name(self._organisation, common_name), spki)
        now = self._clock()
        extensions = [
            _extension("basic_constraints", {"ca": False}, critical=True),
            _extension("key_usage", {"digital_signature", "non_repudiation"}, critical=True),
            _extension("key_identifier", _key_identifier(spki)),
            _extension("authority_key_identifier", {"key_identifier": _key_identifier(self._key.spki)}),
            _extension("certificate_policies", [{"policy_identifier": each} for each in (TRIAL_POLICY_OID, policy)]),
        ]
        body = _body(self._root.subject, holder, new_serial(), (now - CLOCK_TOLERANCE, now + SEAL_LIFE), extensions)
        return await _signed(body, self._key)


def _body(
    issuer: x509.Name,
    holder: KeyHolder,
    serial: int,
    life: tuple[datetime, datetime],
    extensions: Sequence[dict[str, Any]],
) -> x509.TbsCertificate:
    return x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": serial,
            "signature": _ALGORITHM,
            "issuer": issuer,
            "validity": {"not_before": point_in_time(life[0]), "not_after": point_in_time(life[1])},
            "subject": holder.name,
            "subject_public_key_info": keys.PublicKeyInfo.load(holder.spki),
            "extensions": list(extensions),
        }
    )


async def _signed(body: x509.TbsCertificate, key: AuthorityKey) -> bytes:
    signature = await key.sign(body.dump())
    return bytes(
        x509.Certificate(
            {"tbs_certificate": body, "signature_algorithm": _ALGORITHM, "signature_value": signature}
        ).dump()
    )


def _extension(extn_id: str, value: Any, *, critical: bool = False) -> dict[str, Any]:
    return {"extn_id": extn_id, "critical": critical, "extn_value": value}


def _key_identifier(spki: bytes) -> bytes:
    return hash_key_bits(keys.PublicKeyInfo.load(spki))
