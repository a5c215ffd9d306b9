"""Correct pyHanko (certvalidator 0.3x) in seven points (`list_entries` has those about the entries of lists).

It tries every path from a certificate to an authority. Nine certificates of one name, or two of each of fifteen names,
would keep it busy for minutes.

It does not find the revocation lists of authorities that are not roots.

A list is judged by the path to its signer. The path at hand may *begin* with this authority, either because it is the
trusted one, or because pyHanko cuts the path off there when it looks back in time (in
`_find_revinfo_data_for_leaf_in_past`). Then `ValidationPath.truncate_to_issuer_and_append` looks for the authority
above it, finds none, and the list is dropped; as soon as the lists in the file have expired, the signature counts as
REVOCATION_OUT_OF_BOUNDS_NO_POE. For a root, pyHanko returns the right result: the path is the authority itself. This is
also right for any other authority at the beginning of a path, because it leads to the same trust anchor, as RFC 5280,
6.3.3 (f) requires.

It recognises a certificate or list that it has checked by its signature alone. Anybody can copy this signature into a
certificate with their own key, or into another list, and answer in the name of the authority that nothing was revoked.

It believes the list of whoever holds a certificate of the authority that does not say what it is for. Here, only the
authority itself counts. It may have several keys, but not several names: RFC 5280, 6.3.3 (b) allows others only if
the certificate names them.

For an OCSP answer that the trusted root itself signed, it looks for a path from the root to the root, and finds none,
though an authority may answer itself (RFC 6960, 4.2.2.2).

An answer whose time is over leads it back in time, but not if the file has another answer, about another certificate.

The end of a signer's certificate leads it back in time, but not that of an authority, so that no signature below it
would count any more. ETSI EN 319 102-1, 5.6.2.1, judges the whole path at a moment in the past.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from weakref import WeakKeyDictionary

from asn1crypto import crl, x509
from pyhanko_certvalidator._state import ValProcState
from pyhanko_certvalidator.authority import Authority, AuthorityWithCert, CertTrustAnchor, TrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import ExpiredError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.registry import CertificateRegistry, TrustManager
from pyhanko_certvalidator.revinfo import validate_crl, validate_ocsp
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer
from pyhanko_certvalidator.revinfo.manager import RevinfoManager

from qianda.verify.pdf.list_entries import entries_about, has_known_entries, patch_list_entries

# For one signature. An honest file needs about five.
MAX_ISSUERS_TRIED: Final = 200
_tried = WeakKeyDictionary[CertificateRegistry, int]()
_find_as_shipped = CertificateRegistry.find_potential_issuers
_truncate_as_shipped = ValidationPath.truncate_to_issuer_and_append
_check_validation_as_shipped = ValidationContext.check_validation
_check_responder_as_shipped = validate_ocsp._precheck_ocsp_responder_auth
_find_responder_as_shipped = validate_ocsp._delegated_ocsp_response_path
_is_about_as_shipped = validate_ocsp._match_ocsp_certid
_start_expired_as_shipped = ExpiredError.__init__
_get_reasons_as_shipped = validate_crl._get_crl_scope_assuming_authority


def _to_issuer(self: ValidationPath, cert: x509.Certificate) -> ValidationPath:
    anchor = self.trust_anchor
    if isinstance(anchor, CertTrustAnchor) and anchor.certificate.dump() == cert.dump():
        return ValidationPath(anchor, interm=[], leaf=None)
    path: ValidationPath = _truncate_as_shipped(self, cert)
    return path


def _find_few(
    self: CertificateRegistry, cert: x509.Certificate, trust_manager: TrustManager
) -> Iterator[TrustAnchor | x509.Certificate]:
    for issuer in _find_as_shipped(self, cert, trust_manager):
        _tried[self] = _tried.get(self, 0) + 1
        if _tried[self] > MAX_ISSUERS_TRIED:
            return
        yield issuer


def _check_validation(self: ValidationContext, cert: x509.Certificate) -> ValidationPath | None:
    path: ValidationPath | None = _check_validation_as_shipped(self, cert)  # type: ignore[no-untyped-call]
    return path if path is not None and path.last.dump() == cert.dump() else None


def _check_responder(responder_cert: x509.Certificate, issuer: Authority, is_pkc: bool) -> bool | None:
    answer: bool | None = _check_responder_as_shipped(responder_cert, issuer, is_pkc)
    if answer and isinstance(issuer, AuthorityWithCert):
        return bool(responder_cert.dump() == issuer.certificate.dump())
    return answer


def _is_about(
    cert: x509.Certificate, issuer: Authority, ocsp_response: OCSPContainer, errs: validate_ocsp._OCSPErrs
) -> bool:
    only_late = errs.freshness_failures_only
    answer: bool = _is_about_as_shipped(cert, issuer, ocsp_response, errs)
    if not answer:  # it says nothing about this certificate
        errs.freshness_failures_only = only_late
    return answer


class _RootAlone(ValidationPath):
    """The path to an answer by the trusted root. pyHanko takes the last certificate for the one that signed."""

    @property
    def leaf(self) -> x509.Certificate:
        assert isinstance(self.trust_anchor, CertTrustAnchor)
        return self.trust_anchor.certificate


def _find_responder(responder_cert: x509.Certificate, issuer: Authority, ee_path: ValidationPath) -> ValidationPath:
    anchor = ee_path.trust_anchor
    if isinstance(anchor, CertTrustAnchor) and anchor.certificate.dump() == responder_cert.dump():
        return _RootAlone(anchor, interm=[], leaf=None)
    path: ValidationPath = _find_responder_as_shipped(responder_cert, issuer, ee_path)
    return path


def _find_no_issuer(self: RevinfoManager, certificate_list: crl.CertificateList) -> None:
    """Have the signature of each list checked."""


def _get_reasons(
    crl_issuer: x509.Certificate,
    cert: x509.Certificate,
    certificate_list_cont: CRLContainer,
    is_indirect: bool,
    errs: validate_crl._CRLErrs,
) -> set[str] | None:
    """Return the reasons for which the list may contain the certificate. None: it cannot contain it."""
    made = certificate_list_cont.crl_data
    if crl_issuer.subject != cert.issuer or not (has_known_entries(made) or entries_about(cert, made)):
        errs.issuer_failures += 1
        return None
    reasons: set[str] | None = _get_reasons_as_shipped(crl_issuer, cert, certificate_list_cont, is_indirect, errs)
    return reasons


def _start_expired(self: ExpiredError, msg: str, expired_dt: datetime, proc_state: ValProcState) -> None:
    _start_expired_as_shipped(self, msg, expired_dt, proc_state)
    self.is_ee_cert = True  # the only ones that lead back in time


def patch_pyhanko() -> None:
    """Correct pyHanko in this process. A second call changes nothing."""
    patch_list_entries()
    ExpiredError.__init__ = _start_expired  # type: ignore[method-assign]
    ValidationContext.check_validation = _check_validation  # type: ignore[method-assign]
    RevinfoManager.check_crl_issuer = _find_no_issuer  # type: ignore[method-assign]
    validate_ocsp._precheck_ocsp_responder_auth = _check_responder
    validate_ocsp._match_ocsp_certid = _is_about
    validate_ocsp._delegated_ocsp_response_path = _find_responder
    validate_crl._get_crl_scope_assuming_authority = _get_reasons
    CertificateRegistry.find_potential_issuers = _find_few  # type: ignore[method-assign]
    ValidationPath.truncate_to_issuer_and_append = _to_issuer  # type: ignore[method-assign]
