"""The judge of `qianda bench faults`, with ledgers and files that contain what it must find."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from bench.judges.fault_judge import at_night, not_reached
from bench.judges.finished import Finished, SignedDigest, Stamp
from bench.judges.ledger_judge import Ledgers, is_sealed_once, judge_files
from bench.simulated.crowd import CrowdPerson
from bench.simulated.population import Population
from bench.simulated.providers import Taken

SEAL, ANA, BEN = "1", "2", "3"


def signed(certificate: str, name: str) -> SignedDigest:
    return SignedDigest(certificate, f"digest of {name}", f"signature of {name}")


def file_of(certificate: str, name: str) -> Finished:
    """Return a file as it must be: one signer, one seal, three timestamps."""
    seal = signed(SEAL, f"the seal for {name}")
    stamps = tuple(Stamp(f"imprint {number} for {name}", f"{name} {number}") for number in range(3))
    return Finished((signed(certificate, name), seal), stamps, well=True)


FILES = (file_of(ANA, "Ana"), file_of(BEN, "Ben"))
LEDGERS = Ledgers(
    {SEAL: "seal", ANA: "person", BEN: "person"},
    [stamp for file in FILES for stamp in file.stamps],
    [(file.signatures[1].digest, file.signatures[1].signature_sha256) for file in FILES],
)
WRONG = ("sealed_twice", "seals_not_in_ledger", "timestamps_not_in_ledger", "certificates_not_in_ledger")


def wrong(files: tuple[Finished, ...], ledgers: Ledgers = LEDGERS) -> dict[str, float]:
    figures = judge_files(files, ledgers)
    return {name: figures[name] for name in WRONG if figures[name]}


def test_nothing_is_wrong_and_nothing_in_vain() -> None:
    figures = judge_files(FILES, LEDGERS)
    assert wrong(FILES) == {}
    assert (figures["seals"], figures["timestamps"], figures["certificates"]) == (2, 6, 2)
    assert not any(count for name, count in figures.items() if name.endswith("_in_vain"))
    assert all(is_sealed_once(file, LEDGERS) for file in FILES)


def test_a_reply_that_was_lost_is_a_call_in_vain_and_no_second_seal() -> None:
    digest, _ = LEDGERS.signed[0]
    again = replace(
        LEDGERS,
        signed=[*LEDGERS.signed, (digest, "signature nobody got")],
        stamped=[*LEDGERS.stamped, Stamp("imprint 0 for Ana", "later")],
        issued=LEDGERS.issued | {"4": "person"},
    )
    figures = judge_files(FILES, again)
    assert wrong(FILES, again) == {}
    assert (figures["seals_in_vain"], figures["timestamps_in_vain"], figures["certificates_in_vain"]) == (1, 1, 1)


def test_the_token_was_given_other_bytes_of_a_contract() -> None:
    ledgers = replace(LEDGERS, signed=[*LEDGERS.signed, ("digest of another file", "signature over it")])
    assert wrong(FILES, ledgers) == {"sealed_twice": 1}


def test_two_seals_in_a_file_and_one_seal_in_two_files() -> None:
    ana, ben = FILES
    twice = replace(ana, signatures=(*ana.signatures, ben.signatures[1]))
    assert wrong((twice,)) == {"sealed_twice": 1}
    assert not is_sealed_once(twice, LEDGERS)
    same = replace(ben, signatures=(ben.signatures[0], ana.signatures[1]))
    assert wrong((ana, same))["sealed_twice"] == 2  # the second: its own seal is in no file


@pytest.mark.parametrize(
    ("name", "fewer"),
    [
        ("seals_not_in_ledger", {"signed": LEDGERS.signed[1:]}),
        ("timestamps_not_in_ledger", {"stamped": LEDGERS.stamped[1:]}),
        ("certificates_not_in_ledger", {"issued": {SEAL: "seal", BEN: "person"}}),
    ],
)
def test_what_nobody_gave_is_found(name: str, fewer: dict[str, object]) -> None:
    assert wrong(FILES, replace(LEDGERS, **fewer)) == {name: 1}  # type: ignore[arg-type]  # one field at a time


def test_ledgers_are_read_as_the_services_write_them(tmp_path: Path) -> None:
    lines = {
        "authority": [{"what": "issued", "serial": ANA, "purpose": "person"}, {"what": "reply lost"}],
        "timestamps": [{"what": "asked", "imprint": "aa"}, {"what": "stamped", "imprint": "aa", "serial": "7"}],
        "seal": [{"what": "signed", "digest": "bb", "signature_sha256": "cc"}],
    }
    for name, entries in lines.items():
        (tmp_path / name).write_text("".join(json.dumps(each) + "\n" for each in entries))
    read = Ledgers.read(*(tmp_path / name for name in lines))
    assert read == Ledgers({ANA: "person"}, [Stamp("aa", "7")], [("bb", "cc")])


def person(number: int) -> CrowdPerson:
    return CrowdPerson(f"+1202555010{number}", UUID(int=number))


def message(to: CrowdPerson, key: str) -> Taken:
    return Taken(to.phone, key, "", datetime(2026, 12, 1, 2, 0, tzinfo=UTC))


def test_the_providers_ledger_says_who_was_not_reached_and_who_was_woken() -> None:
    signing, invited, declining, expiring, asleep = map(person, range(1, 6))
    people = Population([], [signing], [invited], [declining], [expiring], [asleep])
    everybody = [message(each, f"step-{each.signer}-1") for each in (signing, invited, declining, expiring)]
    assert (not_reached(people, everybody), at_night(people, everybody)) == (0, 0)
    only_a_code = [*everybody[1:], message(signing, "code-1")]
    assert not_reached(people, only_a_code) == 1
    assert at_night(people, [*everybody, message(asleep, "step-5-2")]) == 1
