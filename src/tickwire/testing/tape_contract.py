"""What every tape promises, as tests. Needs pytest.

class TestMyTape(TapeContract):
    def make(self, folder: Path) -> Tape:
        return MyTape(folder)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tickwire.errors import TapeError
from tickwire.model.instrument import Instrument
from tickwire.model.records import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Clock,
    DeadMan,
    FeedStatus,
    Guard,
    KillSwitch,
    ListInstrument,
    PlaceOrder,
    Record,
    SessionEnded,
    TradingStatus,
    Transfer,
    VenueBookSnapshot,
    VenueBookUpdate,
    VenueOrderAdd,
    VenueOrderChange,
    VenueOrderRemove,
    VenueOrdersSnapshot,
    VenueQuote,
    VenueRate,
    VenueTrade,
    encode_records,
)
from tickwire.tape.base import Tape

TS = 1_700_000_000_000_000_000
SYMBOL = "SIM:BTC-USDT"

EVERY_RECORD: list[Record] = [
    Clock(TS),
    ListInstrument(
        Instrument(
            venue="SIM",
            base="BTC",
            quote="USDT",
            asset_class="crypto",
            tick_size="0.01",
            lot_size="0.00001",
            kind="mirrored",
            feed="recorded:sim",
        )
    ),
    FeedStatus("recorded:sim", "stale", "silent for 10 s"),
    TradingStatus(SYMBOL, "halted"),
    PlaceOrder(SYMBOL, "alice", "buy", 5, price=None, type="market", time_in_force="ioc", client_order_id="é-1"),
    AmendOrder("alice", 7, price=10_001, size=None),
    PlaceOrder(SYMBOL, "alice", "sell", 2**64 - 1, 9_999, "stop_limit", stop_price=10_000, expires_at=TS, session="s1"),
    CancelOrder("alice", 7),
    CancelOrder("alice", client_order_id="é-1"),
    CancelAll("alice", SYMBOL, "s1"),
    Transfer("alice", "USDT", "-0.000000000000000001", "bank 1"),
    KillSwitch(on=True, symbol=SYMBOL),
    DeadMan("alice", TS + 1),
    Guard("alice", "s1", "connection"),
    SessionEnded("s1"),
    VenueBookSnapshot(SYMBOL, [(100, 1), (99, 2)], [(101, 3)], TS - 5, depth=10, checksum=0xFFFFFFFF),
    VenueBookUpdate(SYMBOL, [(100, 0)], [], TS - 4),
    VenueOrdersSnapshot(SYMBOL, [("a", 100, 1)], [("b", 101, 2)]),
    VenueOrderAdd(SYMBOL, "c", "sell", 102, 3),
    VenueOrderChange(SYMBOL, "c", 2),
    VenueOrderRemove(SYMBOL, "c"),
    VenueTrade(SYMBOL, "t1", 101, 1, "buy", TS - 3, "x", "b"),
    VenueQuote(SYMBOL, 100, 1, None, 0),
    VenueRate(SYMBOL, -(10**15), TS - 2),
]


def transaction(number: int) -> list[Record]:
    """A transaction of its own for each number below 128; all have the same encoded size."""
    return [Clock(TS + number), PlaceOrder(SYMBOL, f"account {number:03d}", "buy", number, price=10_000 + number)]


SIZE = len(encode_records(transaction(1)))


def fill(tape: Tape, count: int) -> None:
    """Append `transaction(1)` to `transaction(count)` to a new tape."""
    for number in range(1, count + 1):
        assert tape.append(transaction(number)) == number


class TapeContract:
    """The promises of `tickwire.tape.base.Tape`, one test each. Subclass it and say how to make a tape."""

    def make(self, folder: Path) -> Tape:
        """A new, empty tape; `folder` is empty, too, and another one each time."""
        raise NotImplementedError

    @pytest.fixture
    def tape(self, tmp_path: Path) -> Iterator[Tape]:
        """The tape under test."""
        tape = self.make(tmp_path)
        yield tape
        tape.close()

    def test_a_new_tape_is_empty(self, tape: Tape) -> None:
        assert (tape.last_seq, tape.first_seq, tape.bytes_held, tape.repaired) == (0, 1, 0, "")
        assert list(tape.read()) == []
        assert tape.load_snapshot() is None
        assert tape.retain(bytes_max=0, newer_than_ns=TS) == 0

    def test_each_tape_has_an_epoch_of_its_own(self, tape: Tape, tmp_path: Path) -> None:
        other = self.make(tmp_path / "other")
        assert len(tape.epoch) == len(other.epoch) == 16
        assert tape.epoch != other.epoch
        other.close()

    def test_every_record_comes_back_as_it_went(self, tape: Tape) -> None:
        assert tape.append(EVERY_RECORD) == 1
        assert list(tape.read()) == [(1, EVERY_RECORD)]

    def test_transactions_are_numbered_and_read_in_order(self, tape: Tape) -> None:
        fill(tape, 100)
        assert (tape.first_seq, tape.last_seq) == (1, 100)
        everything = [(number, transaction(number)) for number in range(1, 101)]
        assert list(tape.read()) == everything
        for after in (1, 63, 64, 65, 98, 99, 100, 107):
            assert list(tape.read(after=after)) == everything[after:]

    def test_a_reader_goes_on_to_what_is_appended_meanwhile(self, tape: Tape) -> None:
        fill(tape, 2)
        reader = tape.read()
        assert next(reader) == (1, transaction(1))
        tape.append(transaction(3))
        assert list(reader) == [(2, transaction(2)), (3, transaction(3))]

    def test_two_readers_do_not_disturb_each_other(self, tape: Tape) -> None:
        fill(tape, 3)
        one, two = tape.read(), tape.read(after=1)
        assert [next(one)[0], next(two)[0], next(one)[0], next(two)[0], next(one)[0]] == [1, 2, 2, 3, 3]

    def test_what_was_appended_is_not_the_callers_list(self, tape: Tape) -> None:
        records = transaction(1)
        tape.append(records)
        records.append(Clock(TS + 9))
        assert list(tape.read()) == [(1, transaction(1))]

    def test_bytes_held_is_what_was_encoded(self, tape: Tape) -> None:
        fill(tape, 3)
        tape.append([Clock(TS + 4)])
        assert tape.bytes_held == 3 * SIZE + len(encode_records([Clock(TS + 4)]))

    @pytest.mark.parametrize(
        ("records", "reason"),
        [
            ([], "begin with a Clock"),
            ([CancelOrder("alice", 1)], "begin with a Clock"),
            ([Clock(TS + 1)], "went back"),
        ],
        ids=["empty", "without a clock", "clock going back"],
    )
    def test_a_bad_transaction_is_refused_and_changes_nothing(
        self, tape: Tape, records: list[Record], reason: str
    ) -> None:
        fill(tape, 2)
        with pytest.raises(TapeError, match=reason):
            tape.append(records)
        assert (tape.last_seq, tape.bytes_held) == (2, 2 * SIZE)
        assert tape.append([Clock(TS + 2)]) == 3  # time may stand still
        assert [seq for seq, _ in tape.read()] == [1, 2, 3]

    def test_the_newest_snapshot_is_loaded(self, tape: Tape) -> None:
        fill(tape, 9)
        for seq, body, newest in [
            (0, b"nothing yet", (0, b"nothing yet")),
            (4, b"four", (4, b"four")),
            (9, b"\0" * 100_000, (9, b"\0" * 100_000)),
            (9, b"", (9, b"")),
            (7, b"late", (9, b"")),
        ]:
            tape.save_snapshot(seq, body)
            assert tape.load_snapshot() == newest

    @pytest.mark.parametrize("seq", [-1, 3])
    def test_a_snapshot_of_what_never_was_is_refused(self, tape: Tape, seq: int) -> None:
        fill(tape, 2)
        with pytest.raises(TapeError, match=f"snapshot of transaction {seq}"):
            tape.save_snapshot(seq, b"state")
        assert tape.load_snapshot() is None

    def test_retain_drops_nothing_without_a_snapshot(self, tape: Tape) -> None:
        fill(tape, 5)
        assert tape.retain(bytes_max=0, newer_than_ns=TS + 100) == 0
        assert (tape.first_seq, tape.bytes_held) == (1, 5 * SIZE)

    @pytest.mark.parametrize(
        ("bytes_max", "newer_than_ns", "first"),
        [
            (5 * SIZE, TS, 1),  # all fit
            (5 * SIZE - 1, TS, 2),  # the oldest does not fit any more
            (4 * SIZE, TS, 2),
            (2 * SIZE, TS, 4),
            (9 * SIZE, TS + 3, 3),  # a clock at the limit is kept
            (2 * SIZE, TS + 3, 4),  # both limits hold
            (0, TS, 5),  # transaction 5 is not covered
            (9 * SIZE, TS + 9, 5),
        ],
    )
    def test_retain_drops_what_is_too_much_or_too_old(
        self, tape: Tape, bytes_max: int, newer_than_ns: int, first: int
    ) -> None:
        fill(tape, 5)
        tape.save_snapshot(4, b"state")
        assert tape.retain(bytes_max=bytes_max, newer_than_ns=newer_than_ns) == first - 1
        assert (tape.first_seq, tape.last_seq, tape.bytes_held) == (first, 5, (6 - first) * SIZE)
        held = [(number, transaction(number)) for number in range(first, 6)]
        assert list(tape.read(after=first - 1)) == held
        assert tape.retain(bytes_max=bytes_max, newer_than_ns=newer_than_ns) == 0
        assert tape.append(transaction(6)) == 6
        assert list(tape.read(after=first - 1)) == [*held, (6, transaction(6))]

    def test_reading_what_was_dropped_names_the_first_one_held(self, tape: Tape) -> None:
        fill(tape, 5)
        tape.save_snapshot(5, b"state")
        tape.retain(bytes_max=2 * SIZE, newer_than_ns=TS)
        with pytest.raises(TapeError, match="transaction 3 has been dropped; the first one held is 4"):
            list(tape.read(after=2))

    def test_everything_may_be_dropped_and_the_numbers_go_on(self, tape: Tape) -> None:
        fill(tape, 3)
        tape.save_snapshot(3, b"state")
        assert tape.retain(bytes_max=0, newer_than_ns=TS) == 3
        assert (tape.first_seq, tape.last_seq, tape.bytes_held) == (4, 3, 0)
        assert list(tape.read(after=3)) == []
        with pytest.raises(TapeError, match="first one held is 4"):
            list(tape.read(after=2))
        assert tape.append(transaction(4)) == 4
        assert (tape.first_seq, tape.bytes_held) == (4, SIZE)
        assert list(tape.read(after=3)) == [(4, transaction(4))]

    def test_a_closed_tape_refuses_everything_but_closing(self, tape: Tape) -> None:
        fill(tape, 1)
        tape.close()
        tape.close()
        with pytest.raises(TapeError, match="closed"):
            tape.append(transaction(2))
        with pytest.raises(TapeError, match="closed"):
            list(tape.read())
        with pytest.raises(TapeError, match="closed"):
            tape.save_snapshot(1, b"state")
        with pytest.raises(TapeError, match="closed"):
            tape.load_snapshot()
        with pytest.raises(TapeError, match="closed"):
            tape.retain(bytes_max=0, newer_than_ns=0)
