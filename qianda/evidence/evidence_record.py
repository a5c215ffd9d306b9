"""Check an evidence record: files existed at a time, and were unaltered at each renewal. RFC 4998, 4.3, 5.3."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from qianda.evidence import reasons
from qianda.evidence.reasons import BadPackage
from qianda.evidence.record_form import ArchiveTimeStamp, ArchiveTimeStampSequence, EvidenceRecord, combine
from qianda.verify.cms_check import BadCmsSignature, CheckedTimestamp, check_timestamp

_HASHES = ("sha256", "sha384", "sha512")
_NO_PARAMETERS = (b"", b"\x05\x00")
MAX_RECORD_BYTES = 5 << 20  # a timestamp service may answer with 64 KiB, and the tree comes on top
# A record is renewed every few years. Without a limit, a small one could have thousands of chains over all files.
MAX_TIMESTAMPS = 64


@dataclass(frozen=True)
class ProvenFiles:
    """What an evidence record proves. `since`: its first timestamp. `renewals`: how many timestamps followed.

    `timestamps`: all of them, in chronological order. The caller judges whose they are.
    """

    since: datetime
    renewals: int
    timestamps: tuple[CheckedTimestamp, ...]


def check_evidence_record(record: bytes, files: Mapping[str, bytes], *, as_group: bool = True) -> ProvenFiles:
    """Check the record over these files. `as_group`: it must be about these files and no others. Raises BadPackage."""
    try:
        read = _read(record)
        checked, used = _checked(read["archive_time_stamp_sequence"], files, as_group)
        if [str(each["algorithm"].native) for each in read["digest_algorithms"]] != used:  # RFC 4998, 3.1
            raise BadPackage(reasons.RECORD_UNREADABLE)
        return checked
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # asn1crypto parses the parts only on access
        raise BadPackage(reasons.RECORD_UNREADABLE) from error


def _checked(
    sequence: ArchiveTimeStampSequence, files: Mapping[str, bytes], as_group: bool
) -> tuple[ProvenFiles, list[str]]:
    """Return what the chains prove, and their hash algorithms in the order of use."""
    archived: list[ArchiveTimeStamp] = []
    digests: dict[str, dict[str, bytes]] = {}  # of the files, by algorithm
    for number, chain in enumerate(sequence):
        # The original bytes: encoding them anew would reorder a timestamp's certificates, and take seconds.
        above = ArchiveTimeStampSequence(list(sequence)[:number]).dump() if number else b""
        algorithm = _algorithm_of(chain[0])
        if algorithm not in digests:
            digests[algorithm] = {name: hashlib.new(algorithm, content).digest() for name, content in files.items()}
        _check_chain(list(chain), _leaves(algorithm, digests[algorithm], above), as_group)
        archived += chain
    stamps = [_check_timestamp(one) for one in archived]
    for before, after in pairwise(stamps):
        if after.time < before.time:  # equal times are fine: each covers the one before it
            raise BadPackage(reasons.RECORD_ORDER)
        if after.time > before.certificate.not_valid_after:
            raise BadPackage(reasons.RECORD_LATE)
    used = dict.fromkeys(_algorithm_of(one) for one in archived)
    return ProvenFiles(stamps[0].time, len(stamps) - 1, tuple(stamps)), list(used)


def _read(record: bytes) -> EvidenceRecord:
    if len(record) > MAX_RECORD_BYTES:
        raise BadPackage(reasons.RECORD_UNREADABLE)
    try:
        read: EvidenceRecord = EvidenceRecord.load(record, strict=True)
        about_more = [read[name].native for name in ("crypto_infos", "encryption_info")]
        if read["version"].native != 1 or about_more != [None, None]:
            raise BadPackage(reasons.RECORD_UNREADABLE)
        if any(each["parameters"].dump() not in _NO_PARAMETERS for each in read["digest_algorithms"]):
            raise BadPackage(reasons.RECORD_UNREADABLE)
        sequence = read["archive_time_stamp_sequence"]
        if not 0 < len(sequence) <= MAX_TIMESTAMPS or not all(len(chain) for chain in sequence):
            raise BadPackage(reasons.RECORD_UNREADABLE)
        if sum(len(chain) for chain in sequence) > MAX_TIMESTAMPS:
            raise BadPackage(reasons.RECORD_UNREADABLE)
        return read
    except (ValueError, TypeError, KeyError) as error:
        raise BadPackage(reasons.RECORD_UNREADABLE) from error


def _check_chain(chain: Sequence[ArchiveTimeStamp], leaves: Mapping[str, bytes], as_group: bool) -> None:
    """Check the hashes of one chain: it has one algorithm, and each timestamp covers the one before it. `leaves`: what
    its first timestamp covers."""
    algorithm, covered = _algorithm_of(chain[0]), leaves
    for number, archived in enumerate(chain):
        lists = [[node.native for node in part] for part in archived["reduced_hashtree"] or ()]
        root = _root(algorithm, lists, covered, as_group and not number)
        if _algorithm_of(archived) != algorithm or _imprint(archived) != (algorithm, root):
            raise BadPackage(reasons.RECORD_HASH)
        before = archived["time_stamp"].dump()
        covered = {"timestamp": hashlib.new(algorithm, before).digest()}


def _leaves(algorithm: str, digests: Mapping[str, bytes], above: bytes) -> Mapping[str, bytes]:
    """Return the leaves of the files, by their digests. `above`: the DER of the chains before. The first timestamp of a
    chain covers it together with each file."""
    if not above:
        return digests
    proven = hashlib.new(algorithm, above).digest()
    return {name: hashlib.new(algorithm, digest + proven).digest() for name, digest in digests.items()}


def _check_timestamp(archived: ArchiveTimeStamp) -> CheckedTimestamp:
    """Check the timestamp itself. `_check_chain` has already compared its imprint with the tree."""
    try:
        return check_timestamp(archived["time_stamp"].dump(), lambda _: _imprint(archived)[1])
    except BadCmsSignature as error:
        raise BadPackage(reasons.RECORD_TIME.about(why=error.reason)) from error


def _root(algorithm: str, lists: list[list[bytes]], covered: Mapping[str, bytes], as_group: bool) -> bytes:
    first = lists[0] if lists else list(covered.values())
    if not lists and len(first) != 1:
        raise BadPackage(reasons.RECORD_HASH)
    for name, digest in covered.items():
        if digest not in first:
            raise BadPackage(reasons.RECORD_MISSES.about(name=name))
    if as_group and sorted(first) != sorted(covered.values()):
        raise BadPackage(reasons.RECORD_GROUP)
    node = combine(algorithm, first)
    for others in lists[1:]:
        node = combine(algorithm, [node, *others])
    return node


def _imprint(archived: ArchiveTimeStamp) -> tuple[str, bytes]:
    """Return the algorithm and the hash in the timestamp."""
    try:
        stamped = archived["time_stamp"]["content"]["encap_content_info"]["content"].parsed["message_imprint"]
        return str(stamped["hash_algorithm"]["algorithm"].native), bytes(stamped["hashed_message"].native)
    except (ValueError, TypeError, KeyError) as error:
        raise BadPackage(reasons.RECORD_UNREADABLE) from error


def _algorithm_of(archived: ArchiveTimeStamp) -> str:
    """Return the algorithm of the tree; if none is named, that of the timestamp's imprint (RFC 4998, 4.1)."""
    if archived["attributes"].native is not None:  # no timestamp covers them
        raise BadPackage(reasons.RECORD_UNREADABLE)
    named = archived["digest_algorithm"].native
    algorithm = str(named["algorithm"]) if named else _imprint(archived)[0]
    if algorithm not in _HASHES:
        raise BadPackage(reasons.HASH_UNKNOWN.about(what=algorithm))
    return algorithm
