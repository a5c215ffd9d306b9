"""What our own engine and pyHanko write for the same input: both are valid, and they are alike in each part."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from qianda import der
from qianda.der import OID, DerElement
from qianda.pdf import read_revisions
from qianda.update import check_update
from qianda.verify import verify_bytes
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Word
from qianda.verify.pdf.structure import check_finished
from qianda.verify.trust import Trust
from tests.documents.test_pdf_finished import accepted
from tests.judges import judge, judge_by_mutool
from tests.pades.contracts import ENGINES, PROFILES, contract, fields_of
from tests.verify.genuine_files import emptied
from tests.verify.reading import words

CONSTRUCTED = 0x20  # a bit of the tag


@pytest.mark.real
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("profile", PROFILES)
def test_judges_from_elsewhere_accept_it(profile: str, engine: str, tmp_path: Path) -> None:
    """pdfsig, qpdf, OpenSSL, pyHanko with its long-term validation and its difference policy, and mutool."""
    made = contract(profile, engine)
    (tmp_path / "final.pdf").write_bytes(made.final)
    judge(tmp_path / "final.pdf", made.trust_pem, fields_of(profile))
    judge_by_mutool(tmp_path / "final.pdf", len(fields_of(profile)))


@pytest.mark.parametrize("profile", PROFILES)
def test_pyhanko_accepts_ours_after_years(profile: str, tmp_path: Path) -> None:
    made = contract(profile, "own")
    (tmp_path / "final.pdf").write_bytes(made.final)
    accepted("+5y", tmp_path / "final.pdf", made)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("profile", PROFILES)
def test_the_verifier_and_the_client_accept_it(profile: str, engine: str) -> None:
    made, fields = contract(profile, engine), fields_of(profile)
    assert check_finished(made.final, fields) == []
    report = verify_bytes(made.final, Trust.load([made.trust_pem]), Expectation(tuple(fields)))
    assert Word.FAILED not in words(report).values()
    for name, before in zip(fields, ["unsigned", *(f"{name}-validated" for name in fields)], strict=False):
        shown = made.revisions[before]
        check_update(shown, emptied(made.revisions[f"{name}-signed"], len(shown)))


@pytest.mark.parametrize("profile", PROFILES)
def test_both_write_as_many_revisions_and_the_same_parts(profile: str) -> None:
    own, theirs = (contract(profile, engine) for engine in ("own", "pyhanko"))
    assert len(read_revisions(own.final)) == len(read_revisions(theirs.final))
    with pikepdf.open(io.BytesIO(own.final)) as ours, pikepdf.open(io.BytesIO(theirs.final)) as reference:
        assert catalog(ours) == catalog(reference)
        assert form_fields(ours) == form_fields(reference)
        assert signature_values(ours, own.final) == signature_values(reference, theirs.final)
        assert store(ours, own) == store(reference, theirs)


@pytest.mark.parametrize("profile", PROFILES)
def test_signatures_and_tokens_are_built_alike(profile: str) -> None:
    own, theirs = (contract(profile, engine) for engine in ("own", "pyhanko"))
    for ours, reference in zip(contents(own.final), contents(theirs.final), strict=True):
        assert outline(der.read(without_padding(ours))) == outline(der.read(without_padding(reference)))


# ---- the parts, without what differs from file to file


def catalog(pdf: pikepdf.Pdf) -> dict[str, Any]:
    """Return the parts of the catalog in which both engines have to agree.

    pyHanko also updates information and metadata, and writes /Version 2.0 with an extension for elliptic curves (ISO/TS
    32002), which PDF/A-2 does not know. Our engine changes none of that.
    """
    names = sorted(set(pdf.Root.keys()) - {"/Metadata", "/Version"})
    return {"names": names, "ESIC": plain(pdf.Root.Extensions.ESIC), "limits": plain(pdf.Root.Perms.DocMDP.Reference)}


def form_fields(pdf: pikepdf.Pdf) -> list[Any]:
    found = []
    for field in pdf.Root.AcroForm.Fields:
        known = {name: plain(value) for name, value in field.items() if name not in ("/V", "/AP", "/P", "/TU")}
        shown_on = sum(field.objgen == other.objgen for page in pdf.pages for other in page.get("/Annots", ()))
        found.append([known, shown_on, "/AP" in field])
    return [pdf.Root.AcroForm.SigFlags, found]


def signature_values(pdf: pikepdf.Pdf, file: bytes) -> list[Any]:
    found = []
    for field in pdf.Root.AcroForm.Fields:
        value = field.V
        start, length, resume, rest = (int(number) for number in value.ByteRange)
        covered = (start, resume - length, file[length], file[resume - 1], file[resume + rest - 6 : resume + rest])
        known = {name: plain(each) for name, each in value.items() if name not in ("/ByteRange", "/Contents", "/M")}
        found.append([known, "/M" in value, covered])
    return found


def store(pdf: pikepdf.Pdf, made: Any) -> list[Any]:
    """Return the names of the certificates and CRLs in the DSS of this contract.

    CRLs count once: one serves all steps of a second, so how many there are depends on the machine.
    """
    known = {hashlib.sha256(each).hexdigest(): name for name, each in certificates_of(made).items()}

    def names(name: str, items: Any) -> list[str]:
        found = [known.get(hashlib.sha256(each.read_bytes()).hexdigest(), "other") for each in items]
        return sorted(set(found) if name.startswith("/CRL") else found)

    dss = pdf.Root.DSS
    keys = {name: names(name, dss.get(name, ())) for name in ("/Certs", "/CRLs", "/OCSPs")}
    vri = sorted(
        sorted((name, names(name, each)) for name, each in entry.items() if name != "/Type")
        for entry in dss.VRI.values()
    )
    named = sorted(dss.VRI.keys()) == sorted(
        f"/{hashlib.sha1(each.hex().encode()).hexdigest().upper()}" for each in regular(pdf)
    )
    return [keys, vri, named]


def regular(pdf: pikepdf.Pdf) -> list[bytes]:
    return [bytes(field.V.Contents) for field in pdf.Root.AcroForm.Fields if field.V.Type == "/Sig"]


def certificates_of(made: Any) -> dict[str, bytes]:
    return {"root": made.pki.authority.root, "timestamps": made.pki.timestamps.certificates[0]}


def contents(file: bytes) -> list[bytes]:
    with pikepdf.open(io.BytesIO(file)) as pdf:
        return [bytes(field.V.Contents) for field in pdf.Root.AcroForm.Fields]


def plain(value: Any) -> Any:
    """Return a value without the numbers of objects, which differ."""
    if isinstance(value, pikepdf.Dictionary):
        return "catalog" if value.get("/Type") == "/Catalog" else {name: plain(each) for name, each in value.items()}
    if isinstance(value, pikepdf.Array):
        return [plain(each) for each in value]
    return str(value)


def outline(element: DerElement) -> Any:
    """Return the tree of tags with all identifiers, without the bytes of other values. (asn1crypto takes minutes to
    parse a nested token.)"""
    if element.tag == OID:
        return element.content.hex()
    if element.tag & CONSTRUCTED:
        return [element.tag, *(outline(child) for child in element.children(element.tag))]
    return element.tag


def without_padding(contents: bytes) -> bytes:
    return contents[: 4 + int.from_bytes(contents[2:4], "big")]
