"""Live books, driven with messages, against plain models of what they must hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.client.books import LiveBook, LiveOrders, OrderOnBook
from tickwire.client.queue import Queue
from tickwire.client.subscription import Consumer
from tickwire.errors import BookInvalid, ConnectionLost, RequestRefused
from tickwire.model.channel import stream_key
from tickwire.protocol.client_outcomes import ClientStats, Lost, Resumed
from tickwire.protocol.messages import (
    BookData,
    Gap,
    InstrumentInfo,
    OrderChangeData,
    OrderRow,
    OrdersData,
    PriceSize,
    Skipped,
    StatusData,
    StreamMessage,
)

BTC = "SIM:BTC-USDT"
FULL, DEPTH, L3 = stream_key("book", BTC), stream_key("book", BTC, depth=5), stream_key("book_l3", BTC)
INFO = InstrumentInfo(
    BTC, "SIM", "BTC", "USDT", "crypto", "matched", "0.25", "0.001", ["book"], StatusData("open", "live", "")
)


class Owner:
    """A client that only remembers who left."""

    def __init__(self) -> None:
        self.left: list[Consumer] = []

    def leave(self, consumer: Consumer) -> None:
        self.left.append(consumer)

    def flow(self, queue: Queue[Any], full: bool) -> None:
        raise AssertionError("no queue of these tests is ever full")


def live_book(key: Any = FULL) -> LiveBook:
    return LiveBook(Owner(), key, INFO, ClientStats())


def live_orders() -> LiveOrders:
    return LiveOrders(Owner(), L3, INFO, ClientStats())


def message(key: Any, kind: Any, seq: int, data: object) -> StreamMessage:
    return StreamMessage(key.channel, BTC, kind, seq, seq * 10, data, key.depth)


def checksum(bids: list[PriceSize], asks: list[PriceSize]) -> int:
    """The published scheme, on the strings: no point, no leading zeros, the best 10 asks and then bids."""
    text = ""
    for side in (asks, bids):
        for level in side[:10]:
            text += "".join(part.replace(".", "").lstrip("0") for part in level)
    return crc32(text.encode())


def book_data(bids: list[PriceSize], asks: list[PriceSize]) -> BookData:
    return BookData(bids, asks, checksum(bids, asks))


BIDS, ASKS = [("99.75", "0.500"), ("99.50", "1.000")], [("100.00", "2.000")]


@pytest.fixture
def book() -> LiveBook:
    book = live_book()
    assert book._take(message(FULL, "snapshot", 7, book_data(BIDS, ASKS)), 100) is None
    return book


# ---- by level ----------------------------------------------------------------------------------------


def test_a_snapshot_fills_the_book(book: LiveBook) -> None:
    assert (book.valid, book.seq, book.ts, book.symbol) == (True, 7, 70, BTC)
    assert book.best_bid == (Decimal("99.75"), Decimal("0.500"))
    assert book.best_ask == (Decimal("100.00"), Decimal("2.000"))
    assert book.bids() == [(Decimal("99.75"), Decimal("0.500")), (Decimal("99.50"), Decimal("1.000"))]
    assert book.bids(1) == [(Decimal("99.75"), Decimal("0.500"))]
    assert book.asks(5) == [(Decimal("100.00"), Decimal("2.000"))]
    assert book.checksum == checksum(BIDS, ASKS)


def test_prices_and_sizes_read_with_the_decimals_of_the_wire(book: LiveBook) -> None:
    assert [str(part) for level in book.bids() for part in level] == ["99.75", "0.500", "99.50", "1.000"]


def test_an_update_changes_adds_and_deletes_levels(book: LiveBook) -> None:
    after = checksum([("99.75", "0.250")], [("100.00", "2.000"), ("100.25", "3.000")])
    update = BookData([("99.50", "0"), ("99.75", "0.250")], [("100.25", "3.000")], after)
    assert book._take(message(FULL, "update", 8, update), 100) is None
    assert book.bids() == [(Decimal("99.75"), Decimal("0.250"))]
    assert book.asks() == [(Decimal("100.00"), Decimal("2.000")), (Decimal("100.25"), Decimal("3.000"))]
    assert (book.seq, book.checksum) == (8, after)


def test_an_empty_side_has_no_best(book: LiveBook) -> None:
    book._take(message(FULL, "snapshot", 9, book_data([], ASKS)), 100)
    assert (book.best_bid, book.bids(), book.best_ask) == (None, [], (Decimal("100.00"), Decimal("2.000")))


def test_a_wrong_checksum_makes_the_book_unreadable_until_the_next_snapshot(book: LiveBook) -> None:
    right = checksum([("99.75", "0.250"), ("99.50", "1.000")], ASKS)
    problem = book._take(message(FULL, "update", 8, BookData([("99.75", "0.250")], [], right + 1)), 100)
    assert problem == f"update 8 does not fit: its checksum is {right + 1}, the book's is {right}"
    assert book._stats.checksum_mismatches == 1
    assert not book.valid
    with pytest.raises(BookInvalid, match="its checksum is"):
        book.bids()
    assert book._take(message(FULL, "snapshot", 8, book_data(BIDS, ASKS)), 100) is None
    assert (book.valid, book.best_bid) == (True, (Decimal("99.75"), Decimal("0.500")))


@pytest.mark.parametrize(
    ("bids", "reason"),
    [
        ([("99.80", "1")], "not a multiple of 0.25"),
        ([("99.75", "0.0001")], "not a multiple of 0.001"),
        ([("99.75", "-1")], "size -1 is negative"),
        ([("1e5", "1")], "not a plain decimal"),
        ([("9" * 5000, "1")], "does not fit"),
    ],
)
def test_a_level_that_is_none_makes_the_book_unreadable(book: LiveBook, bids: list[PriceSize], reason: str) -> None:
    problem = book._take(message(FULL, "update", 8, BookData(bids, [], 0)), 100)
    assert problem is not None
    assert reason in problem
    assert not book.valid


@pytest.mark.parametrize(
    "read",
    [
        lambda b: b.seq,
        lambda b: b.ts,
        lambda b: b.best_bid,
        lambda b: b.best_ask,
        lambda b: b.bids(),
        lambda b: b.asks(3),
        lambda b: b.checksum,
    ],
)
def test_no_read_is_served_while_the_book_might_be_wrong(book: LiveBook, read: Callable[[LiveBook], object]) -> None:
    with pytest.raises(BookInvalid, match="waits for its first snapshot"):
        read(live_book())
    read(book)
    book._notice(Lost("book", BTC, 7, "the connection is lost (1006)"))
    with pytest.raises(BookInvalid, match=r"the connection is lost \(1006\); it waits for a snapshot"):
        read(book)


def test_a_gap_makes_the_book_unreadable_and_skipped_does_not(book: LiveBook) -> None:
    book._notice(Skipped("book", BTC, 8, 9))
    assert book.valid
    book._notice(Gap("book", BTC, 8, 9))
    with pytest.raises(BookInvalid, match="messages 8 to 9 were dropped; it waits for a snapshot"):
        book.bids()


def test_a_book_catches_up_before_it_is_read_again(book: LiveBook) -> None:
    book._interrupt(FULL, "cut")
    with pytest.raises(BookInvalid, match="cut; it waits for another"):
        book.bids()
    book._notice(Resumed("book", BTC, 7, 2))
    for seq in (8, 9):
        assert not book.valid
        assert book._take(message(FULL, "update", seq, book_data(BIDS, ASKS)), 100) is None
    assert (book.valid, book.seq) == (True, 9)
    book._interrupt(FULL, "cut")
    book._notice(Resumed("book", BTC, 9, 0))
    assert book.valid


def test_a_book_that_begins_anew_has_nothing_to_catch_up_with(book: LiveBook) -> None:
    book._notice(Resumed("book", BTC, 7, 90))
    book._notice(Lost("book", BTC, 7, "another epoch"))
    book._take(message(FULL, "snapshot", 3, book_data(BIDS, ASKS)), 100)
    assert (book.valid, book.seq) == (True, 3)


def test_variants_are_complete_in_every_message_and_their_checksum_is_not_theirs() -> None:
    book = live_book(DEPTH)
    book._take(message(DEPTH, "snapshot", 7, BookData(BIDS, ASKS, 0)), 100)
    book._take(message(DEPTH, "update", 12, BookData([("98.00", "1.000")], [], 0)), 100)
    assert (book.seq, book.bids(), book.asks()) == (12, [(Decimal("98.00"), Decimal("1.000"))], [])


def test_a_book_that_has_not_begun_is_empty() -> None:
    book = live_book()
    assert book._take(message(FULL, "snapshot", 0, None), 10) is None
    assert (book.seq, book.bids(), book.asks()) == (0, [], [])


def test_new_steps_hold_from_the_next_snapshot(book: LiveBook) -> None:
    problem = book._take(message(FULL, "snapshot", 8, book_data([("99.7", "1.000")], [])), 100)
    assert problem is not None
    book._rescale(InstrumentInfo(BTC, "", "", "", "", "", "0.1", "0.001", [], StatusData("open", "live", "")))
    assert book._take(message(FULL, "snapshot", 8, book_data([("99.7", "1.000")], [])), 100) is None
    assert book.best_bid == (Decimal("99.7"), Decimal("1.000"))


LEVELS = st.dictionaries(st.integers(1, 40), st.integers(1, 9), max_size=25)
CHANGES = st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 9)), max_size=12)


def wire_levels(side: dict[int, int], *, best_is_high: bool) -> list[PriceSize]:
    return [
        (str(Decimal(price) / 4 + Decimal("0.00")), str(Decimal(side[price]) / 1000 + Decimal("0.000")))
        for price in sorted(side, reverse=best_is_high)
    ]


@settings(deadline=None)
@given(LEVELS, LEVELS, st.lists(CHANGES, max_size=6))
def test_the_book_equals_two_dicts_and_a_sort(
    bids: dict[int, int], asks: dict[int, int], updates: list[list[tuple[bool, int, int]]]
) -> None:
    book = live_book()
    sides = wire_levels(bids, best_is_high=True), wire_levels(asks, best_is_high=False)
    assert book._take(message(FULL, "snapshot", 1, book_data(*sides)), 1) is None
    for seq, changes in enumerate(updates, 2):
        sent: tuple[list[PriceSize], list[PriceSize]] = ([], [])
        for is_bid, price, size in changes:
            side = bids if is_bid else asks
            side[price] = size
            if not size:
                del side[price]
            [level] = wire_levels({price: size}, best_is_high=True)
            sent[0 if is_bid else 1].append(level)
        sides = wire_levels(bids, best_is_high=True), wire_levels(asks, best_is_high=False)
        assert book._take(message(FULL, "update", seq, BookData(*sent, checksum(*sides))), 1) is None
        assert book.bids() == [(Decimal(price), Decimal(size)) for price, size in sides[0]]
        assert book.asks(3) == [(Decimal(price), Decimal(size)) for price, size in sides[1][:3]]
        assert book.seq == seq


# ---- by order ----------------------------------------------------------------------------------------


@pytest.fixture
def orders() -> LiveOrders:
    orders = live_orders()
    data = OrdersData(
        [("1", "99.75", "0.500"), ("2", "99.75", "0.250"), ("3", "99.50", "1.000")], [("4", "100.00", "2")]
    )
    assert orders._take(message(L3, "snapshot", 7, data), 100) is None
    return orders


def change(orders: LiveOrders, action: Any, order_id: str, side: Any, price: str, size: str) -> str | None:
    before = sum(order.size for order in orders.orders(side) if order.order_id == order_id)
    filled = str(before - Decimal(size)) if action == "fill" else None
    data = OrderChangeData(action, order_id, side, price, size, filled)
    return orders._take(message(L3, "update", orders.seq + 1, data), 100)


def ids(orders: LiveOrders, side: str) -> list[str]:
    return [order.order_id for order in orders.orders(side)]


def test_a_snapshot_of_orders_gives_orders_and_levels(orders: LiveOrders) -> None:
    assert orders.orders("buy") == [
        OrderOnBook("1", Decimal("99.75"), Decimal("0.500")),
        OrderOnBook("2", Decimal("99.75"), Decimal("0.250")),
        OrderOnBook("3", Decimal("99.50"), Decimal("1.000")),
    ]
    assert orders.best_bid == (Decimal("99.75"), Decimal("0.750"))
    assert orders.asks() == [(Decimal("100.00"), Decimal("2.000"))]
    assert orders.checksum == checksum([("99.75", "0.750"), ("99.50", "1.000")], [("100.00", "2.000")])


def test_orders_join_the_back_keep_their_place_and_leave(orders: LiveOrders) -> None:
    assert change(orders, "add", "5", "buy", "99.75", "0.100") is None
    assert change(orders, "modify", "1", "buy", "99.75", "0.400") is None
    assert change(orders, "fill", "2", "buy", "99.75", "0.100") is None
    assert ids(orders, "buy") == ["1", "2", "5", "3"]
    assert orders.best_bid == (Decimal("99.75"), Decimal("0.600"))
    assert change(orders, "fill", "1", "buy", "99.75", "0") is None
    assert change(orders, "cancel", "2", "buy", "99.75", "0") is None
    assert ids(orders, "buy") == ["5", "3"]
    assert (orders.seq, orders.best_bid) == (12, (Decimal("99.75"), Decimal("0.100")))


@pytest.mark.parametrize(
    ("action", "order_id", "side", "price", "size"),
    [
        ("add", "1", "buy", "99.75", "1"),
        ("add", "9", "buy", "99.75", "0"),
        ("cancel", "9", "buy", "99.75", "0"),
        ("fill", "4", "buy", "100.00", "1"),
        ("modify", "1", "buy", "99.50", "0.1"),
        ("modify", "1", "buy", "99.75", "-1"),
    ],
)
def test_a_change_that_does_not_fit_makes_the_book_unreadable(
    orders: LiveOrders, action: str, order_id: str, side: str, price: str, size: str
) -> None:
    problem = change(orders, action, order_id, side, price, size)
    assert problem is not None
    assert "update 8 does not fit" in problem
    with pytest.raises(BookInvalid, match="update 8 does not fit"):
        orders.orders("buy")


def test_an_order_listed_twice_in_a_snapshot_does_not_fit(orders: LiveOrders) -> None:
    data = OrdersData([("1", "1.00", "1")], [("1", "2.00", "1")])
    assert orders._take(message(L3, "snapshot", 8, data), 1) == (
        "snapshot 8 does not fit: order 1 is there already, or has no size"
    )


ROWS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), max_size=12)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "modify", "fill", "cancel"]), st.integers(0, 30), st.integers(1, 6), st.integers(1, 9)
    ),
    max_size=25,
)


@settings(deadline=None)
@given(ROWS, STEPS)
def test_the_book_by_order_equals_a_list_in_time_order(rows: list[tuple[int, int]], steps: list[Any]) -> None:
    model: list[list[Any]] = []  # [id, price, size] in the order of arrival; a stable sort gives the priority

    def listed() -> list[tuple[str, str, str]]:
        return [(i, f"{p}.00", f"0.00{s}") for i, p, s in sorted(model, key=lambda row: -row[1])]

    for number, (price, size) in enumerate(rows):
        model.append([f"r{number}", price, size])
    orders = live_orders()
    snapshot: list[OrderRow] = listed()
    model.sort(key=lambda row: -row[1])
    assert orders._take(message(L3, "snapshot", 0, OrdersData(snapshot, [])), 1) is None
    for number, (action, pick, price, size) in enumerate(steps):
        if action == "add":
            model.append([f"s{number}", price, size])
            assert change(orders, "add", f"s{number}", "buy", f"{price}.00", f"0.00{size}") is None
        elif model:
            row = model[pick % len(model)]
            row[2] = 0 if action == "cancel" else min(row[2], size) - (action == "fill")
            assert change(orders, action, row[0], "buy", f"{row[1]}.00", f"0.00{row[2]}") is None
            if not row[2]:
                model.remove(row)
        assert [(o.order_id, str(o.price), str(o.size)) for o in orders.orders("buy")] == listed()
        totals: dict[int, int] = {}
        for _, price_, size_ in model:
            totals[price_] = totals.get(price_, 0) + size_
        assert orders.bids() == [(Decimal(p), Decimal(totals[p]) / 1000) for p in sorted(totals, reverse=True)]


# ---- waiting -----------------------------------------------------------------------------------------


def snapshot(seq: int) -> StreamMessage:
    return message(FULL, "snapshot", seq, book_data(BIDS, ASKS))


async def started(waiting: Any) -> asyncio.Task[Any]:
    """A task that has come to its first wait."""
    task: asyncio.Task[Any] = asyncio.ensure_future(waiting)
    await asyncio.sleep(0)
    return task


async def test_until_returns_at_once_when_it_is_so(book: LiveBook) -> None:
    await book.until(lambda b: b.seq == 7)


async def test_until_waits_for_the_state_and_ignores_an_invalid_book(book: LiveBook) -> None:
    task = await started(book.until(lambda b: b.seq >= 9))
    book._take(snapshot(8), 1)
    book._notice(Gap("book", BTC, 9, 9))
    await asyncio.sleep(0)
    assert not task.done()
    book._take(snapshot(10), 1)
    await task
    assert len(book._waiters) == 0


async def test_until_raises_what_the_predicate_raises_and_nothing_else_suffers(book: LiveBook) -> None:
    def fails(b: LiveBook) -> bool:
        return b.seq > 7 and 1 / 0 > 1

    failing, waiting = await started(book.until(fails)), await started(book.until(lambda b: b.seq == 8))
    assert book._take(snapshot(8), 1) is None
    with pytest.raises(ZeroDivisionError):
        await failing
    await waiting


async def test_until_ends_with_the_book(book: LiveBook) -> None:
    task = await started(book.until(lambda b: b.seq >= 9))
    await book.close()
    with pytest.raises(ConnectionLost, match="closed"):
        await task
    with pytest.raises(ConnectionLost, match="closed"):
        await book.until(lambda b: b.seq >= 9)
    with pytest.raises(BookInvalid, match="closed"):
        book.bids()


async def test_iteration_yields_each_applied_message_and_ends_with_the_book(book: LiveBook) -> None:
    async def read() -> list[int]:
        return [change.seq async for change in book]

    task = await started(read())
    for seq in (8, 9):
        book._take(snapshot(seq), 1)
    book._take(message(FULL, "update", 10, BookData([], [], 5)), 1)  # does not fit: never applied
    book._take(snapshot(10), 1)
    await book.close()
    assert await task == [8, 9, 10]
    assert [change async for change in book] == []


async def test_an_iteration_that_ends_early_leaves_no_queue_behind(book: LiveBook) -> None:
    async def first() -> int:
        async for change in book:
            return change.seq
        raise AssertionError

    task = await started(first())
    assert len(book._readers) == 1
    book._take(snapshot(8), 1)
    assert await task == 8
    for _ in range(5):  # the generator is finalized by the loop, soon
        await asyncio.sleep(0)
    assert book._readers == {}


async def test_a_refusal_ends_iteration_and_waits_with_it(book: LiveBook) -> None:
    async def read() -> None:
        async for _ in book:
            pass

    reading, waiting = await started(read()), await started(book.until(lambda b: False))
    book._fail(RequestRefused("unknown_symbol", "it is gone"))
    for task in (reading, waiting):
        with pytest.raises(RequestRefused, match="it is gone"):
            await task
    with pytest.raises(BookInvalid, match="unknown_symbol: it is gone"):
        book.checksum  # noqa: B018


async def test_closing_twice_leaves_once(book: LiveBook) -> None:
    async with book:
        await book.close()
    owner = book._owner
    assert isinstance(owner, Owner)
    assert owner.left == [book]
