"""Closed candles on disk: what is kept, what a restart makes of it, and what damage does."""

from __future__ import annotations

import logging
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import astuple, replace

from support import BTC, START_NS, order
from tickwire.errors import TapeError
from tickwire.limits import CANDLE_SERIES_PER_TURN, CANDLES_KEPT_MAX
from tickwire.market.market import Market
from tickwire.model.channel import CANDLE_INTERVALS_NS
from tickwire.model.events import Candle
from tickwire.model.records import ListInstrument, Record
from tickwire.server.pipeline import restore
from tickwire.tape import candles as module
from tickwire.tape.candles import BROKEN_FILES_MAX, CLOSES_PER_DELETION, CandleStore
from tickwire.tape.memory import MemoryTape
from unit.test_pipeline import Setup

S = BTC.symbol
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
COARSE = replace(BTC, tick_size="0.1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "candles.db"


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[CandleStore]:
    store = CandleStore(path if request.param == "file" else None)
    store.listed(BTC)
    yield store
    store.close()


def candle(number: int, interval: int = MINUTE, symbol: str = S, close: int = 7) -> Candle:
    """The candle of an interval's `number`th stretch; its quote volume does not fit 64 bits."""
    start = number * interval
    return Candle(
        symbol, number, start + interval, interval, start, 5, 9, 4, close, 100, 10**25, 3, True, 60, 10**24, 1, 3,
        start + 1, start + 2,
    )  # fmt: skip


def numbers(store: CandleStore, interval: str = "1m", symbol: str = S, limit: int = 10**6) -> list[int]:
    return [row.seq for row in store.candles(symbol, interval, limit=limit)]


def test_candles_come_back_as_they_were(store: CandleStore) -> None:
    kept = [candle(n) for n in (3, 5, 4)]
    store.add(kept)
    assert store.candles(S, "1m", limit=10) == [kept[0], kept[2], kept[1]]
    assert store.candles(S, "5m", limit=10) == []
    assert store.candles("SIM:ETH-USDT", "1m", limit=10) == []


def test_a_range_and_which_end_of_it(store: CandleStore) -> None:
    store.add(candle(n) for n in range(10))
    start, end = 2 * MINUTE, 8 * MINUTE

    def found(**given: int) -> list[int]:
        return [row.seq for row in store.candles(S, "1m", **{"limit": 100, **given})]  # type: ignore[arg-type]

    assert found(start=start, end=end) == [2, 3, 4, 5, 6, 7]
    assert found(start=start + 1, end=end + 1) == [3, 4, 5, 6, 7, 8]
    assert found(start=start, end=end, limit=2) == [6, 7]
    assert found(start=start, end=end, limit=2, newest=False) == [2, 3]
    assert found(start=-1, end=2**70, limit=1) == [9]
    assert found(start=end, end=start) == []


def test_the_same_candle_again_is_there_once_and_the_last_word_counts(store: CandleStore) -> None:
    store.add([candle(1), candle(2)])
    store.add([candle(2, close=8), candle(2, close=6)])
    assert [(row.seq, row.close) for row in store.candles(S, "1m", limit=10)] == [(1, 7), (2, 6)]


def add(store: CandleStore, *kept: Candle) -> None:
    """Add these and write them to the end."""
    store.add(kept)
    store.save()


def test_only_the_newest_are_kept_of_each_interval(store: CandleStore) -> None:
    add(store, *(candle(n) for n in (0, 1, 2, 9, CANDLES_KEPT_MAX)))
    add(store, *(candle(n, 5 * MINUTE) for n in (0, 1)))
    assert numbers(store) == [1, 2, 9, CANDLES_KEPT_MAX]
    newer = range(CANDLES_KEPT_MAX + 8, CANDLES_KEPT_MAX + 8 + CLOSES_PER_DELETION)
    for n in newer[:-1]:
        add(store, candle(n))
    assert numbers(store) == [1, 2, 9, CANDLES_KEPT_MAX, *newer[:-1]]
    add(store, candle(newer[-1]))
    assert numbers(store) == [CANDLES_KEPT_MAX, *newer]
    assert numbers(store, "5m") == [0, 1]


def test_what_is_old_all_at_once_goes_a_few_at_a_time_and_faster_than_new_candles_come(store: CandleStore) -> None:
    old = 3 * CLOSES_PER_DELETION + 5
    add(store, *(candle(n) for n in range(old)))
    left = []
    for n in range(2 * CLOSES_PER_DELETION + 1):
        add(store, candle(10 * CANDLES_KEPT_MAX + n))
        left.append(sum(seq < old for seq in numbers(store)))
    assert (left[0], left[CLOSES_PER_DELETION - 2]) == (old, old)
    assert left[CLOSES_PER_DELETION - 1 : 2 * CLOSES_PER_DELETION - 1] == [old - 2 * CLOSES_PER_DELETION] * (
        CLOSES_PER_DELETION
    )
    assert left[-1] == 0


def test_as_many_go_as_come_when_a_restart_adds_more_than_is_kept(store: CandleStore) -> None:
    count = 2 * CANDLES_KEPT_MAX
    add(store, *(candle(n) for n in range(count)))
    assert numbers(store) == list(range(count - CANDLES_KEPT_MAX, count))


# ---- waiting -------------------------------------------------------------------------------------


MANY = [f"SIM:A{n}-USDT" for n in range(CANDLE_SERIES_PER_TURN + 2)]


def rows(path: Path) -> list[tuple[str, int]]:
    """Symbol and number of every candle in a file that is closed."""
    with closing(sqlite3.connect(path)) as db:
        return sorted(db.execute("SELECT symbol, start / interval FROM candles"))


def copied(path: Path) -> Path:
    """The file and its log as they are, since one that is open can't be read."""
    for suffix in ("", "-wal"):
        path.with_name(f"copy.db{suffix}").write_bytes(path.with_name(f"candles.db{suffix}").read_bytes())
    return path.with_name("copy.db")


def test_a_turn_writes_a_few_series_those_that_wait_longest_and_all_can_be_read(path: Path) -> None:
    store = CandleStore(path)
    for number in (1, 2):
        store.add(candle(number, symbol=symbol) for symbol in MANY)
    store.write_some()
    assert [numbers(store, symbol=symbol) for symbol in MANY] == [[1, 2]] * len(MANY)
    store.add([candle(3, symbol=MANY[0])])
    assert rows(copied(path)) == sorted((symbol, number) for symbol in MANY[:-2] for number in (1, 2))
    assert numbers(store, symbol=MANY[0]) == [1, 2, 3]
    store.write_some()
    store.close()
    assert rows(path) == sorted([*((symbol, number) for symbol in MANY for number in (1, 2)), (MANY[0], 3)])


def test_a_turn_writes_more_where_much_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANDLE_SERIES_PER_TURN", 1)
    store = CandleStore(path)
    store.add(candle(1, symbol=symbol) for symbol in MANY[:60])
    store.write_some()
    assert rows(copied(path)) == sorted((symbol, 1) for symbol in MANY[:3])
    store.close()


def test_what_waits_and_what_is_written_are_one_range(store: CandleStore) -> None:
    add(store, *(candle(n) for n in (1, 3, 5, 7)))
    store.add([candle(n, close=8) for n in (2, 5, 8)])

    def found(**given: int) -> list[tuple[int, int]]:
        return [(row.seq, row.close) for row in store.candles(S, "1m", **{"limit": 100, **given})]  # type: ignore[arg-type]

    assert found() == [(1, 7), (2, 8), (3, 7), (5, 8), (7, 7), (8, 8)]
    assert found(limit=2) == [(7, 7), (8, 8)]
    assert found(limit=3, newest=False) == [(1, 7), (2, 8), (3, 7)]
    assert found(start=2 * MINUTE, end=8 * MINUTE, limit=3) == [(3, 7), (5, 8), (7, 7)]
    assert found(limit=0) == []


def test_only_so_many_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANDLES_WAITING_MAX", 3)
    monkeypatch.setattr(module, "CANDLE_SERIES_PER_TURN", 1)
    store = CandleStore(path)
    store.add([candle(1, symbol="A"), candle(1, symbol="B"), candle(2, symbol="A")])
    store.add([candle(1, symbol="C")])
    store.listed(replace(BTC, venue="X", base="Y"))
    store.add([candle(2, symbol="B")])
    assert rows(copied(path)) == [("A", 1), ("A", 2)]
    store.close()
    assert rows(path) == [("A", 1), ("A", 2), ("B", 1), ("B", 2), ("C", 1)]


def test_other_steps_make_candles_meaningless(store: CandleStore) -> None:
    other = replace(BTC, base="ETH")
    store.listed(other)
    add(store, candle(1), candle(1, symbol=other.symbol))
    store.add([candle(2)])
    store.listed(replace(BTC, taker_fee="0.001"))
    assert numbers(store) == [1, 2]
    store.listed(COARSE)
    assert (numbers(store), numbers(store, symbol=other.symbol)) == ([], [1])


def test_what_the_tape_does_not_know_of_is_forgotten(store: CandleStore) -> None:
    store.add([candle(n) for n in (1, 2, 3)])
    store.add([candle(n, SECOND) for n in (179, 180, 181)])
    store.cut(3 * MINUTE + SECOND)
    assert (numbers(store), numbers(store, "1s")) == ([1, 2], [179, 180])
    store.cut(0)
    assert (numbers(store), numbers(store, "1s")) == ([], [])


# ---- restarts ------------------------------------------------------------------------------------


def test_a_file_is_read_again_with_its_steps(path: Path) -> None:
    for number in (1, 2):
        store = CandleStore(path)
        store.listed(BTC)
        store.add([candle(number)])
        store.save()
        store.close()
    store = CandleStore(path)
    assert numbers(store) == [1, 2]
    store.listed(COARSE)
    assert numbers(store) == []
    store.close()
    store.close()


def begun_anew(path: Path, caplog: pytest.LogCaptureFixture) -> CandleStore:
    with caplog.at_level(logging.ERROR):
        store = CandleStore(path)
    store.listed(BTC)
    assert "begun anew" in caplog.text
    assert path.with_name("candles.db.broken-1").exists()
    assert numbers(store) == []
    store.add([candle(4)])
    assert numbers(store) == [4]
    store.close()
    return CandleStore(path)


def test_a_file_that_is_none_is_moved_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    store = begun_anew(path, caplog)
    assert numbers(store) == [4]
    store.close()


def test_a_file_of_another_version_is_moved_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    begun_anew(path, caplog).close()
    assert "it has version 99, this tickwire reads 1" in caplog.text


def test_damage_that_shows_in_use_does_not_stop_anything(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = CandleStore(path)
    store.listed(BTC)
    store.add(candle(n) for n in range(2_000))
    store.save()
    store.close()
    whole = path.read_bytes()
    page = int.from_bytes(whole[16:18], "big")
    path.write_bytes(whole[: 3 * page] + b"\xff" * (len(whole) - 3 * page))
    store = CandleStore(path)
    with caplog.at_level(logging.ERROR):
        assert numbers(store) == []
    assert "begun anew" in caplog.text
    store.add([candle(5)])
    store.listed(BTC)  # whose steps were not forgotten
    assert numbers(store) == [5]
    store.close()
    store = CandleStore(path)
    store.listed(BTC)
    assert numbers(store) == [5]
    store.close()


def test_damaged_files_are_kept_and_not_put_in_each_others_place(path: Path) -> None:
    for number in range(BROKEN_FILES_MAX + 2):
        path.write_bytes(b"%d is not a database" % number * 100)
        CandleStore(path).close()
    kept = {file.name: file.read_bytes()[:1] for file in path.parent.glob("*.broken*")}
    assert kept == {f"candles.db.broken-{n + 1}": b"%d" % n for n in range(BROKEN_FILES_MAX)}


def test_a_damaged_row_is_said_once_and_deleted(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = CandleStore(path)
    store.listed(BTC)
    store.add(candle(n) for n in range(8))
    store.close()
    row = astuple(candle(1))
    damaged: dict[int, object] = {
        1: b'["SIM',
        2: msgspec.json.encode(row[:-1]),
        3: msgspec.json.encode([row[0], "1", *row[2:]]),
        4: msgspec.json.encode(row),
        5: b'["\xff"]',
        6: b"",
    }
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany("UPDATE candles SET body = ? WHERE start = ?", [(b, n * MINUTE) for n, b in damaged.items()])
    store = CandleStore(path)
    with caplog.at_level(logging.ERROR):
        assert store.candles(S, "1m", limit=100) == [candle(0), candle(7)]
        assert numbers(store) == [0, 7]
    assert caplog.messages == [f"6 closed candles were damaged and are deleted, the first is {(S, MINUTE, 6 * MINUTE)}"]
    store.close()
    assert rows(path) == [(S, 0), (S, 7)]


def filled(path: Path) -> None:
    store = CandleStore(path)
    store.listed(BTC)
    store.add(candle(n) for n in range(300))
    store.close()


@contextmanager
def full_disk(after_bytes: int) -> Iterator[None]:
    """No file can grow beyond this."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_disk_that_is_full_at_the_start_loses_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(path)
    with caplog.at_level(logging.ERROR), full_disk(100):
        store = CandleStore(path)
        store.listed(BTC)
        assert numbers(store) == list(range(300))
        for n in (300, 301):
            store.add([candle(n)])
            store.write_some()
            assert numbers(store) == list(range(300))
        store.close()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("closed candles can't be written: d")  # "disk I/O error", or "... is full"
    store = CandleStore(path)
    assert numbers(store) == list(range(300))
    store.close()
    assert [file.name for file in path.parent.iterdir()] == ["candles.db"]


def test_a_full_disk_with_no_file_yet_leaves_the_memory(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), full_disk(100):
        store = CandleStore(path)
        store.listed(BTC)
        add(store, candle(1))
        assert numbers(store) == [1]
        store.close()
    assert len(caplog.messages) == 1
    assert "kept in memory only, until the next start" in caplog.text
    assert not list(path.parent.glob("*.broken*"))


@pytest.mark.parametrize("after_bytes", [100, 100_000])
def test_a_disk_that_fills_while_it_begins_anew_leaves_the_memory(
    path: Path, caplog: pytest.LogCaptureFixture, after_bytes: int
) -> None:
    filled(path)
    store = CandleStore(path)
    for n in range(2_000):
        store.listed(replace(BTC, base=f"A{n}"))
    store.close()
    whole = path.read_bytes()
    store = CandleStore(path)
    page = int.from_bytes(whole[16:18], "big")
    path.write_bytes(whole[:page] + b"\xff" * (len(whole) - page))
    with caplog.at_level(logging.ERROR), full_disk(after_bytes):
        assert numbers(store) == []
        add(store, candle(5))
        store.listed(BTC)  # whose steps were not forgotten
        store.listed(replace(BTC, base="A1999"))
        assert numbers(store) == [5]
        store.close()
    assert ["begun anew" in caplog.messages[0], "in memory only" in caplog.messages[1]] == [True, True]
    assert len(caplog.messages) == 2


def reader(path: Path) -> sqlite3.Connection:
    """Somebody who reads the file, and holds it until closed."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("BEGIN")
    assert db.execute("SELECT count(*) FROM candles").fetchone() == (300,)
    return db


def test_a_file_that_somebody_reads_at_the_start_is_left_alone(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPEN_SECONDS_MAX", 0.01)
    filled(path)
    other = reader(path)
    with caplog.at_level(logging.ERROR):
        store = CandleStore(path)
    assert caplog.messages == [
        f"closed candles are kept in memory only, until the next start: {path}: database is locked"
    ]
    store.listed(BTC)
    add(store, candle(400))
    assert numbers(store) == [400]
    store.close()
    other.close()
    store = CandleStore(path)
    store.listed(BTC)
    assert numbers(store) == list(range(300))
    store.close()
    assert not list(path.parent.glob("*.broken*"))


def test_a_start_waits_for_who_reads_the_file_for_a_moment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN_SECONDS_MAX", 10.0)
    filled(path)
    timer = threading.Timer(0.05, reader(path).close)
    timer.start()
    store = CandleStore(path)
    timer.join()
    assert numbers(store) == list(range(300))
    store.close()


def test_a_place_that_can_not_be_written_leaves_the_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        store = CandleStore(tmp_path / "missing" / "candles.db")
    assert "kept in memory only" in caplog.text
    store.add([candle(1)])
    assert numbers(store) == [1]
    store.close()


def test_a_store_that_fails_says_so_once_of_each_thing(store: CandleStore, caplog: pytest.LogCaptureFixture) -> None:
    store.close()
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            add(store, candle(1))
            assert numbers(store) == []
    assert caplog.messages == [
        f"closed candles can't be {what}: Cannot operate on a closed database."
        for what in ("written", "synced", "read")
    ]


# ---- filled by the pipeline -------------------------------------------------------------------------


def closed_candles(tape: MemoryTape) -> dict[str, list[Candle]]:
    """Every candle that the tape's records close, by interval, after the last listing."""
    market = Market()
    found: dict[str, list[Candle]] = {name: [] for name in CANDLE_INTERVALS_NS}
    for _, records in tape.read():
        for record in records:
            if isinstance(record, ListInstrument):
                found = {name: [] for name in found}
            for event in market.apply(record):
                if isinstance(event, Candle):
                    name = next(name for name, length in CANDLE_INTERVALS_NS.items() if length == event.interval)
                    found[name].append(event)
    return found


def stored(store: CandleStore) -> dict[str, list[Candle]]:
    return {name: store.candles(S, name, limit=10**6) for name in CANDLE_INTERVALS_NS}


async def trade(setup: Setup, count: int, records: list[Record] | None = None) -> None:
    for number in range(count):
        setup.clock.advance(ms=1_700)
        await setup.pipeline.put([order("buy", 100 + number % 5, 2), order("sell", 100, 1), *(records or [])])


async def test_the_pipeline_keeps_what_the_fold_closes() -> None:
    store = CandleStore(None)
    setup = Setup(history=store)
    await setup.open()
    await trade(setup, 50)
    expected = closed_candles(setup.tape)
    assert stored(store) == expected
    assert [len(expected[name]) for name in ("1s", "5s", "1m", "5m")] == [49, 17, 1, 0]
    (newest,) = store.candles(S, "1s", limit=1)
    assert (newest.buy_volume, newest.first_trade, newest.last_trade, newest.trades) == (0, 49, 49, 1)
    assert newest.first_ts == newest.last_ts == START_NS + 49 * 1_700_000_000
    store.close()


@pytest.mark.interpreted
async def test_clients_are_told_first_and_can_read_what_closed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    store = CandleStore(None)
    setup = Setup(history=store)
    await setup.open()
    await trade(setup, 2)
    done: list[tuple[str, int]] = []
    flush = setup.hub.flush

    def flushed() -> None:
        done.append(("flush", len(numbers(store, "1s"))))
        flush()

    monkeypatch.setattr(setup.hub, "flush", flushed)
    monkeypatch.setattr(store, "write_some", lambda: done.append(("write", len(numbers(store, "1s")))))
    await trade(setup, 1)
    assert done == [("flush", 2), ("write", 2)]
    monkeypatch.undo()
    store.close()


async def test_a_restart_says_the_same_candles_again_and_those_that_were_lost() -> None:
    store = CandleStore(None)
    setup = Setup(history=store, snapshot_every=70)
    await setup.open()
    await trade(setup, 40)
    snapshot = setup.tape.load_snapshot()
    assert snapshot is not None
    assert 2 < snapshot[0] < 40
    expected = closed_candles(setup.tape)
    restore(setup.tape, history=store)
    assert stored(store) == expected
    empty = CandleStore(None)
    restore(setup.tape, history=empty)
    assert stored(empty)["1s"] == expected["1s"][-len(stored(empty)["1s"]) :]
    assert 0 < len(stored(empty)["1s"]) < len(expected["1s"])
    for each in (store, empty):
        each.close()


async def test_candles_from_beyond_the_tapes_end_are_dropped_at_the_start() -> None:
    store = CandleStore(None)
    setup = Setup(history=store)
    await setup.open()
    await trade(setup, 10)
    shorter = MemoryTape()
    for seq, records in setup.tape.read():
        if seq <= 6:
            shorter.append(records)
    restore(shorter, history=store)
    assert stored(store) == closed_candles(shorter)
    assert len(stored(store)["1s"]) == 4
    restore(MemoryTape(), history=store)
    assert stored(store)["1s"] == []
    store.close()


async def test_listing_with_other_steps_drops_the_symbols_candles_also_in_a_replay() -> None:
    store = CandleStore(None)
    setup = Setup(history=store)
    await setup.open()
    await trade(setup, 5)
    await setup.pipeline.put([ListInstrument(COARSE)])
    assert stored(store)["1s"] == []
    await trade(setup, 5)
    expected = closed_candles(setup.tape)
    assert [row.first_trade for row in expected["1s"]] == [6, 7, 8, 9]
    assert stored(store) == expected
    restore(setup.tape, history=store)
    assert stored(store) == expected
    store.close()


async def test_candles_are_synced_before_the_snapshot_that_makes_their_records_superfluous(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    store = CandleStore(path)
    setup = Setup(history=store)
    await setup.open()
    await trade(setup, 3)
    save_snapshot = setup.tape.save_snapshot

    def saved(seq: int, body: bytes) -> None:
        done.append("market")
        save_snapshot(seq, body)

    monkeypatch.setattr(store, "save", lambda: done.append("candles"))
    monkeypatch.setattr(setup.tape, "save_snapshot", saved)
    setup.pipeline.save_snapshot()
    assert done == ["candles", "market"]
    store.close()


def test_what_was_saved_is_in_the_file_itself(path: Path) -> None:
    store = CandleStore(path)
    store.listed(BTC)
    store.add([candle(1), candle(2)])
    store.save()
    store.add([candle(3)])
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())  # without its log
    again = CandleStore(copy)
    assert (numbers(again), numbers(store)) == ([1, 2], [1, 2, 3])
    again.close()
    store.close()


# ---- snapshots of another version -------------------------------------------------------------------


async def test_a_snapshot_of_another_version_is_passed_over_where_the_tape_has_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    setup = Setup()
    await setup.open()
    await trade(setup, 3)
    setup.tape.save_snapshot(4, b'{"version":3}')
    with caplog.at_level(logging.WARNING):
        assert restore(setup.tape).digest() == setup.market.digest()
    assert caplog.messages == [
        "snapshot 4 is passed over, the tape is read from its beginning: "
        "the snapshot has version 3, this tickwire reads 4"
    ]


async def test_a_snapshot_of_another_version_is_an_error_where_the_tape_begins_after_it() -> None:
    setup = Setup()
    await setup.open()
    await trade(setup, 3)
    setup.tape.save_snapshot(4, b'{"version":3}')
    assert setup.tape.retain(bytes_max=1, newer_than_ns=0) == 4
    with pytest.raises(TapeError, match="the snapshot has version 3, this tickwire reads 4"):
        restore(setup.tape)
