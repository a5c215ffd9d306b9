"""What makes a signed file last: validation data in its DSS, and a document timestamp over everything (PAdES B-LTA).

Source: ETSI EN 319 142-1, 5.4 and 6.3. Of our own authority CRLs are embedded; of others what
they offer.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Final

from asn1crypto import crl, ocsp, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp, PreparedByteRangeDigest
from pyhanko.sign.validation.dss import DocumentSecurityStore

from hub.documents.deferred import TimestampSource, filled
from hub.errors import WrongDocument

RESERVED_HEX_DIGITS: Final = 16384
TIMESTAMP_FIELD: Final = "document-timestamp"


def with_validation_data(
    signed: bytes, field: str, certificates: Sequence[bytes], crls: Sequence[bytes], answers: Sequence[bytes] = ()
) -> bytes:
    """The file with what is needed to judge the signature in `field` years later, as an incremental update.

    Certificates, CRLs and OCSP answers in DER. WrongDocument when the field is not signed.
    """
    output = io.BytesIO(signed)
    writer = IncrementalPdfFileWriter(output)
    _supply(writer, _contents_of(signed, field), certificates, crls, answers)
    writer.write_in_place()
    return output.getvalue()


async def close(
    sealed: bytes,
    timestamps: TimestampSource,
    certificates: Sequence[bytes],
    crls: Sequence[bytes],
    answers: Sequence[bytes] = (),
) -> bytes:
    """The finished file: validation data for the last signature, and a document timestamp over everything.

    One revision holds both, since the seal allows no change but these. TimestampUnavailable comes through.
    """
    prepared, digest = await asyncio.to_thread(_prepared_for_timestamp, sealed, certificates, crls, answers)
    token = await timestamps.timestamp(digest.document_digest)
    return filled(prepared, (digest.reserved_region_start, digest.reserved_region_end), token)


def _prepared_for_timestamp(
    sealed: bytes, certificates: Sequence[bytes], crls: Sequence[bytes], answers: Sequence[bytes] = ()
) -> tuple[bytes, PreparedByteRangeDigest]:
    writer = IncrementalPdfFileWriter(io.BytesIO(sealed))
    last = PdfFileReader(io.BytesIO(sealed)).embedded_regular_signatures
    if not last:
        raise WrongDocument("the file has no signature to close")
    _supply(writer, last[-1].pkcs7_content, certificates, crls, answers)
    if writer.output_version < (2, 0):
        writer.register_extension(ESIC_EXTENSION_1)
    steps = PdfCMSEmbedder(SigFieldSpec(TIMESTAMP_FIELD, readable_field_name="Timestamp")).write_cms(
        field_name=TIMESTAMP_FIELD, writer=writer, existing_fields_only=False
    )
    next(steps)
    place = DocumentTimestamp(bytes_reserved=RESERVED_HEX_DIGITS)
    steps.send(SigObjSetup(sig_placeholder=place))
    digest, output = steps.send(SigIOSetup(md_algorithm="sha256", in_place=False))
    return output.getvalue(), digest


def _contents_of(signed: bytes, field: str) -> bytes:
    for signature in PdfFileReader(io.BytesIO(signed)).embedded_regular_signatures:
        if signature.field_name == field:
            return bytes(signature.pkcs7_content)
    raise WrongDocument(f"the field {field!r} is not signed")


def _supply(
    writer: IncrementalPdfFileWriter,
    contents: bytes,
    certificates: Sequence[bytes],
    crls: Sequence[bytes],
    answers: Sequence[bytes],
) -> None:
    """The DSS, with an entry of its own (VRI) for the signature with these contents, padding included."""
    DocumentSecurityStore.supply_dss_in_writer(
        writer,
        contents.hex().encode("ascii"),
        certs=[x509.Certificate.load(der) for der in certificates],
        crls=[crl.CertificateList.load(der) for der in crls],
        ocsps=[ocsp.OCSPResponse.load(der) for der in answers],
    )
