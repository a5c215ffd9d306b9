"""A contract made by an insider: any of its revisions is changed before it is signed, and everything else is in order.

Every byte range, digest, signature, seal and timestamp of the result is right.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hub.documents.pades.cms import attributes_to_sign
from hub.documents.signing.engine import PdfEngine
from hub.documents.signing.signature import NewSignature, Prepared, embed, filled, verified_der
from hub.documents.signing.stamps import SignerStamp, signature_stamp
from hub.tokens.softkey import SoftKey
from tests.browser.update_files import GAP, Revision, body_of, last_revision, next_trailer
from tests.pdf_steps import OWN, prepare, reserve_timestamp, with_validation_data
from tests.signing_parts import SEAL, FinishedParts, RsaKey, pki_certificates, raw_signature
from tests.verify.reading import SIGNERS

FILLED = re.compile(rb"<[0-9a-fA-F]{1000,}>")
STEPS = ("guardian-1", "guardian-1 evidence", "student-1", "student-1 evidence", "seal", "timestamp")
SIGNINGS = ("guardian-1", "student-1", "seal")
Change = Callable[[Revision], None]


Memo = dict[tuple[Change | None, bool, str], bytes]


@dataclass(frozen=True)
class Insider:
    """An insider who makes a contract with a forged step.

    `ground` changes the issued file, `change` the revision of one step. `memo` keeps what comes before the forged step,
    which forgeries with the same ground share. `shown_and_prepared` is filled at that step if it is a signature.
    `engine`: writes the honest revisions.
    """

    contract: FinishedParts
    step: str
    change: Change
    ground: Change | None = None
    pictures: bool = False
    engine: PdfEngine = OWN
    memo: Memo = field(default_factory=dict)
    shown_and_prepared: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def contract_made(self) -> bytes:
        document = self._issued()
        for number, step in enumerate(STEPS):
            key = (self.ground, self.pictures, step)
            honest = number < STEPS.index(self.step)
            document = self.memo[key] if honest and key in self.memo else await self._after(step, document)
            if honest:
                self.memo[key] = document
        return document

    async def prepared_file(self) -> tuple[bytes, bytes]:
        """Return the issued file and the forged one that the first signer is asked to sign. Only for the first step."""
        assert self.step == STEPS[0]
        shown = self._issued()
        chain = self.contract.signers[SIGNERS[0]].chain
        signature = NewSignature(SIGNERS[0], certify=True, final=False, appearance=None)
        made = await prepare(shown, signature, chain, engine=self.engine)
        return shown, self._maybe_changed(self.step, shown, made.file)

    async def _after(self, step: str, document: bytes) -> bytes:
        pki, name = self.contract.pki, step.removesuffix(" evidence")
        if step == SEAL:
            return await self._signed(document, SEAL, pki.seal_key, pki.seal.chain)
        if step in SIGNERS:
            return await self._signed(
                document, name, self.contract.signer_keys[name], self.contract.signers[name].chain
            )
        crl = await pki.authority.revocation_list([])
        if name in SIGNERS:
            validated = with_validation_data(document, name, pki_certificates(pki), [crl], engine=self.engine)
            return self._maybe_changed(step, document, validated)
        prepared = reserve_timestamp(document, pki_certificates(pki), [crl], engine=self.engine).file
        prepared = self._maybe_changed(step, document, prepared)
        start, end = gap_of(prepared)
        digest = hashlib.sha256(prepared[:start] + prepared[end:]).digest()
        return filled(prepared, (start, end), await pki.timestamps.timestamp(digest))

    def _issued(self) -> bytes:
        pdf = self.contract.revisions["unsigned"]
        if self.ground is None:
            return pdf
        revision = Revision(pdf, {}, next_trailer(pdf))
        self.ground(revision)
        return revision.write()

    async def _signed(
        self, document: bytes, name: str, key: SoftKey | RsaKey, chain: tuple[bytes, ...] | list[bytes]
    ) -> bytes:
        picture = (
            signature_stamp(SignerStamp("王小明", None, "2026-12-01", "zh"), (160.0, 62.0)) if self.pictures else None
        )
        first, last = name == SIGNERS[0], name == SEAL
        signature = NewSignature(name, certify=first, final=last, appearance=picture)
        made = await prepare(document, signature, chain, engine=self.engine)
        prepared = self._maybe_changed(name, document, made.file)
        if name == self.step:
            self.shown_and_prepared.append((document, prepared))
        start, end = gap_of(prepared)
        digest = hashlib.sha256(prepared[:start] + prepared[end:]).digest()
        attributes = attributes_to_sign(digest, chain[0])
        der = verified_der(key.spki, attributes, await raw_signature(key, attributes))
        return await embed(
            Prepared(prepared, (start, end), digest, attributes), chain, der, self.contract.pki.timestamps
        )

    def _maybe_changed(self, step: str, before: bytes, after: bytes) -> bytes:
        if step != self.step:
            return after
        revision = last_revision(before, after)
        revision.trailer = re.sub(rb"/Size \d+", b"/Size 2000", revision.trailer)
        self.change(revision)
        return revision.write() if b"/ByteRange" in after[len(before) :] else rewritten(revision)


def rewritten(revision: Revision) -> bytes:
    """Write a revision that has no signature: the byte ranges of earlier ones stay as they are."""
    behind = replace(revision, before=b"")
    shift = len(revision.before)
    text = behind.write()
    text = re.sub(rb"(?<=\n)(\d{10})(?= 00000 n)", lambda row: b"%010d" % (int(row[1]) + shift), text)
    return revision.before + re.sub(rb"startxref\n(\d+)", lambda at: b"startxref\n%d" % (int(at[1]) + shift), text)


def gap_of(pdf: bytes) -> tuple[int, int]:
    return list(GAP.finditer(pdf))[-1].span()


def gap_at(pdf: bytes, start: int) -> tuple[int, int]:
    """Return start and end of the first signature after `start`, filled or not."""
    found = FILLED.search(pdf, start)
    assert found
    return found.span()


def edit(revision: Revision, number: int, old: bytes, new: bytes) -> None:
    body = revision.objects.get(number) or body_of(revision.before, number)
    assert old in body, (number, body)
    revision.objects[number] = body.replace(old, new, 1)
