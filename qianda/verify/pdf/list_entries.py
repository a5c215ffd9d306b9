"""Correct how pyHanko (certvalidator 0.3x) reads the entries of revocation lists, in seven points.

A full list may say where its delta lists are. Without one, pyHanko passes over the full list. But it is complete when
it is made, and to use delta lists is optional (RFC 5280, 5.2.4 and 6.3.3).

It passes over a delta list that the full list does not mention, even if it names the certificate.

It lets a delta list take back an entry of a full list, even of a newer one. Here, a delta list can only add: the entry
of a certificate on hold is gone from the next full list. It also believes a full list whose entry takes itself back,
which only a delta list may say (RFC 5280, 5.3.1).

Of several entries about one certificate, it reads the first. Here, the earliest counts.

An entry has the time at which the authority processed the revocation, and may have another: since when the key is known
or suspected to have been in other hands (RFC 5280, 5.3.2). pyHanko reads only the first.

A list with a critical part that we do not know in any entry shows of no certificate that it is valid (RFC 5280, 5.3):
that part can change what the others mean. The certificates that it names are revoked at least (X.509, 7.3). pyHanko
looks only at the entry of the certificate, and gives up there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from asn1crypto import crl, x509
from pyhanko_certvalidator.ltv import time_slide
from pyhanko_certvalidator.revinfo import validate_crl
from pyhanko_certvalidator.revinfo.archival import CRLContainer
from pyhanko_certvalidator.revinfo.constants import KNOWN_CRL_ENTRY_EXTENSIONS

# "critical" in DER (RFC 5280, 4.1). Most lists have none, and to read all entries of a long one takes seconds.
CRITICAL: Final = b"\x01\x01\xff"
_NAMES_AUTHORITY: Final = crl.CRLEntryExtensionId("certificate_issuer").dump()


def has_known_entries(certificate_list: crl.CertificateList) -> bool:
    """Return whether we know all that the entries of the list demand."""
    entries = certificate_list["tbs_cert_list"]["revoked_certificates"]
    if CRITICAL not in entries.dump():
        return True
    return all(entry.critical_extensions <= KNOWN_CRL_ENTRY_EXTENSIONS for entry in entries)


def entries_about(cert: x509.Certificate, certificate_list: crl.CertificateList) -> list[crl.RevokedCertificate]:
    """Return the entries about this certificate. An entry that names another authority does so for those after it, too
    (RFC 5280, 5.3.3)."""
    authority, number = certificate_list.issuer, cert["tbs_certificate"]["serial_number"].dump()
    found = []
    for entry in certificate_list["tbs_cert_list"]["revoked_certificates"]:
        if _NAMES_AUTHORITY in entry.dump():
            authority = entry.issuer_name or authority
        if entry["user_certificate"].dump() == number and authority == cert.issuer:
            found.append(entry)
    return found


def _find_delta(
    certificate_list: crl.CertificateList,
    crl_issuer: x509.Certificate,
    delta_lists_by_issuer: dict[str, list[CRLContainer]],
    errs: validate_crl._CRLErrs,
    **when: Any,
) -> CRLContainer | None:
    """Return the delta list that belongs to the list, if there is one that counts at this time. `when`: `policy` and
    `timing_params`; pyHanko gives neither while it looks for the time."""
    found = validate_crl._find_matching_delta_crl(
        delta_lists_by_issuer.get(crl_issuer.subject.hashable, []),
        crl_issuer.subject,
        certificate_list.issuing_distribution_point_value,
        certificate_list.authority_key_identifier,
    )
    if found is None or not when:
        return None
    is_known = validate_crl._verify_no_unknown_critical_extensions(found, errs, is_delta=True)
    is_fresh = validate_crl._check_crl_freshness(found, when["policy"], when["timing_params"], errs, is_delta=True)
    return found if is_known and is_fresh else None


def _find_entry(
    crl_issuer: x509.Certificate,
    cert: x509.Certificate,
    certificate_list_cont: CRLContainer,
    delta_certificate_list_cont: CRLContainer | None,
    errs: validate_crl._CRLErrs,
) -> tuple[datetime | None, crl.CRLReason | None]:
    """Return since when the certificate is revoked, and why."""
    entries = entries_about(cert, certificate_list_cont.crl_data)
    if delta_certificate_list_cont is not None:
        changes = entries_about(cert, delta_certificate_list_cont.crl_data)
        entries += [entry for entry in changes if _reason(entry).native != "remove_from_crl"]
    if not entries:
        return None, None
    earliest = min(entries, key=_revoked_since)
    return _revoked_since(earliest), _reason(earliest)


def _revoked_since(entry: crl.RevokedCertificate) -> datetime:
    revoked: datetime = entry["revocation_date"].native
    known = entry.invalidity_date_value
    return revoked if known is None else min(revoked, known.native)


def _reason(entry: crl.RevokedCertificate) -> crl.CRLReason:
    return entry.crl_reason_value or crl.CRLReason("unspecified")


def patch_list_entries() -> None:
    """Correct pyHanko in this process. A second call changes nothing."""
    validate_crl._maybe_get_delta_crl = _find_delta  # type: ignore[assignment]
    validate_crl._check_cert_on_crl_and_delta = _find_entry
    time_slide._check_cert_on_crl_and_delta = _find_entry  # type: ignore[attr-defined]
