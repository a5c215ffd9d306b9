"""What the engine remembers of the files that it wrote is what a reader would find in them; other files it reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass

import pytest

from hub.documents.pades import writer
from hub.documents.pades.known_files import KnownFiles
from hub.documents.pades.plan import Plan
from hub.documents.pades.source import read_plan
from hub.documents.signing.engine import OwnEngine
from hub.documents.signing.signature import Evidence, NewSignature
from tests.pades.made import GUARDIAN, picture, pki
from tests.pdf_steps import NoGeneralWay, close, utc_now
from tests.signing_parts import SEAL, boxes_for, sample_pdf, sign

EVIDENCE = Evidence([b"certificate", b"another endobj"], [b"list"])


class Reads:
    """The files whose plan was read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[bytes] = []

        def reading(pdf: bytes, *pages: set[int]) -> Plan:
            self.files.append(pdf)
            return read_plan(pdf, *pages)

        monkeypatch.setattr(writer, "read_plan", reading)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


def own() -> OwnEngine:
    return OwnEngine(utc_now, NoGeneralWay())


def plain(value: object) -> object:
    """A plan without the white space between the parts of its values, which a reader does not keep."""
    if isinstance(value, str):
        return "".join(value.split())
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return value


def known_plan(engine: OwnEngine, file: bytes) -> Plan | None:
    return engine.writer.known_files.look_up(file)[1]


async def test_after_each_step_the_plan_is_that_of_the_file(reads: Reads) -> None:
    engine, seal = own(), pki().seal
    document = engine.with_signature_fields(sample_pdf(), boxes_for([GUARDIAN]))
    files = [document]
    stranger = await pki().authority.enrol(pki().seal_key.spki, "王小明", "P1")
    steps = ((GUARDIAN, stranger.chain, picture()), (SEAL, seal.chain, None))
    for field, chain, stamp in steps:
        signature = NewSignature(field, certify=field == GUARDIAN, final=field == SEAL, appearance=stamp)
        prepared = engine.prepare(document, signature, chain)
        start, end = prepared.gap
        signed = prepared.file[: start + 1] + b"3003020100".ljust(end - start - 2, b"0") + prepared.file[end - 1 :]
        document = signed if field == SEAL else engine.with_validation_data(signed, field, EVIDENCE)
        files += [signed, document]
    assert reads.files == [sample_pdf()]
    for file in files:
        assert plain(known_plan(engine, file)) == plain(read_plan(file))


async def test_a_contract_is_finished_with_one_reading(reads: Reads) -> None:
    engine = own()
    issued = engine.with_signature_fields(sample_pdf(), boxes_for([GUARDIAN]))
    key, chain = pki().seal_key, pki().seal.chain
    signed = await sign(issued, GUARDIAN, key, chain, pki(), certify=True, engine=engine)
    validated = engine.with_validation_data(signed, GUARDIAN, EVIDENCE)
    sealed = await sign(validated, SEAL, key, chain, pki(), final=True, engine=engine)
    final = await close(sealed, pki().timestamps, [b"certificate"], [b"list"], engine=engine)
    assert reads.files == [sample_pdf()]
    assert [each.value is not None for each in read_plan(final).signatures.values()] == [True, True, True]


@pytest.mark.parametrize("place", [10, 900, -700])
def test_a_file_that_only_ends_alike_is_not_known(place: int) -> None:
    engine = own()
    issued = bytearray(engine.with_signature_fields(sample_pdf(), boxes_for([GUARDIAN])))
    issued[place] ^= 1
    assert known_plan(engine, bytes(issued)) is None


@pytest.mark.parametrize("at", ["before", "behind"])
def test_a_prepared_file_is_known_with_any_signature_but_no_other_change(at: str) -> None:
    engine = own()
    issued = engine.with_signature_fields(sample_pdf(), boxes_for([GUARDIAN]))
    signature = NewSignature(GUARDIAN, certify=True, final=False, appearance=None)
    prepared = engine.prepare(issued, signature, pki().seal.chain)
    assert known_plan(engine, prepared.file) is not None
    changed = bytearray(prepared.file)
    changed[prepared.gap[0] + 5] = ord("7")
    assert known_plan(engine, bytes(changed)) is not None
    changed[{"before": prepared.gap[0] - 5, "behind": prepared.gap[1] + 5}[at]] ^= 1
    assert known_plan(engine, bytes(changed)) is None


def test_only_the_last_files_are_kept_and_used_ones_longer() -> None:
    known, plan = KnownFiles(2), read_plan(sample_pdf())
    one, two, three = (sample_pdf() + b"%%%d\n" % number for number in (1, 2, 3))
    for file in (one, two):
        known.remember(file, plan._replace(length=len(file)))
    assert known.look_up(one)[1] is not None
    known.remember(three, plan._replace(length=len(three)))
    assert [known.look_up(file)[1] is None for file in (one, two, three)] == [False, True, False]


def test_threads_share_what_is_known() -> None:
    engine = own()
    issued = [engine.with_signature_fields(sample_pdf(), boxes_for([GUARDIAN])) for _ in range(20)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda file: known_plan(engine, file), issued * 5))
    assert all(plan is not None for plan in found)
