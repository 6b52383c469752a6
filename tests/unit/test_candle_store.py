"""Closed candles on disk: what is kept, what a restart makes of it, and what damage does."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from support import BTC, START_NS, order
from tickwire.errors import TapeError
from tickwire.limits import CANDLES_KEPT_MAX
from tickwire.market.market import Market
from tickwire.model.channel import CANDLE_INTERVALS_NS
from tickwire.model.events import Candle
from tickwire.model.records import ListInstrument, Record
from tickwire.server.pipeline import restore
from tickwire.tape.candles import CandleStore
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


def test_only_the_newest_are_kept_of_each_interval(store: CandleStore) -> None:
    store.add(candle(n) for n in (0, 1, 2, 9, CANDLES_KEPT_MAX))
    store.add([candle(n, 5 * MINUTE) for n in (0, 1)])
    assert numbers(store) == [1, 2, 9, CANDLES_KEPT_MAX]
    store.add([candle(CANDLES_KEPT_MAX + 8)])
    assert numbers(store) == [9, CANDLES_KEPT_MAX, CANDLES_KEPT_MAX + 8]
    assert numbers(store, "5m") == [0, 1]


def test_other_steps_make_candles_meaningless(store: CandleStore) -> None:
    other = replace(BTC, base="ETH")
    store.listed(other)
    store.add([candle(1), candle(1, symbol=other.symbol)])
    store.listed(replace(BTC, taker_fee="0.001"))
    assert numbers(store) == [1]
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
    assert path.with_name("candles.db.broken").exists()
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


def test_a_place_that_can_not_be_written_leaves_the_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        store = CandleStore(tmp_path / "missing" / "candles.db")
    assert "kept in memory only" in caplog.text
    store.add([candle(1)])
    assert numbers(store) == [1]
    store.close()


def test_a_store_that_fails_says_so_once(store: CandleStore, caplog: pytest.LogCaptureFixture) -> None:
    store.close()
    with caplog.at_level(logging.ERROR):
        store.add([candle(1)])
        assert numbers(store) == []
        store.save()
    assert [record.message for record in caplog.records] == [
        "closed candles can't be written: Cannot operate on a closed database."
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
