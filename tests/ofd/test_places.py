"""Where seals are shown: across pages, and never where nobody sees them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.documents.ofd.places import StampPlace, across_pages
from hub.documents.ofd.sign import prepare_seal
from hub.documents.ofd.write import OfdFacts, write_ofd
from hub.errors import BadInput
from qianda.ofd.container import OfdContainer
from qianda.ofd.page_list import OfdPage, list_pages
from qianda.verify import verify_bytes
from tests.documents.contract_samples import contract_pdf
from tests.ofd.identities import USED_AT, Identities
from tests.ofd.plain import plain_ofd

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
