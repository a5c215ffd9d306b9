"""Where seals are shown: across pages, and never where nobody sees them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from hub.documents.ofd.places import StampPlace, across_pages
from hub.documents.ofd.sign import prepare_seal
from hub.documents.ofd.write import OfdFacts, write_ofd
from hub.errors import BadInput
from qianda.ofd.container import OfdContainer
from qianda.ofd.page_list import OfdPage, list_pages
from qianda.ofd.stamps import are_small, read_stamps
from qianda.ofd.xml_part import read_xml
from qianda.verify import UnreadableDocument, verify_bytes
from qianda.verify.findings import Element
from tests.documents.contract_samples import contract_pdf
from tests.ofd.foreign import signed_by_person
from tests.ofd.identities import USED_AT, Identities
from tests.ofd.plain import members_of, plain_ofd, with_members
from tests.verify.reading import complaints, failed

A4 = (210.0, 297.0)


def test_a_seal_across_pages_shows_a_strip_on_each() -> None:
    """As ofdrw places it: five pages, 40 mm, strips of 8 mm at the right edge."""
    places = across_pages([OfdPage(str(number), *A4) for number in range(5)], (40.0, 40.0), 128.5)
    assert [place.box[0] for place in places] == [202, 194, 186, 178, 170]
    assert [place.clip for place in places] == [(8.0 * index, 0.0, 8.0, 40.0) for index in range(5)]
    assert all(place.shown == (202, 128.5, 8, 40) for place in places)
    with pytest.raises(BadInput):
        across_pages([OfdPage("1", *A4)], (40.0, 40.0), 128.5)


async def test_a_contract_is_sealed_across_its_pages(who: Identities) -> None:
    ofd = write_ofd(contract_pdf(), OfdFacts("合同", "1", "学校", datetime(2026, 12, 1, tzinfo=UTC)))
    pages = list_pages(OfdContainer(ofd), "Doc_0/Document.xml")
    assert [(page.number, round(page.width), round(page.height)) for page in pages] == [
        (str(number), 210, 297) for number in range(1, len(pages) + 1)
    ]
    places = across_pages(pages, (40.0, 40.0), 100.0)
    prepared = prepare_seal(ofd, who.seal, who.seal_certificate, USED_AT, places)
    sealed = prepared.finish(await who.seal_key.sign(prepared.to_be_signed))
    assert not verify_bytes(sealed, who.trust).failed


@pytest.mark.parametrize(
    "place",
    [
        StampPlace("2", (10, 10, 40, 40)),
        StampPlace("1", (180, 10, 40, 40)),
        StampPlace("1", (10, 270, 40, 40)),
        StampPlace("1", (-5, 10, 40, 40)),
        StampPlace("1", (10, 10, 0, 40)),
    ],
    ids=str,
)
def test_a_place_that_is_not_on_a_page_is_refused(who: Identities, place: StampPlace) -> None:
    for places in ([place], []):
        with pytest.raises(BadInput):
            prepare_seal(plain_ofd(), who.seal, who.seal_certificate, USED_AT, places)


BIG = StampPlace("1", (10, 10, 58, 58))


@pytest.mark.parametrize(
    ("places", "taken"),
    [
        ([BIG], True),
        ([StampPlace("1", (10, 10, 100, 34))], True),
        ([BIG] * 3, True),
        ([StampPlace("1", (10, 10, 60, 60))], False),
        ([StampPlace("1", (10, 10, 110, 5))], False),
        ([BIG] * 4, False),
        ([StampPlace("1", (10, 10, 190, 280), (0, 0, 40, 40))], False),
    ],
)
async def test_a_seal_hides_no_page_that_a_person_signed(
    who: Identities, places: list[StampPlace], taken: bool
) -> None:
    signed = await signed_by_person(plain_ofd(), who)
    prepared = prepare_seal(signed, who.seal, who.seal_certificate, USED_AT, places)
    report = verify_bytes(prepared.finish(await who.seal_key.sign(prepared.to_be_signed)), who.trust)
    assert failed(report) == (set() if taken else {Element.TEXT})
    assert ("could hide what is on the pages" in complaints(report)) != taken


def test_one_page_has_one_name_where_its_stamps_are_counted() -> None:
    stamp = '<x><StampAnnot PageRef="{}" Boundary="0 0 40 40"/></x>'
    names = ("1", " 1", "01", "+1")
    stamps = [read_stamps(read_xml(stamp.format(name).encode(), "x"), "x")[0] for name in names]
    assert are_small(stamps[:3]) and not are_small(stamps)


@pytest.mark.parametrize("boundary", ["", "10 10 40", "10 10 nan 40", "10 10 -40 40", "0 0 inf 1"])
async def test_a_stamp_without_a_size_is_not_read(who: Identities, sealed: bytes, boundary: str) -> None:
    name = next(name for name in members_of(sealed) if b"StampAnnot" in members_of(sealed)[name])
    written = re.sub(rb'Boundary="[^"]*"', b'Boundary="%b"' % boundary.encode(), members_of(sealed)[name])
    with pytest.raises(UnreadableDocument, match="without a place"):
        verify_bytes(with_members(sealed, **{name: written}), who.trust)
