"""Each bench runs, prints its figures, and keeps a ledger from which they can be computed again. No speed is tested."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bench.programs.memory import PARTS, MemorySample, MemoryWatch
from bench.results import Result, median, percentile
from bench.simulated.people import person_number
from bench.simulated.providers import LedgerVerdict, Taken, judged, read_ledger
from bench.statements import count, read_entries
from hub.model.contract.person import parse_id_document
from tests.bench.measuring import Rows, measured, qianda
from tests.channels.doubles.ledger import Ledger


def cpu(rows: Rows, work: str) -> float:
    return median([float(row["cpu_s"]) for row in rows if row["work"] == work])


def test_statements_of_several_lines_are_counted() -> None:
    log = ["7 LOG:  execute __asyncpg_stmt_1__: \n", "\tSELECT id FROM seal\n", "\tWHERE name = $1\n"]
    log += ["7 DETAIL:  Parameters: $1 = 'x'\n", "7 LOG:  statement: COMMIT\n", "7 LOG:  statement: RESET ALL\n"]
    log += ["7 LOG:  execute __asyncpg_stmt_2__: SELECT contract.id\n"]
    counted = count(read_entries(log))
    assert (counted.transactions, counted.statements, counted.reads["contract"]) == (1, 2, 1)


def test_a_transaction_of_one_statement_is_counted() -> None:
    begins = "LOG:  execute __asyncpg_stmt_3__: SELECT opened.* FROM set_config('qianda.scope', $1, true)\n"
    log = ["8 LOG:  statement: BEGIN\n", f"8 {begins}", f"7 {begins}", "8 LOG:  statement: COMMIT\n", "\n"]
    counted = count(read_entries(log))
    assert (counted.transactions, counted.statements) == (2, 2)


def test_a_transaction_that_a_key_of_the_api_opens_is_counted() -> None:
    log = ["8 LOG:  execute s: SELECT opened.* FROM (SELECT enter_by_key($1) AS caller) AS entrance\n", "\n"]
    counted = count(read_entries(log))
    assert (counted.transactions, counted.statements) == (1, 1)


def test_what_the_pretend_phone_writes_is_counted_apart() -> None:
    enter = "WITH entered AS MATERIALIZED (SELECT set_config('qianda.scope', $1, true))"
    alone = f"7 LOG:  execute s: {enter}, opening AS (INSERT INTO outbox_message (key) VALUES ($2)) SELECT 1\n"
    begun = ["8 LOG:  statement: BEGIN;\n", "8 LOG:  execute s: SELECT outbox_message.key FROM outbox_message\n"]
    counted = count(read_entries([alone, *begun, "8 LOG:  statement: COMMIT;\n", "\n"]))
    assert (counted.phone_transactions, counted.phone_statements) == (2, 2)
    assert (counted.transactions, counted.statements) == (0, 0)
    also = [*begun, "8 LOG:  execute s: UPDATE delivery SET state = $1\n", "8 LOG:  statement: COMMIT;\n", "\n"]
    counted = count(read_entries(also))
    assert (counted.phone_transactions, counted.phone_statements) == (0, 1)
    assert (counted.transactions, counted.statements) == (1, 1), "a transaction of both is the product's"


def test_what_was_rolled_back_is_not_counted() -> None:
    log = ["8 LOG:  statement: BEGIN\n", "8 LOG:  execute s: SELECT 1\n", "8 LOG:  statement: ROLLBACK\n"]
    queue = ["9 LOG:  execute s: SELECT * FROM take_jobs($1)\n", "\n"]
    counted = count(read_entries([*log, *queue]))
    assert (counted.transactions, counted.statements) == (0, 1), "a poll of the queue is a statement"


@pytest.mark.real
def test_seal(tmp_path: Path) -> None:
    figures, rows = measured("seal", tmp_path, 1)
    assert {"ratio_stock_lta", "ratio_stock_ec", "ratio_limit_ec", "ratio_stock_rsa"} <= set(figures)
    again = cpu(rows, "stock_lta") / cpu(rows, "ours_lta")
    assert figures["ratio_stock_lta"] == pytest.approx(again, abs=0.001)


@pytest.mark.real
def test_verify(tmp_path: Path) -> None:
    figures, rows = measured("verify", tmp_path, 1)
    again = cpu(rows, "full_report") / cpu(rows, "pyhanko_alone")
    assert figures["ratio_pyhanko"] == pytest.approx(again, abs=0.001)


@pytest.mark.real
def test_ofd(tmp_path: Path) -> None:
    figures, rows = measured("ofd", tmp_path, 1)
    assert figures["seals_per_s_4kb"] == pytest.approx(1 / cpu(rows, "seal_4kb"), abs=0.001)
    assert {"seals_per_s_700kb", "bare_sm2_per_s", "verify_4kb_ms", "write_contract_ms"} <= set(figures)


@pytest.mark.real
def test_chain(tmp_path: Path) -> None:
    figures, rows = measured("chain", tmp_path, 3, timeout=600)
    contracts = [row for row in rows if row["work"] == "contract"]
    assert len(contracts) == 3 and all(int(row["pages"]) > 0 for row in contracts)
    used = sum(float(row["cpu_s"]) for row in rows if row["work"].startswith("cpu "))
    assert figures["cpu_ms_per_contract"] == pytest.approx(used / 3 * 1000, abs=0.001)
    assert figures["cpu_ms_pages"] > 0, "the process that draws pages was not found"
    (run,) = [row for row in rows if row["work"] == "run"]
    assert figures["contracts_per_s"] == pytest.approx(3 / float(run["wall_s"]), abs=0.001)
    assert figures["offered_per_s"] == pytest.approx(0.8 * figures["contracts_per_s"], abs=0.001)
    for load, figure in (("even", "step_p99_ms"), ("full", "step_p99_ms_with_full_cores")):
        calls = [float(row["wall_s"]) for row in rows if row["load"] == load]
        assert figures[figure] == pytest.approx(percentile(calls, 0.99) * 1000, abs=0.001)
    # The demo's pretend phone shows three messages of each contract, and notes each in a transaction of its own.
    assert figures["phone_transactions_per_contract"] == figures["phone_statements_per_contract"] == 3
    assert {row["work"] for row in rows} >= {"POST /sign/v1/signature", "GET /sign/v1/pages/_.png", "GET /s/_"}


def test_growth_is_told_from_the_second_half_of_enough_samples() -> None:
    caches_fill = [MemorySample(5.0 * each, part, 100 + 10 * each) for each in range(8) for part in PARTS]
    then = [MemorySample(40 + 5.0 * each, part, 180 + 0.5 * each) for each in range(8) for part in PARTS]
    assert MemoryWatch(caches_fill).figures(10.0) == {"mb_web_at_the_end": 170, "mb_work_at_the_end": 170}
    figures = MemoryWatch([*caches_fill, *then]).figures(10.0)  # 0.1 MB a second
    assert figures["mb_web_per_1000_contracts"] == pytest.approx(10)


@pytest.mark.real
def test_disk(tmp_path: Path) -> None:
    figures, rows = measured("disk", tmp_path, 3)
    kept = [row for row in rows if row["work"] == "kept" and row["table"]]
    again = sum(float(row["bytes"]) + float(row["index_bytes"]) for row in kept)
    assert figures["rows_kb"] == pytest.approx(again / 1000, abs=0.02)
    # Of five files of the contract one is left, beside its evidence package.
    assert (figures["files_at_first"], figures["files"]) == (6.0, 2.0)


@pytest.mark.real
def test_busy(tmp_path: Path, figures: Callable[..., None]) -> None:
    found, rows = measured("busy", tmp_path, 2)
    seconds = {work: [float(row["wall_s"]) for row in rows if row["work"] == work] for work in ("quiet", "busy")}
    again = percentile(seconds["busy"], 0.99) / percentile(seconds["quiet"], 0.99)
    assert found["p99_ratio"] == pytest.approx(again, abs=0.001)
    assert found["stalled"] >= 300 and found["calls_busy"] == len(seconds["busy"])
    assert min(found[name] for name in ("drips_ended", "drips_refused", "bombs_refused")) > 0
    assert found["verify_answered"] == 1
    figures(**found)


@pytest.mark.real
def test_import(tmp_path: Path) -> None:
    """No row is lost or added twice, also when the import is killed."""
    found, rows = measured("import", tmp_path, 3000)
    assert found["added"] == found["there_after_kill"] == 3000 and found["added_again"] == 0
    works = {row["work"]: row for row in rows}
    assert int(works["dry run"]["added"]) == 0 and 0 < int(works["killed"]["added"]) < 3000
    assert found["rows_per_s"] == pytest.approx(3000 / float(works["import"]["wall_s"]), abs=0.001)


def test_what_is_not_there_is_said() -> None:
    done = qianda("bench", "speed")
    assert done.returncode == 2
    assert "no bench" in done.stderr and not done.stdout


@pytest.mark.real
def test_land(tmp_path: Path) -> None:
    figures, rows = measured("land", tmp_path, 3)
    assert {row["work"] for row in rows} == {"landing", "bare"} and len(rows) == 6
    again = cpu(rows, "bare") / cpu(rows, "landing")
    assert figures["ratio_bare_aiohttp"] == pytest.approx(again, abs=0.001) and 0 < again < 1


@pytest.mark.real
def test_peers(tmp_path: Path) -> None:
    """Those that cannot be installed here are left out, and said to be."""
    figures, rows = measured("peers", tmp_path, 2, timeout=900)
    peers = {row["work"] for row in rows} - {"ours"}
    assert peers <= {"pyhanko_command", "endesive", "signpdf"}
    for peer in peers:
        again = cpu(rows, peer) / cpu(rows, "ours")
        assert figures[f"ratio_{peer}"] == pytest.approx(again, abs=0.001) and again > 1


def test_a_ledger_keeps_rows_of_several_kinds(tmp_path: Path) -> None:
    Result("mixed", {"half": 0.5}, [{"work": "a", "cpu_s": 1}, {"work": "b", "pages": 3}]).keep(tmp_path)
    lines = (tmp_path / "mixed.csv").read_text().split()
    assert lines == ["work,cpu_s,pages", "a,1,", "b,,3"]


def test_medians_and_percentiles() -> None:
    assert median([3, 1, 2]) == 2
    assert percentile(list(range(100)), 0.99) == 99
    assert percentile([7.0], 0.99) == 7.0


@pytest.mark.parametrize("number", [0, 1, 999, 1000, 4321])
def test_people_have_well_formed_numbers(number: int) -> None:
    written = person_number(date(1985, 1, 1), number)
    assert parse_id_document("cn-id", written, field="id_number").number == written


def accepted(phone: str, second: int) -> Taken:
    return Taken(phone, f"key-{phone}", "", datetime(2026, 12, 1, 10, 0, second, tzinfo=UTC))


def test_the_judge_counts_from_the_providers_own_ledger() -> None:
    once, thrice = "+12025550101", "+12025550102"
    ledger = [accepted(once, 1), accepted(thrice, 2), accepted(thrice, 3), accepted(thrice, 4)]
    assert judged([once, thrice], ledger) == LedgerVerdict(duplicates=2, most=2, lost=0)
    assert judged([once], ledger[:1]) == LedgerVerdict(0, 0, 0)
    assert judged([once, thrice, "+12025550103"], ledger[:2]) == LedgerVerdict(0, 0, lost=1)


def test_a_ledger_is_read_as_a_double_wrote_it(tmp_path: Path) -> None:
    with (tmp_path / "ledger").open("w") as file:
        double = Ledger(file)
        double.write("accepted", reference="SM1", to="+12025550101", text="…", key="step-1")
        double.write("reply lost")
        double.write("accepted", to="+12025550101", text="…", key="step-1")
    taken = read_ledger(tmp_path / "ledger")
    assert [(each.reference, each.key) for each in taken] == [("SM1", "step-1"), ("", "step-1")]
    assert judged(["+12025550101"], taken).duplicates == 1


@pytest.mark.real
def test_seal_jobs(tmp_path: Path) -> None:
    figures, rows = measured("seal-jobs", tmp_path, 60)
    assert [row["work"] for row in rows] == ["plain", "lasting", "killed"]
    for row in rows:
        assert (row["files"], row["lost"], row["twice"]) == ("60", "0", "0")
        again = float(row["cpu_s"]) * 1000 / 60
        assert figures[f"cpu_ms_per_file_{row['work']}"] == pytest.approx(again, abs=0.001)
