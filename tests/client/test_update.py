"""The client's checks against what the hub really prepares, with and without a picture of the signature."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.documents.signing.signature import NewSignature
from qianda.checks import PreparedFile, RefusedToSign, check_prepared
from qianda.update import check_update
from tests.client.prepared_parts import SHOWN, new_certificate, page_content, prepared_over
from tests.pdf_steps import prepare
from tests.signing_parts import FinishedParts, finished_contract, sample_pdf

SIGNERS = ("guardian-1", "student-1")


async def built(folder: Path) -> FinishedParts:
    return await finished_contract(folder, signers=SIGNERS)


@pytest.mark.parametrize("picture", [None, sample_pdf("Li Lei")], ids=["plain", "picture"])
async def test_what_the_hub_prepares_passes_for_every_party(tmp_path: Path, picture: bytes | None) -> None:
    parts = await built(tmp_path)
    chains = {name: issued.chain for name, issued in parts.signers.items()} | {"seal": parts.pki.seal.chain}
    shown = {"guardian-1": "unsigned", "student-1": "guardian-1-validated", "seal": "student-1-validated"}
    for name, revision in shown.items():
        document, first, last = parts.revisions[revision], name == "guardian-1", name == "seal"
        made = await prepare(document, NewSignature(name, certify=first, final=last, appearance=picture), chains[name])
        check_prepared(document, PreparedFile(made.file, made.byte_range, made.to_be_signed), chains[name][0])
        check_update(document, made.file)


def test_a_page_replaced_behind_the_shown_bytes_is_refused() -> None:
    """All four checks pass here: the file begins with the shown bytes, and the signature covers everything."""
    made = prepared_over(SHOWN, new_certificate(), also={4: page_content(b"CNY 1.00")})
    check_prepared(made.shown, PreparedFile(made.file, made.byte_range, made.to_be_signed), made.certificate)
    with pytest.raises(RefusedToSign) as refusal:
        check_update(made.shown, made.file)
    assert refusal.value.number == 1


@pytest.mark.parametrize("prepared", [SHOWN, SHOWN + b"%%EOF\n", SHOWN[:-40], b"", b"%PDF-1.7\n"])
def test_what_is_not_one_revision_further_is_refused(prepared: bytes) -> None:
    with pytest.raises(RefusedToSign):
        check_update(SHOWN, prepared)


def test_what_was_shown_ends_where_a_revision_does() -> None:
    """The head of a file is the beginning of everything, and nobody has seen a page of it."""
    head, made = SHOWN[: SHOWN.index(b"1 0 obj")], prepared_over(SHOWN, new_certificate())
    check_update(SHOWN, made.file)
    for shown, prepared in ((head, made.file), (head, SHOWN), (SHOWN[:-1], made.file), (b"", made.file)):
        with pytest.raises(RefusedToSign) as refusal:
            check_update(shown, prepared)
        assert refusal.value.reason == "the prepared file is not one revision further than what was shown"
