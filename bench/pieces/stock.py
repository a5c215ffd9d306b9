"""Use pyHanko as its manual documents it: `PdfSigner` with a `SimpleSigner`, a key in memory, nothing prepared ahead.

Sources: pyHanko's manual, "Signing functionality" (`PdfSignatureMetadata`, "Long-term signatures": validation info
embedded, `use_pades_lta`, a validation context and a timestamper) and "Styling" (`StaticStampStyle.from_pdf_file`).
"""

from __future__ import annotations

import io
from pathlib import Path

from asn1crypto import crl, keys, tsp, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.signers.pdf_signer import DSSContentSettings, SigDSSPlacementPreference
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from bench.pieces.school import BenchSchool, MeteredTimestamps, private_der

SEAL = "seal"


class ServiceStamper(TimeStamper):
    """pyHanko's own client, with the service in the same process instead of behind HTTP."""

    def __init__(self, service: MeteredTimestamps) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # has no types
        self._service = service

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        return tsp.TimeStampResp.load(await self._service.respond(req.dump()))


class StockSeal:
    """The peer's seal. Certificate, key and stamp are loaded once, as a server would do."""

    def __init__(self, school: BenchSchool, stamp: Path, *, rsa: bool = False) -> None:
        private_key, issued = (
            (school.rsa_private_key, school.rsa_seal) if rsa else (school.seal_private_key, school.seal)
        )
        chain = [x509.Certificate.load(der) for der in issued.chain]
        self._signer = signers.SimpleSigner(
            signing_cert=chain[0],
            signing_key=keys.PrivateKeyInfo.load(private_der(private_key)),
            cert_registry=SimpleCertificateStore.from_certs(chain),  # type: ignore[no-untyped-call]  # has no types
            embed_roots=False,
        )
        self._timestamper = ServiceStamper(school.timestamps)
        self._stamp = StaticStampStyle.from_pdf_file(str(stamp), border_width=0)
        self._root, self._crl = chain[-1], crl.CertificateList.load(school.crl)

    async def basic(self, document: bytes) -> bytes:
        """Make a B-B seal: nothing is shown, no timestamp."""
        return await self._signed(document, signers.PdfSigner(self._metadata(), self._signer))

    async def timestamped(self, document: bytes) -> bytes:
        """Make a B-T seal."""
        signer = signers.PdfSigner(self._metadata(), self._signer, timestamper=self._timestamper)
        return await self._signed(document, signer)

    async def long_term(self, document: bytes) -> bytes:
        """Make a B-LTA seal: visible, timestamped, with validation info and a document timestamp.

        The validation context is made for each seal, because it is valid for one moment. The validation data are in the
        revision of the document timestamp, as in the product, so that the two files have the same parts.
        """
        context = ValidationContext(
            trust_roots=[self._root], crls=[self._crl], allow_fetching=False, revocation_mode="hard-fail"
        )
        metadata = signers.PdfSignatureMetadata(
            field_name=SEAL,
            md_algorithm="sha256",
            subfilter=fields.SigSeedSubFilter.PADES,
            docmdp_permissions=fields.MDPPerm.NO_CHANGES,
            validation_context=context,
            embed_validation_info=True,
            use_pades_lta=True,
            dss_settings=DSSContentSettings(placement=SigDSSPlacementPreference.TOGETHER_WITH_NEXT_TS),
        )
        signer = signers.PdfSigner(metadata, self._signer, timestamper=self._timestamper, stamp_style=self._stamp)
        return await self._signed(document, signer)

    def _metadata(self) -> signers.PdfSignatureMetadata:
        return signers.PdfSignatureMetadata(
            field_name=SEAL, md_algorithm="sha256", subfilter=fields.SigSeedSubFilter.PADES
        )

    async def _signed(self, document: bytes, signer: signers.PdfSigner) -> bytes:
        writer = IncrementalPdfFileWriter(io.BytesIO(document))
        output = await signer.async_sign_pdf(writer, existing_fields_only=True)
        assert isinstance(output, io.BytesIO)
        return output.getvalue()
