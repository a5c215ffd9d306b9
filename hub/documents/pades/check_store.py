"""Check the store of evidence (/DSS) that a revision of the finished file wrote: it keeps what it had, and adds only
evidence.

Source: ISO 32000-2, 12.8.4.3 and 12.8.4.4.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from cryptography.x509.ocsp import load_der_ocsp_response

from hub.documents.pades.check_cms import OutsideProfile
from hub.documents.pades.written_revisions import FileIsWrong, WrittenRevision
from qianda.certificate_loading import load_revocation_list
from qianda.pdf import Reference, Stream, Value

# Bytes of one list or certificate.
MAX_EVIDENCE_BYTES: Final = 64 << 20
# Names in the store, and in an entry of /VRI.
_LISTS: Final = {"/Certs": "/Cert", "/CRLs": "/CRL", "/OCSPs": "/OCSP"}
_READERS: Final[dict[str, Callable[[bytes], object]]] = {
    "/CRLs": load_revocation_list,
    "/OCSPs": load_der_ocsp_response,
}


@dataclass(frozen=True)
class WrittenStore:
    """A store. `lists`: numbers of the objects in each list; `entries`: those of the signatures' entries in /VRI, by
    name."""

    number: int
    lists: dict[str, list[int]]
    entries: dict[str, int]


NO_STORE: Final = WrittenStore(0, {}, {})


def check_store(
    revision: WrittenRevision, before: WrittenStore, vri: str, others: set[int], certificates: Collection[bytes]
) -> WrittenStore:
    """Return the store of this revision, which adds evidence for the signature `vri` to that of the store `before`.

    `others`: numbers of objects that are checked elsewhere; `certificates`: those that it may contain. Raises
    FileIsWrong, and OutsideProfile for other certificates.
    """
    store = _read_store(revision, before.number)
    if any(store.lists.get(name, [])[: len(old)] != old for name, old in before.lists.items()):
        raise FileIsWrong("evidence was removed from the store")
    added = {name: listed[len(before.lists.get(name, [])) :] for name, listed in store.lists.items()}
    entry = store.entries.get(f"/{vri}", 0)
    if store.entries != before.entries | {f"/{vri}": entry}:
        raise FileIsWrong("the signatures that evidence is for")
    found = sorted([*(number for listed in added.values() for number in listed), entry, store.number])
    if found != sorted({*revision.new, store.number} - others):
        raise FileIsWrong("objects that are no evidence")
    _check_entry(revision.values[entry], store)
    for name, listed in added.items():
        for number in listed:
            content = _content(revision.values[number])
            if name in _READERS:
                _READERS[name](content)
            elif content not in certificates:
                raise OutsideProfile("evidence with a certificate that is not configured")
    return store


def _read_store(revision: WrittenRevision, number: int) -> WrittenStore:
    """Return the store with this number, or, for 0, the new one."""
    values = revision.values
    found = [number] if number else [new for new in revision.new if "/VRI" in entries_of(values[new])]
    if len(found) != 1:
        raise FileIsWrong("the store")
    lists = dict(entries_of(values.get(found[0])))
    entries = {name: _number(entry) for name, entry in entries_of(lists.pop("/VRI", None)).items()}
    if not lists.keys() <= _LISTS.keys():
        raise FileIsWrong("the store")
    return WrittenStore(found[0], {name: _numbers(listed) for name, listed in lists.items()}, entries)


def _check_entry(entry: Value, store: WrittenStore) -> None:
    """Check that an entry of /VRI refers to evidence in the store, some of it about revocation."""
    lists = dict(entries_of(entry))
    about_revocation = lists.get("/CRL") or lists.get("/OCSP")
    if lists.pop("/Type", None) != "/VRI" or not about_revocation or not lists.keys() <= set(_LISTS.values()):
        raise FileIsWrong("evidence of another form")
    for name, own in _LISTS.items():
        if not set(_numbers(lists.get(own, []))) <= set(store.lists.get(name, [])):
            raise FileIsWrong("evidence that refers to other objects")


def entries_of(value: Value) -> dict[str, Value]:
    """Return the entries of a dictionary; none for any other value."""
    return value if isinstance(value, dict) else {}


def _numbers(listed: Value) -> list[int]:
    if not isinstance(listed, list):
        raise FileIsWrong("the store")
    return list(map(_number, listed))


def _number(value: Value) -> int:
    if not isinstance(value, Reference):
        raise FileIsWrong("the store")
    return value.number


def _content(value: Value) -> bytes:
    match value:
        case Stream(entries={"/Length": _, **others}, data=data) if not others:
            return data
        case Stream(entries={"/Length": _, "/Filter": "/FlateDecode", **others}, data=data) if not others:
            unpacker = zlib.decompressobj()
            content = unpacker.decompress(data, MAX_EVIDENCE_BYTES)
            if unpacker.eof and not unpacker.unused_data:
                return content
    raise FileIsWrong("evidence of another form")
