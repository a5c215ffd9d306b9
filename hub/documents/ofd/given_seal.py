"""Check a seal maker's seal before it is installed: the maker's signature, and the certificates for the seal's key.

Without this check, a wrong seal would be noticed only at the first contract, which could not be completed. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.errors import BadInput
from qianda.ofd.stamps import ShownStamp, are_small
from qianda.ofd.values import ElectronicSeal
from qianda.verify.ofd.chain import chain_fault, load_certificate, may_have_issued, signed_by
from qianda.verify.ofd.signature_check import made_by
from qianda.verify.trust import Trust


def check_maker(seal: ElectronicSeal) -> None:
    """Raise BadInput unless the seal was signed by the maker that it names, and is no larger than stamps may be."""
    if not made_by(seal):
        raise BadInput("the signature of the seal's maker is wrong", field="seal")
    if not are_small([ShownStamp("", *seal.picture[2:])]):
        raise BadInput("the seal is too large: it would hide what is on the page", field="seal")


def check_roots(
    seal: ElectronicSeal, path: Sequence[bytes], given: Sequence[bytes], roots: Sequence[bytes], moment: datetime
) -> None:
    """Raise BadInput unless the path of the seal's certificate ends at one of these roots, and the maker's certificate
    leads to one of them too, through any of the given certificates."""
    maker, known = load_certificate(seal.maker), [one for each in (*given, *roots) if (one := load_certificate(each))]
    trust = Trust(authorities=tuple(one for one in known if one.dump() in roots))
    if path[-1] not in roots or maker is None or chain_fault(maker, known, trust, moment):
        raise BadInput("the certificates lead to none of the trusted roots", field="certificate")


def order_certificates(own: bytes, given: Sequence[bytes], moment: datetime) -> tuple[bytes, ...]:
    """Return the path from the seal's own certificate up to a given root (DER), and no other certificates.

    `qianda verify` will trust the last certificate as an authority, so it has to be above the first. Raises BadInput.
    """
    current = load_certificate(own)
    if current is None:
        raise BadInput("the seal's certificate cannot be read", field="certificate")
    others = [one for each in given if (one := load_certificate(each)) is not None]
    roots = tuple(one for one in others if may_have_issued(one, one) and signed_by(one, one))
    if fault := chain_fault(current, others, Trust(authorities=roots), moment):
        raise BadInput(f"the certificates do not belong together: {fault.en}", field="certificate")
    path = [own]
    while all(path[-1] != root.dump() for root in roots):  # terminates: a path to a root was found above
        named = (one for one in (*roots, *others) if may_have_issued(one, current) and signed_by(current, one))
        current = next(named)
        path.append(current.dump())
    return tuple(path)
