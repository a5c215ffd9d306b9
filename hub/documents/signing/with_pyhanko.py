"""Do the steps of `PdfEngine` with pyHanko: for files outside our own engine's profile, and for comparison in tests."""

from __future__ import annotations

import io
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeVar, cast

from asn1crypto import algos, crl, ocsp, x509
from pyhanko.pdf_utils.content import PdfContent
from pyhanko.pdf_utils.generic import DictionaryObject, pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, BoxConstraints, InnerScaling, Margins, SimpleBoxLayoutRule
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields, signers
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp, PreparedByteRangeDigest
from pyhanko.sign.signers.pdf_cms import ExternalSigner
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from hub.documents.pades.cms import attributes_to_sign
from hub.documents.signing.signature import (
    RESERVED_HEX_DIGITS,
    TIMESTAMP_FIELD,
    Evidence,
    FieldBox,
    NewSignature,
    Prepared,
    ReservedTimestamp,
)
from hub.errors import WrongDocument

STAMP_NAME: Final = "/Stamp"
FILLING_THE_FIELD: Final = SimpleBoxLayoutRule(
    AxisAlignment.ALIGN_MID,
    AxisAlignment.ALIGN_MID,
    margins=Margins(),
    inner_content_scaling=InnerScaling.STRETCH_TO_FIT,
)

Result = TypeVar("Result")


def with_signature_fields(pdf: bytes, boxes: Sequence[FieldBox]) -> bytes:
    """Implement `PdfEngine.with_signature_fields`."""
    # Typst writes no line end at the end, but the next object must begin on a new line (docs/file-format.md).
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf if pdf.endswith(b"\n") else pdf + b"\n"))
    for box in boxes:
        fields.append_signature_field(writer, _specification(box))
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


def prepare(document: bytes, signature: NewSignature, chain: Sequence[bytes]) -> Prepared:
    """Implement `PdfEngine.prepare`."""
    metadata = signers.PdfSignatureMetadata(
        field_name=signature.field,
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        certify=signature.certify,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES if signature.final else fields.MDPPerm.FILL_FORMS,
    )
    signer = signers.PdfSigner(metadata, _placeholder(chain), stamp_style=_stamp_style(signature.appearance))
    try:
        digest, output = _finished(_digested(signer, document))
    except (SigningError, PdfReadError) as error:
        raise WrongDocument(f"the field {signature.field!r} cannot be signed: {error}") from error
    file = bytes(output.getbuffer())
    if not file.startswith(document):
        raise WrongDocument("the prepared file does not begin with the document")
    gap = (digest.reserved_region_start, digest.reserved_region_end)
    attributes = attributes_to_sign(digest.document_digest, chain[0])
    return Prepared(file, gap, digest.document_digest, attributes)


def with_validation_data(signed: bytes, field: str, evidence: Evidence) -> bytes:
    """Implement `PdfEngine.with_validation_data`."""
    output = io.BytesIO(signed)
    writer = IncrementalPdfFileWriter(output)
    _supply(writer, _contents_of(signed, field), evidence)
    writer.write_in_place()
    return output.getvalue()


def reserve_timestamp(sealed: bytes, evidence: Evidence) -> ReservedTimestamp:
    """Implement `PdfEngine.reserve_timestamp`."""
    writer = IncrementalPdfFileWriter(io.BytesIO(sealed))
    last = PdfFileReader(io.BytesIO(sealed)).embedded_regular_signatures
    if not last:
        raise WrongDocument("the file has no signature to close")
    _supply(writer, last[-1].pkcs7_content, evidence)
    if writer.output_version < (2, 0):
        writer.register_extension(ESIC_EXTENSION_1)
    steps = PdfCMSEmbedder(fields.SigFieldSpec(TIMESTAMP_FIELD, readable_field_name="Timestamp")).write_cms(
        field_name=TIMESTAMP_FIELD, writer=writer, existing_fields_only=False
    )
    next(steps)
    place = DocumentTimestamp(bytes_reserved=RESERVED_HEX_DIGITS)
    steps.send(SigObjSetup(sig_placeholder=place))
    digest, output = steps.send(SigIOSetup(md_algorithm="sha256", in_place=False))
    gap = (digest.reserved_region_start, digest.reserved_region_end)
    return ReservedTimestamp(output.getvalue(), gap, digest.document_digest)


class _DrawnPage(PdfContent):
    """The first page of a PDF in memory as a form XObject (pyHanko's own class reads from disk only)."""

    def __init__(self, pdf: bytes) -> None:
        super().__init__()
        self._pdf = pdf

    def render(self) -> bytes:
        reader = PdfFileReader(io.BytesIO(self._pdf))
        form = self._ensure_writer.import_page_as_xobject(reader)
        self.resources.xobject[STAMP_NAME] = form
        left, bottom, right, top = form.get_object()["/BBox"]
        self.box = BoxConstraints(width=abs(right - left), height=abs(top - bottom))
        # The form is multiplied with the page, as in our own engine (`hub.documents.pades.picture`).
        self.resources.ext_g_state[pdf_name("/Multiply")] = DictionaryObject({pdf_name("/BM"): pdf_name("/Multiply")})
        return b"/Multiply gs " + STAMP_NAME.encode("ascii") + b" Do"


def _stamp_style(appearance: bytes | None) -> StaticStampStyle:
    """Return the style that shows the drawn page over the whole field, or shows nothing."""
    background = _DrawnPage(appearance) if appearance is not None else None
    return StaticStampStyle(border_width=0, background=background, background_layout=FILLING_THE_FIELD)


def _specification(box: FieldBox) -> fields.SigFieldSpec:
    corners = (round(box.x1), round(box.y1), round(box.x2), round(box.y2))
    if not box.seal:
        return fields.SigFieldSpec(box.name, on_page=box.page, box=corners)
    return fields.SigFieldSpec(
        box.name,
        on_page=box.page,
        box=corners,
        doc_mdp_update_value=fields.MDPPerm.NO_CHANGES,
        field_mdp_spec=fields.FieldMDPSpec(fields.FieldMDPAction.ALL),
    )


async def _digested(signer: signers.PdfSigner, document: bytes) -> tuple[PreparedByteRangeDigest, io.BytesIO]:
    writer = IncrementalPdfFileWriter(io.BytesIO(document))
    digest, _, output = await signer.async_digest_doc_for_signing(
        writer, existing_fields_only=True, bytes_reserved=RESERVED_HEX_DIGITS
    )
    assert isinstance(output, io.BytesIO)
    return digest, output


def _finished(work: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of a coroutine that never waits, without an event loop. pyHanko's layout is one."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast(Result, end.value)
    raise AssertionError("the layout of a signature waits for something")


def _placeholder(chain: Sequence[bytes]) -> ExternalSigner:
    """Return the signer object that pyHanko needs while it lays out the file. It never signs."""
    certificates = [x509.Certificate.load(der) for der in chain]
    kind = "sha256_ecdsa" if certificates[0].public_key.algorithm == "ec" else "sha256_rsa"
    return ExternalSigner(
        signing_cert=certificates[0],
        cert_registry=SimpleCertificateStore.from_certs(certificates),  # type: ignore[no-untyped-call]  # has no types
        signature_value=bytes(72),
        signature_mechanism=algos.SignedDigestAlgorithm({"algorithm": kind}),
        embed_roots=False,
    )


def _contents_of(signed: bytes, field: str) -> bytes:
    for signature in PdfFileReader(io.BytesIO(signed)).embedded_regular_signatures:
        if signature.field_name == field:
            return bytes(signature.pkcs7_content)
    raise WrongDocument(f"the field {field!r} is not signed")


def _supply(writer: IncrementalPdfFileWriter, contents: bytes, evidence: Evidence) -> None:
    """Add the DSS, with an entry (VRI) for the signature with these contents, including their padding."""
    DocumentSecurityStore.supply_dss_in_writer(
        writer,
        contents.hex().encode("ascii"),
        certs=[x509.Certificate.load(der) for der in evidence.certificates],
        crls=[crl.CertificateList.load(der) for der in evidence.crls],
        ocsps=[ocsp.OCSPResponse.load(der) for der in evidence.answers],
    )
