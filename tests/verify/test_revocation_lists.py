"""A report says how old the newest revocation list about a signer is: what was revoked later, nobody can know."""

from __future__ import annotations

import asyncio
import io
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import x509
from rich.console import Console

from qianda.verify import verify_bytes
from qianda.verify.elements import VerificationReport
from qianda.verify.pdf.revocation_lists import listed_until
from qianda.verify.pdf.signed_file import SignedFile
from qianda.verify.report import as_json, local_time, show
from qianda.verify.trust import Trust
from tests.browser.update_files import NEW, body_of, drawn, root_of
from tests.signing_parts import FinishedParts, Pki, utc_now
from tests.verify.reading import failed
from tests.verify.sample_page import PDF, written
from tests.verify.test_plain_chain import SIGNER, Forge


async def _judged(folder: Path, later: timedelta, of: Pki | None = None) -> tuple[VerificationReport, datetime]:
    """Return the report on a file with two lists, and the time of the older one. `later`: when the other one was made;
    `of`: the authority that made it."""
    pki = await Pki.make()
    forge, made = Forge(pki), utc_now().replace(microsecond=0)
    issued = await pki.authority.enrol(forge.key.spki, "王小明", "P1")
    there = (of or pki).authority
    other = forge.authority(there._key, there.root, later)
    lists = [await forge.authority(pki.authority._key, pki.authority.root, timedelta(days=-3)).revocation_list([])]
    file = await forge.close(issued.chain, [*lists, await other.revocation_list([])])
    trust = Trust.load([pki.write_trust(folder / "trust.pem")])
    return await asyncio.to_thread(verify_bytes, file, trust), made - timedelta(days=3)


@pytest.mark.parametrize(("days", "shown"), [(0, 3), (-2, 1), (-5, 0)])
async def test_the_newest_list_counts(tmp_path: Path, days: int, shown: int) -> None:
    report, older = await _judged(tmp_path, timedelta(days=days))
    party = next(party for party in report.parties if party.field == SIGNER)
    assert failed(report) == set() and party.listed_until is not None
    assert timedelta() <= party.listed_until - older - timedelta(days=shown) < timedelta(seconds=5)
    printed = io.StringIO()
    show(report, Console(file=printed, width=300), "en")
    assert f"not revoked by the list of {local_time(party.listed_until)}" in printed.getvalue()
    assert party.listed_until.isoformat() in {one["listed_until"] for one in as_json(report)["parties"]}


async def test_a_list_of_a_namesake_does_not_count(tmp_path: Path) -> None:
    """It has the same name and a later time, and anybody could have made it."""
    report, older = await _judged(tmp_path, timedelta(days=-1), of=await Pki.make())
    found = [party.listed_until for party in report.parties if party.listed_until]
    assert found and all(abs(each - older) < timedelta(seconds=5) for each in found)


def test_who_is_not_trusted_has_no_list(contract: FinishedParts) -> None:
    report = verify_bytes(contract.final, Trust())
    assert [party.listed_until for party in report.parties] == [None] * 3


@pytest.mark.parametrize("store", [b"/DSS (x)", b"/DSS << /CRLs (x) >>", b"/DSS << /CRLs [%d 0 R] >>" % NEW])
def test_a_store_that_cannot_be_read_has_no_list(contract: FinishedParts, store: bytes) -> None:
    root = root_of(PDF)
    file = SignedFile(written({root: body_of(PDF, root).replace(b"<<", b"<< " + store, 1), NEW: drawn(b"no list")}))
    authority = x509.Certificate.load(contract.pki.authority.root)
    signer = x509.Certificate.load(contract.signers[SIGNER].certificate)
    assert listed_until(file, signer, [authority]) is None
