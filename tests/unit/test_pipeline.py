"""The one writer: on the tape first, then seen; a turn of the loop is a transaction; faults stop it and are said."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest

from support import BTC, START_NS, ListSink, funded, order
from tickwire.errors import InvalidInput, TapeError, WriterFailed
from tickwire.limits import BATCH_RECORDS_MAX, CLOCK_INTERVAL_MS, OPEN_ORDERS_MAX, PENDING_RECORDS_MAX
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Event
from tickwire.model.outcome import Done, Executed, Outcome, Refused
from tickwire.model.records import CancelOrder, Clock, FeedStatus, ListInstrument, Record, SessionEnded
from tickwire.protocol.codec import ENCODINGS, JSON, NativeCodec
from tickwire.protocol.render import Renderer
from tickwire.server.pipeline import HOUR_NS, RETAIN_EVERY_TRANSACTIONS, Pipeline, restore
from tickwire.streams.hub import Hub
from tickwire.tape.memory import MemoryTape
from tickwire.testing.clock import ManualClock

BOOK = StreamKey("book", BTC.symbol)
LISTED: list[Record] = [ListInstrument(BTC), *funded("a", "b")]


class Setup:
    def __init__(self, tape: MemoryTape | None = None, **options: Any) -> None:
        self.tape = tape or MemoryTape()
        self.clock = ManualClock(START_NS)
        self.market = restore(self.tape)
        renderer = Renderer(lambda symbol: self.market.listing(symbol).instrument)
        self.hub = Hub(self.market, {name: NativeCodec(e, renderer) for name, e in ENCODINGS.items()})
        self.pipeline = Pipeline(self.tape, self.market, self.hub, now=self.clock, **options)

    async def open(self) -> None:
        """List BTC and give two accounts money, in one transaction."""
        await self.pipeline.put(LISTED)

    def transactions(self) -> list[list[Record]]:
        return [records for _, records in self.tape.read()]


async def test_what_is_put_in_one_turn_is_one_transaction_with_the_clock_first() -> None:
    setup = Setup()
    buy, sell = order("buy", 100, 1), order("sell", 101, 1)
    await asyncio.gather(setup.pipeline.put(LISTED), setup.pipeline.put([buy, sell]))
    setup.clock.advance(ms=5)
    await setup.pipeline.put([buy])
    assert setup.transactions() == [
        [Clock(START_NS), *LISTED, buy, sell],
        [Clock(START_NS + 5_000_000), buy],
    ]


async def test_put_returns_when_the_records_are_applied_and_published() -> None:
    setup, sink = Setup(), ListSink()
    await setup.open()
    setup.hub.subscribe(BOOK, sink)
    await setup.pipeline.put([order("buy", 100, 1)])
    assert setup.market.book(BTC.symbol).ladder.bids.best() == 100
    assert [m["seq"] for m in sink.messages()] == [1]


async def test_a_record_is_on_the_tape_before_anyone_sees_it() -> None:
    setup = Setup()
    await setup.open()
    seen_at: list[int] = []

    class Watching(ListSink):
        def flush(self) -> None:
            seen_at.append(setup.tape.last_seq)
            super().flush()

    setup.hub.subscribe(BOOK, Watching())
    before = setup.tape.last_seq
    await setup.pipeline.put([order("buy", 100, 1)])
    assert seen_at == [before + 1]


async def test_nothing_is_seen_of_what_the_tape_refused() -> None:
    class Full(MemoryTape):
        full = False

        def append(self, records: list[Record]) -> int:
            if self.full:
                raise TapeError("the disk is full")
            return super().append(records)

    tape = Full()
    setup, sink = Setup(tape), ListSink()
    await setup.open()
    setup.hub.subscribe(BOOK, sink)
    digest = setup.market.digest()
    tape.full = True
    with pytest.raises(WriterFailed, match="its log says why"):
        await setup.pipeline.put([order("buy", 100, 1)])
    assert sink.writes == []
    assert setup.market.digest() == digest
    with pytest.raises(TapeError, match="the disk is full"):
        await setup.pipeline.failed
    with pytest.raises(WriterFailed, match="log"):
        await setup.pipeline.put([order("buy", 100, 1)])


async def test_many_submissions_are_several_transactions_but_none_is_cut() -> None:
    setup = Setup()
    sizes = [BATCH_RECORDS_MAX - 1, 2, 3, BATCH_RECORDS_MAX + 5, 4]
    await asyncio.gather(*(setup.pipeline.put([order("buy", 100, 1)] * size) for size in sizes))
    assert [len(records) - 1 for records in setup.transactions()] == [
        BATCH_RECORDS_MAX + 1,
        BATCH_RECORDS_MAX + 8,
        4,
    ]


async def test_put_returns_what_each_command_came_to() -> None:
    setup = Setup()
    await setup.open()
    commands: list[Record] = [
        order("buy", 100, 2),
        order("sell", 100, 1),
        CancelOrder("b", 1),
        FeedStatus("test", "live"),
    ]
    bought, sold, refused, no_command = await setup.pipeline.put(commands)
    assert isinstance(bought, Executed)
    assert (bought.order.order_id, bought.order.status, bought.order.filled, bought.fills) == (1, "open", 0, [])
    assert isinstance(sold, Executed)
    assert (sold.order.order_id, sold.order.status, sold.order.filled) == (2, "filled", 1)
    assert [(fill.account, fill.price, fill.size, fill.liquidity) for fill in sold.fills] == [("b", 100, 1, "taker")]
    assert refused == Refused("unknown_order", "the account has no order 1", "order_id")
    assert no_command is None


async def test_an_answer_comes_before_what_everyone_sees_and_is_refused_where_too_much_waits() -> None:
    setup, sink = Setup(), ListSink()
    await setup.open()
    setup.hub.subscribe(BOOK, sink)
    answers: list[tuple[Any, int, int]] = []

    def done(outcomes: list[Outcome | None] | None) -> None:
        answers.append((outcomes, setup.tape.last_seq, len(sink.writes)))

    setup.pipeline.submit([order("buy", 100, 1)] * (PENDING_RECORDS_MAX - 1), lambda _: None)
    setup.pipeline.submit([CancelOrder("a", 0)], done)
    with pytest.raises(InvalidInput, match="nothing was done") as caught:
        setup.pipeline.submit([CancelOrder("a", 0)], done)
    assert caught.value.code == "busy"
    setup.pipeline.submit([SessionEnded("s1")], done)  # always taken
    await setup.pipeline.put([Clock(START_NS)])
    unknown = Refused("unknown_order", "the account has no order 0", "order_id")
    assert answers == [([unknown], 3, 1), ([Done([])], 3, 1)]
    assert len(sink.writes) == 1
    assert len(sink.messages()) == OPEN_ORDERS_MAX


@pytest.mark.interpreted
async def test_a_fault_in_the_fold_is_answered_and_half_a_transaction_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup, sink = Setup(), ListSink()
    await setup.open()
    setup.hub.subscribe(BOOK, sink)
    good, bad = order("buy", 100, 1), order("buy", 101, 1)
    apply = setup.market.apply
    monkeypatch.setattr(setup.market, "apply", lambda record: 1 // 0 if record is bad else apply(record))
    for number, record in enumerate((good, bad, good)):

        def done(outcomes: list[Outcome | None] | None, number: int = number) -> None:
            setup.hub.hand(sink, JSON.frame({"id": number, "applied": outcomes is not None}))

        setup.pipeline.submit([record], done)
    with pytest.raises(ZeroDivisionError):
        await setup.pipeline.failed
    assert sink.messages() == [{"id": 0, "applied": True}, {"id": 1, "applied": False}, {"id": 2, "applied": False}]


async def test_the_tapes_clock_never_goes_back() -> None:
    setup = Setup()
    await setup.open()
    setup.clock.ns -= 10**9
    await setup.pipeline.put([order("buy", 100, 1)])
    assert [records[0] for records in setup.transactions()] == [Clock(START_NS), Clock(START_NS)]


async def test_the_clock_moves_on_a_quiet_market(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = Setup()

    async def sleep(seconds: float) -> None:
        setup.clock.ns += round(seconds * 1e9)
        if setup.tape.last_seq == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr("tickwire.server.pipeline.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await setup.pipeline.run_clock()
    step = CLOCK_INTERVAL_MS * 1_000_000
    assert setup.transactions() == [[Clock(START_NS + n * step)] for n in range(3)]


async def test_recovery_from_a_snapshot_and_the_tail_equals_the_whole_tape() -> None:
    setup = Setup(snapshot_every=10)
    await setup.open()
    for price in range(100, 107):
        setup.clock.advance(ms=700)
        await setup.pipeline.put([order("buy", price, 1), order("sell", price - 1, 2)])
    snapshot = setup.tape.load_snapshot()
    assert snapshot is not None
    assert snapshot[0] == 5
    whole = Market()
    for records in setup.transactions():
        for record in records:
            whole.apply(record)
    assert restore(setup.tape).digest() == whole.digest() == setup.market.digest()


async def test_the_tape_is_kept_to_its_bounds() -> None:
    setup = Setup(snapshot_every=100, tape_bytes_max=10**9, tape_hours_max=1)
    await setup.open()
    setup.clock.ns += 2 * HOUR_NS
    for _ in range(RETAIN_EVERY_TRANSACTIONS):
        await setup.pipeline.put([order("buy", 100, 1)])
    assert setup.tape.first_seq == 2  # the first transaction is older than an hour, and a snapshot covers it
    assert restore(setup.tape).digest() == setup.market.digest()
    small = Setup(snapshot_every=100, tape_bytes_max=2000)
    await small.open()
    for _ in range(RETAIN_EVERY_TRANSACTIONS):
        await small.pipeline.put([order("buy", 100, 1)])
    assert small.tape.bytes_held < 2000 + 100 * 100
    assert restore(small.tape).digest() == small.market.digest()


async def test_a_tape_of_which_nothing_is_left_but_its_snapshot_is_restored() -> None:
    setup = Setup(snapshot_every=1, tape_bytes_max=1)
    await setup.open()
    while setup.tape.first_seq <= setup.tape.last_seq:
        await setup.pipeline.put([order("buy", 100, 1)])
    recent: deque[Event] = deque()
    assert restore(setup.tape, recent).digest() == setup.market.digest()
    assert list(recent) == []


async def test_a_codec_that_fails_does_not_stop_the_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    setup, sink = Setup(), ListSink()
    await setup.open()
    setup.hub.subscribe(BOOK, sink)
    monkeypatch.setattr(NativeCodec, "updates", lambda *_: 1 // 0)
    await setup.pipeline.put([order("buy", 100, 1)])
    assert (sink.closed, setup.pipeline.failed.done()) == (True, False)
    assert "tickwire.v1.json can't say what happened" in caplog.text
    assert await setup.pipeline.put([order("buy", 100, 1)]) != [None]
