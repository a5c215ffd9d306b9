"""What was packed once can be read for ever: its dictionary never changes, and what is damaged is refused."""

from __future__ import annotations

import hashlib
import json
import zlib

import pytest
from hypothesis import given, strategies as st

from hub.errors import ContractUnreadable
from hub.store.encryption.packing import DICTIONARY, PACKED_FROM, PackedJson, pack, read_dictionary, unpack

NEVER_CHANGES = "c5d195bbc258e65d8193f87e7f7a1679aa92ea6c5b739ab0efcdffb8ba8bf259"
PACKED_ONCE = (
    "78f9d0aafb7eeddacb4d04201000d05628800bffa1182b31966605c606acc647f6b0ebcd0238cf0b30244cc2c0fb9f56dae3"
    "6af5f9f3e8c79c03f4fdf57c17bbe28a2baeb8e23fe2b55a2be525a79a53cba9e734729a39ad9c22a72d74c2e2052844410a"
    "53a04215ac7095ab671cae72e7fb6ee52a57b9ca55ae718d6b6742ae718d6b5ce31ad7b8ce75ae73fdac8ceb5ce73ad7b9ce"
    "0d6e70831bdc382970831bdce00637b9c94d6e72939b27576e72939bdce216b7b8c52d6e71eb6c0ab7b8c505175c70c10517"
    "5c7071768f0b6e739bdbdce636b7b9cd6d6ec7dbc72faa5e5d1b"
)
LONG = json.dumps({"text": "乙方在第一节课之前可以退全部费用。" * 40, "rows": list(range(99))}, ensure_ascii=False)


def test_the_dictionary_never_changes() -> None:
    assert hashlib.sha256(DICTIONARY.read_bytes()).hexdigest() == NEVER_CHANGES
    assert len(read_dictionary()) <= 32_768 - 262  # zlib uses no more of it


def test_what_an_earlier_version_packed_is_read() -> None:
    assert unpack(bytes.fromhex(PACKED_ONCE)) == LONG


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 2 * PACKED_FROM))
def test_every_text_comes_back(text: str, more: int) -> None:
    value = json.dumps([text, "x" * more], ensure_ascii=False)
    assert unpack(pack(value)) == value


def test_what_says_nothing_of_the_dictionary_is_packed_as_well() -> None:
    assert len(pack(LONG)) < len(LONG.encode()) / 3 and pack("[1]") == b"[1]"


def test_a_packed_text_that_was_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="packed data"):
        unpack(pack(LONG)[:-1])


def test_another_dictionary_is_refused() -> None:
    packing = zlib.compressobj(zdict=b"another dictionary")
    with pytest.raises(ValueError, match="packed data cannot be read"):
        unpack(packing.compress(LONG.encode()) + packing.flush())


def test_an_object_is_read_when_a_part_of_it_is_asked_for() -> None:
    found = PackedJson(pack('{"asked": {"deadline": null}, "text": []}'))
    assert found == {"asked": {"deadline": None}, "text": []}
    assert (found.get("text"), len(found)) == ([], 2)
    cut_off = PackedJson(pack('{"text": ["' + "x" * 600 + '"]}')[:-1])
    with pytest.raises(ContractUnreadable, match="packed data is truncated"):
        cut_off.get("text")
