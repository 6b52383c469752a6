"""A mirrored instrument: the venue's records to exact events, and what crosses waits."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest

from support import START_NS
from tickwire.limits import HELD_CHANGES_MAX, HELD_SECONDS_MAX
from tickwire.market.market import Market
from tickwire.market.mirrored import CROSSED, MISMATCH, NO_BOOK
from tickwire.model.channel import StreamKey
from tickwire.model.events import Book, Event, OrderChange, Orders, Quote, Rate, Status, Trade
from tickwire.model.instrument import Instrument
from tickwire.model.outcome import Refused
from tickwire.model.records import (
    BookOrder,
    CancelOrder,
    Clock,
    FeedStatus,
    Level,
    ListInstrument,
    PlaceOrder,
    Record,
    Side,
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
)

T = START_NS
SECOND = 1_000_000_000


def instrument(base: str, book: Any, asset_class: Any = "crypto") -> Instrument:
    return Instrument(
        venue="V", base=base, quote="USD", asset_class=asset_class, tick_size="0.01", lot_size="1", kind="mirrored",
        book=book, feed="feed",
    )  # fmt: skip


L2 = instrument("L2", "levels")
L3 = instrument("L3", "orders")
FX = instrument("FX", "none", "fx")
NO_RATES = instrument("EQ", "none", "equity")


class Mirror:
    """One instrument on a market at `T`, its feed live."""

    def __init__(self, instrument: Instrument) -> None:
        self.market = Market()
        self.symbol = instrument.symbol
        for record in (Clock(T), FeedStatus("feed", "live"), ListInstrument(instrument)):
            self.market.apply(record)

    def do(self, *records: Record) -> list[Event]:
        return [event for record in records for event in self.market.apply(record)]

    def after(self, seconds: int) -> list[Event]:
        """Let the clock alone go on."""
        return self.market.apply(Clock(self.market.now + seconds * SECOND))

    def view(self, channel: str) -> Any:
        return self.market.view(StreamKey(channel, self.symbol))

    @property
    def book(self) -> tuple[list[Level], list[Level]]:
        view = self.view("book")
        return view.bids, view.asks

    @property
    def orders(self) -> tuple[list[BookOrder], list[BookOrder]]:
        view = self.view("book_l3")
        return view.bids, view.asks

    @property
    def status(self) -> tuple[str, str]:
        view = self.view("status")
        return view.feed, view.reason

    @property
    def quote(self) -> tuple[int | None, int, int | None, int]:
        view = self.view("quotes")
        return view.bid, view.bid_size, view.ask, view.ask_size


def snapshot(bids: list[Level], asks: list[Level], **more: Any) -> VenueBookSnapshot:
    return VenueBookSnapshot(L2.symbol, bids, asks, **more)


def update(bids: list[Level] | None = None, asks: list[Level] | None = None, **more: Any) -> VenueBookUpdate:
    return VenueBookUpdate(L2.symbol, bids or [], asks or [], **more)


def l2_book(seq: int, bids: list[Level], asks: list[Level], top: bytes, *, whole: bool = False, ts: int = T) -> Book:
    """`top` is the text of the checksum: asks, then bids."""
    return Book(L2.symbol, seq, ts, whole, bids, asks, crc32(top))


def l2() -> Mirror:
    """A mirror with bids 99 and 98, asks 101 and 102; its book is at seq 1."""
    mirror = Mirror(L2)
    mirror.do(snapshot([(99, 5), (98, 4)], [(101, 6), (102, 7)]))
    return mirror


# ---- by level ------------------------------------------------------------------------------------


def test_before_the_first_snapshot_updates_are_ignored_and_the_status_says_why() -> None:
    mirror = Mirror(L2)
    assert mirror.status == ("stale", NO_BOOK)
    assert mirror.do(update([(99, 5)])) == []
    assert mirror.book == ([], [])
    assert mirror.do(snapshot([(99, 5)], [(101, 6)])) == [
        l2_book(1, [(99, 5)], [(101, 6)], b"1016995", whole=True),
        Status(L2.symbol, 2, T, "open", "live", ""),
    ]
    assert mirror.quote == (99, 5, 101, 6)


def test_an_update_publishes_the_levels_that_changed_best_first() -> None:
    mirror = l2()
    assert mirror.do(update([(97, 1), (99, 0), (98, 9)], [(102, 0), (100, 2)])) == [
        l2_book(2, [(99, 0), (98, 9), (97, 1)], [(100, 2), (102, 0)], b"10021016" + b"989971"),
    ]
    assert mirror.book == ([(98, 9), (97, 1)], [(100, 2), (101, 6)])
    assert mirror.quote == (98, 9, 100, 2)


def test_what_the_venue_repeats_is_no_change() -> None:
    mirror = l2()
    assert mirror.do(update([(99, 5), (90, 0)], [(101, 6)])) == []
    assert mirror.do(update([(99, 6), (99, 5)])) == []
    assert mirror.do(update()) == []
    assert mirror.do(update([(99, 5)], [(101, 8)])) == [
        l2_book(2, [], [(101, 8)], b"10181027" + b"995984"),
    ]


def test_a_negative_size_deletes_as_zero_does() -> None:
    mirror = l2()
    assert mirror.do(update([(99, -3), (95, -1)])) == [
        l2_book(2, [(99, 0)], [], b"10161027" + b"984"),
    ]


def test_a_snapshot_in_mid_stream_replaces_the_book_and_seq_goes_on() -> None:
    mirror = l2()
    mirror.do(update([(100, 1)]))
    assert mirror.do(snapshot([(50, 1), (49, 0)], [(60, 2)])) == [
        l2_book(3, [(50, 1)], [(60, 2)], b"602501", whole=True),
    ]
    assert mirror.quote == (50, 1, 60, 2)
    assert mirror.view("quotes").seq == 3
    assert mirror.do(update([(51, 1)])) == [l2_book(4, [(51, 1)], [], b"602" + b"511501")]


def test_a_bid_that_would_cross_waits_until_the_ask_has_gone() -> None:
    mirror = l2()
    assert mirror.do(update([(101, 8), (100, 1)])) == [
        l2_book(2, [(100, 1)], [], b"10161027" + b"1001995984"),
    ]
    assert mirror.quote == (100, 1, 101, 6)
    assert mirror.do(update([(101, 9)])) == []
    assert mirror.do(update(asks=[(101, 0)])) == [
        l2_book(3, [(101, 9)], [(101, 0)], b"1027" + b"10191001995984"),
    ]
    assert mirror.status == ("live", "")


def test_an_ask_that_would_cross_waits_until_every_bid_in_its_way_has_gone() -> None:
    mirror = l2()
    assert mirror.do(update(asks=[(98, 3)])) == []
    assert mirror.do(update([(99, 0)])) == [l2_book(2, [(99, 0)], [], b"10161027" + b"984")]
    assert mirror.book == ([(98, 4)], [(101, 6), (102, 7)])
    assert mirror.do(update([(98, 0)])) == [
        l2_book(3, [(98, 0)], [(98, 3)], b"98310161027"),
    ]


def test_within_one_update_the_order_of_the_sides_makes_no_difference() -> None:
    mirror = l2()
    assert mirror.do(update([(101, 8)], [(101, 0)])) == [
        l2_book(2, [(101, 8)], [(101, 0)], b"1027" + b"1018995984"),
    ]


def test_what_waits_can_be_changed_and_taken_back() -> None:
    mirror = l2()
    assert mirror.do(update([(101, 8), (102, 3)]), update([(101, 0)]), update([(102, 5)])) == []
    assert mirror.do(update(asks=[(101, 0), (102, 0)])) == [
        l2_book(2, [(102, 5)], [(101, 0), (102, 0)], b"1025995984"),
    ]


def test_a_snapshot_forgets_what_waits() -> None:
    mirror = l2()
    mirror.do(update([(101, 8)]))
    mirror.do(snapshot([(99, 5)], [(101, 6)]))
    assert mirror.do(update(asks=[(101, 0)])) == [l2_book(3, [], [(101, 0)], b"995")]


def test_a_snapshot_that_is_crossed_itself_is_uncrossed() -> None:
    mirror = Mirror(L2)
    mirror.do(snapshot([(101, 1), (99, 5)], [(100, 2), (102, 7)]))
    assert mirror.book == ([(101, 1), (99, 5)], [(102, 7)])
    mirror.do(update([(101, 0)]))
    assert mirror.book == ([(99, 5)], [(100, 2), (102, 7)])


# ---- depth ---------------------------------------------------------------------------------------


def test_levels_pushed_beyond_the_depth_are_dropped() -> None:
    mirror = Mirror(L2)
    mirror.do(snapshot([(99, 1), (98, 1), (97, 1)], [(101, 1)], depth=2))
    assert mirror.book == ([(99, 1), (98, 1)], [(101, 1)])
    assert mirror.do(update([(100, 1)])) == [
        l2_book(2, [(100, 1), (98, 0)], [], b"1011" + b"1001991"),
    ]
    assert mirror.do(update([(90, 1)])) == []
    assert mirror.do(update([(99, 0), (97, 3)])) == [
        l2_book(3, [(99, 0), (97, 3)], [], b"1011" + b"1001973"),
    ]


def test_what_waits_counts_towards_the_depth() -> None:
    """The venue has 101 and 99 now and says nothing about 98 any more: it must not come back."""
    mirror = Mirror(L2)
    mirror.do(snapshot([(99, 1), (98, 1)], [(101, 1)], depth=2))
    mirror.do(update([(101, 7)]))
    assert mirror.book == ([(99, 1)], [(101, 1)])
    mirror.do(update([(101, 0), (95, 1)]))
    assert mirror.book == ([(99, 1), (95, 1)], [(101, 1)])


def test_more_that_waits_than_the_depth_allows() -> None:
    mirror = Mirror(L2)
    mirror.do(snapshot([(99, 1), (98, 1)], [(101, 1), (102, 1)], depth=2))
    mirror.do(update([(101, 7), (102, 7), (103, 7)]))
    assert mirror.book == ([], [(101, 1), (102, 1)])
    mirror.do(update(asks=[(101, 0), (102, 0), (105, 1)]))
    assert mirror.book == ([(103, 7), (102, 7)], [(105, 1)])
    mirror.do(update(asks=[(101, 3), (100, 3), (99, 3)]))
    assert mirror.book == ([(103, 7), (102, 7)], [])
    mirror.do(update([(103, 0), (102, 0), (98, 1)]))
    assert mirror.book == ([(98, 1)], [(99, 3), (100, 3)])


@pytest.mark.parametrize("depth", [None, 0, -1])
def test_a_depth_that_is_none_is_no_bound(depth: int | None) -> None:
    mirror = Mirror(L2)
    mirror.do(snapshot([(99, 1), (98, 1)], [(101, 1)], depth=depth))
    assert mirror.book == ([(99, 1), (98, 1)], [(101, 1)])


def test_a_snapshot_sets_the_depth_anew() -> None:
    mirror = Mirror(L2)
    mirror.do(snapshot([(99, 1)], [], depth=1), snapshot([(99, 1)], []), update([(98, 1)]))
    assert mirror.book == ([(99, 1), (98, 1)], [])


# ---- when the mirror is wrong --------------------------------------------------------------------


def test_a_checksum_that_disagrees_is_stale_until_the_next_snapshot() -> None:
    mirror = l2()
    right = crc32(b"10161027" + b"996984")
    assert mirror.do(update([(99, 6)], checksum=right)) == [
        l2_book(2, [(99, 6)], [], b"10161027" + b"996984"),
    ]
    events = mirror.do(update([(99, 7)], checksum=right))
    assert events[1:] == [Status(L2.symbol, 3, T, "open", "stale", MISMATCH)]
    right = crc32(b"10161027" + b"998984")
    assert mirror.do(update([(99, 8)], checksum=right)) == [
        l2_book(4, [(99, 8)], [], b"10161027" + b"998984"),
    ]
    assert mirror.status == ("stale", MISMATCH)
    assert mirror.do(snapshot([(99, 1)], [], checksum=crc32(b"991"))) == [
        l2_book(5, [(99, 1)], [], b"991", whole=True),
        Status(L2.symbol, 4, T, "open", "live", ""),
    ]


def test_a_snapshot_with_a_wrong_checksum_is_no_way_out() -> None:
    mirror = l2()
    mirror.do(update(checksum=0))
    assert mirror.status == ("stale", MISMATCH)
    assert mirror.do(snapshot([(99, 1)], [], checksum=0)) == [l2_book(2, [(99, 1)], [], b"991", whole=True)]
    assert mirror.status == ("stale", MISMATCH)


def test_while_something_waits_a_checksum_says_nothing() -> None:
    mirror = l2()
    mirror.do(update([(101, 8)], checksum=0))
    assert mirror.status == ("live", "")
    mirror.do(update(asks=[(101, 0)], checksum=0))
    assert mirror.status == ("stale", MISMATCH)


def test_what_waits_for_too_long_is_stale_and_live_again_when_it_has_gone() -> None:
    mirror = l2()
    mirror.do(update([(101, 8)]))
    assert mirror.after(HELD_SECONDS_MAX) == []
    now = mirror.market.now + SECOND
    assert mirror.after(1) == [Status(L2.symbol, 3, now, "open", "stale", CROSSED)]
    assert mirror.after(1) == []
    events = mirror.do(update(asks=[(101, 0)]))
    assert events[1:] == [Status(L2.symbol, 4, now + SECOND, "open", "live", "")]


def test_what_has_waited_begins_anew_when_nothing_waited_in_between() -> None:
    mirror = l2()
    mirror.do(update([(101, 8)]))
    mirror.after(4)
    mirror.do(update([(101, 0)]), update([(101, 8)]))
    assert mirror.after(4) == []
    assert mirror.status == ("live", "")
    mirror.after(2)
    assert mirror.status == ("stale", CROSSED)


def test_a_snapshot_gives_what_it_makes_wait_its_own_time() -> None:
    mirror = l2()
    mirror.do(update([(101, 8)]))
    mirror.after(HELD_SECONDS_MAX + 1)
    mirror.do(snapshot([(99, 5)], [(98, 1)]))
    assert mirror.after(HELD_SECONDS_MAX) == []
    assert mirror.status == ("live", "")
    mirror.after(1)
    assert mirror.status == ("stale", CROSSED)


def test_a_wrong_checksum_goes_before_a_crossed_book() -> None:
    mirror = l2()
    mirror.do(update(checksum=0), update([(101, 8)]))
    mirror.after(HELD_SECONDS_MAX + 1)
    mirror.do(update([(101, 0)]))
    assert mirror.status == ("stale", MISMATCH)


def test_too_much_that_waits_empties_the_book_until_the_next_snapshot() -> None:
    mirror = l2()
    waiting = [(1_000 + i, 1) for i in range(HELD_CHANGES_MAX)]
    assert mirror.do(update(waiting)) == []
    assert mirror.do(update([(999, 1)])) == [
        l2_book(2, [], [], b"", whole=True),
        Status(L2.symbol, 3, T, "open", "stale", NO_BOOK),
    ]
    assert mirror.quote == (None, 0, None, 0)
    assert mirror.do(update([(99, 1)])) == []
    assert mirror.do(snapshot([(99, 1)], [])) == [
        l2_book(3, [(99, 1)], [], b"991", whole=True),
        Status(L2.symbol, 4, T, "open", "live", ""),
    ]


def test_a_feed_that_is_down_goes_before_the_books_own_problem() -> None:
    mirror = Mirror(L2)
    assert mirror.do(FeedStatus("feed", "down", "gone")) == [Status(L2.symbol, 2, T, "open", "down", "gone")]
    assert mirror.do(snapshot([], []))[1:] == []  # no problem any more, but what is shown stays
    mirror.do(update(checksum=0x12345))
    assert mirror.do(FeedStatus("feed", "live")) == [Status(L2.symbol, 3, T, "open", "stale", MISMATCH)]


# ---- trades, quotes, rates -----------------------------------------------------------------------


def test_a_trade() -> None:
    mirror = l2()
    assert mirror.do(VenueTrade(L2.symbol, "t-1", 100, 3, "sell", 77, "b-1", "s-1")) == [
        Trade(L2.symbol, 1, T, "t-1", 100, 3, "sell", 77, "b-1", "s-1")
    ]
    assert mirror.do(VenueTrade(L2.symbol, "t-2", -5, 3)) == [
        Trade(L2.symbol, 2, T, "t-2", -5, 3, "", 0, "", "")  # power and spreads trade below zero
    ]
    assert mirror.market.last_price(L2.symbol) == -5


@pytest.mark.parametrize("size", [0, -1])
def test_a_trade_of_nothing_is_none(size: int) -> None:
    mirror = l2()
    digest = mirror.market.digest()
    assert mirror.do(VenueTrade(L2.symbol, "t", 100, size)) == []
    assert mirror.market.digest() == digest


def test_the_venues_own_quotes_take_the_place_of_the_books_top() -> None:
    mirror = l2()
    assert mirror.view("quotes") == Quote(L2.symbol, 1, T, 99, 5, 101, 6, 0)
    assert mirror.do(VenueQuote(L2.symbol, 98, 1, None, 0, 55)) == []
    assert mirror.view("quotes") == Quote(L2.symbol, 2, T, 98, 1, None, 0, 55)
    mirror.do(update([(100, 1)]), snapshot([(10, 1)], []))
    assert mirror.view("quotes") == Quote(L2.symbol, 2, T, 98, 1, None, 0, 55)


def test_a_rate_is_the_exact_middle_in_tenths_of_a_tick() -> None:
    mirror = Mirror(FX)
    assert mirror.view("rates") is None
    mirror.do(VenueQuote(FX.symbol, 108_000, 0, 108_001, 0, 55))
    assert mirror.view("rates") == Rate(FX.symbol, 1, T, 1_080_005, 108_000, 108_001, 55)
    mirror.do(VenueQuote(FX.symbol, 108_000, 0, None, 0, 56))  # one side has no middle
    assert mirror.view("rates") == Rate(FX.symbol, 1, T, 1_080_005, 108_000, 108_001, 55)
    mirror.do(VenueRate(FX.symbol, 108_007, 57))
    assert mirror.view("rates") == Rate(FX.symbol, 2, T, 1_080_070, None, None, 57)


def test_an_instrument_without_rates_has_none() -> None:
    mirror = Mirror(NO_RATES)
    mirror.do(VenueQuote(NO_RATES.symbol, 10, 1, 12, 1), VenueRate(NO_RATES.symbol, 11))
    assert mirror.view("rates") is None
    assert mirror.market.seq(StreamKey("rates", NO_RATES.symbol)) == 0


def test_an_instrument_of_quotes_alone_needs_no_book() -> None:
    mirror = Mirror(FX)
    assert mirror.status == ("live", "")


# ---- by order ------------------------------------------------------------------------------------


def add(order_id: str, side: Side, price: int, size: int) -> VenueOrderAdd:
    return VenueOrderAdd(L3.symbol, order_id, side, price, size)


def fall(order_id: str, size: int) -> VenueOrderChange:
    return VenueOrderChange(L3.symbol, order_id, size)


def remove(order_id: str) -> VenueOrderRemove:
    return VenueOrderRemove(L3.symbol, order_id)


def changed(seq: int, action: Any, order_id: str, side: str, price: int, size: int) -> OrderChange:
    return OrderChange(L3.symbol, seq, T, action, order_id, side, price, size, 0, "")


def l3_book(seq: int, bids: list[Level], asks: list[Level], top: bytes, *, whole: bool = False) -> Book:
    return Book(L3.symbol, seq, T, whole, bids, asks, crc32(top))


def l3() -> Mirror:
    """A mirror with bids a and b at 99, an ask c at 101; its streams are at seq 1."""
    mirror = Mirror(L3)
    mirror.do(VenueOrdersSnapshot(L3.symbol, [("a", 99, 5), ("b", 99, 2)], [("c", 101, 6)]))
    return mirror


def test_the_snapshot_by_order_is_published_by_order_and_by_level() -> None:
    mirror = Mirror(L3)
    assert mirror.do(add("a", "buy", 99, 5), fall("a", 1), remove("a")) == []
    assert mirror.status == ("stale", NO_BOOK)
    rows = VenueOrdersSnapshot(
        L3.symbol, [("a", 99, 5), ("b", 99, 2), ("a", 98, 1), ("z", 97, 0)], [("c", 101, 6), ("y", 102, -1)]
    )
    assert mirror.do(rows) == [
        Orders(L3.symbol, 1, T, [("a", 99, 5), ("b", 99, 2)], [("c", 101, 6)]),
        l3_book(1, [(99, 7)], [(101, 6)], b"1016997", whole=True),
        Status(L3.symbol, 2, T, "open", "live", ""),
    ]
    assert mirror.quote == (99, 7, 101, 6)


def test_an_order_joins_falls_and_leaves() -> None:
    mirror = l3()
    assert mirror.do(add("d", "buy", 99, 3)) == [
        changed(2, "add", "d", "buy", 99, 3),
        l3_book(2, [(99, 10)], [], b"10169910"),
    ]
    assert mirror.do(fall("a", 1)) == [
        changed(3, "modify", "a", "buy", 99, 1),
        l3_book(3, [(99, 6)], [], b"1016996"),
    ]
    assert mirror.orders == ([("a", 99, 1), ("b", 99, 2), ("d", 99, 3)], [("c", 101, 6)])
    assert mirror.do(remove("c")) == [
        changed(4, "cancel", "c", "sell", 101, 0),
        l3_book(4, [], [(101, 0)], b"996"),
    ]
    assert mirror.do(fall("a", 0))[0] == changed(5, "cancel", "a", "buy", 99, 0)
    assert mirror.do(fall("b", -4))[0] == changed(6, "cancel", "b", "buy", 99, 0)
    assert mirror.orders == ([("d", 99, 3)], [])


def test_repeats_and_unknown_orders_change_nothing() -> None:
    mirror = l3()
    digest = mirror.market.digest()
    repeats = [add("a", "buy", 98, 9), add("c", "buy", 90, 1), add("e", "buy", 98, 0), add("e", "sell", 120, -1)]
    assert mirror.do(*repeats, fall("a", 5), fall("a", 6), fall("x", 1), remove("x")) == []
    assert mirror.market.digest() == digest


def test_an_order_that_would_cross_waits_with_its_place() -> None:
    mirror = l3()
    assert mirror.do(add("d", "buy", 101, 3), add("e", "buy", 101, 4), add("f", "buy", 102, 1)) == []
    assert mirror.do(add("d", "buy", 101, 9), add("d", "buy", 90, 9)) == []  # repeats
    assert mirror.do(fall("d", 5), fall("d", 2), fall("e", 9)) == []
    assert mirror.do(remove("c")) == [
        changed(2, "cancel", "c", "sell", 101, 0),
        changed(3, "add", "d", "buy", 101, 2),
        changed(4, "add", "e", "buy", 101, 4),
        changed(5, "add", "f", "buy", 102, 1),
        l3_book(2, [(102, 1), (101, 6)], [(101, 0)], b"10211016997"),
    ]
    assert mirror.orders == ([("f", 102, 1), ("d", 101, 2), ("e", 101, 4), ("a", 99, 5), ("b", 99, 2)], [])


def test_an_order_that_waits_can_leave() -> None:
    mirror = l3()
    assert mirror.do(add("d", "sell", 99, 3), remove("d"), add("e", "sell", 99, 3), fall("e", 0)) == []
    mirror.do(remove("a"))
    assert mirror.do(remove("b")) == [
        changed(3, "cancel", "b", "buy", 99, 0),
        l3_book(3, [(99, 0)], [], b"1016"),
    ]


def test_a_fall_that_is_not_to_zero_lets_nothing_through() -> None:
    mirror = l3()
    mirror.do(add("d", "buy", 101, 3))
    assert mirror.do(fall("c", 1)) == [
        changed(2, "modify", "c", "sell", 101, 1),
        l3_book(2, [], [(101, 1)], b"1011997"),
    ]
    assert mirror.do(remove("c"))[:2] == [
        changed(3, "cancel", "c", "sell", 101, 0),
        changed(4, "add", "d", "buy", 101, 3),
    ]


def test_an_order_that_waits_too_long_is_stale_too() -> None:
    mirror = l3()
    mirror.do(add("d", "buy", 101, 3))
    mirror.after(HELD_SECONDS_MAX + 1)
    assert mirror.status == ("stale", CROSSED)
    mirror.do(remove("d"))
    assert mirror.status == ("live", "")


def test_too_many_orders_that_wait_empty_the_book() -> None:
    mirror = l3()
    assert mirror.do(*(add(f"h{i}", "buy", 101, 1) for i in range(HELD_CHANGES_MAX))) == []
    assert mirror.do(add("one more", "buy", 101, 1)) == [
        Orders(L3.symbol, 2, T, [], []),
        l3_book(2, [], [], b"", whole=True),
        Status(L3.symbol, 3, T, "open", "stale", NO_BOOK),
    ]
    assert mirror.do(add("a", "buy", 99, 5)) == []


# ---- what does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize("made", [l2, l3, lambda: Mirror(FX)], ids=["levels", "orders", "none"])
def test_records_of_another_kind_of_book_are_ignored(made: Any) -> None:
    mirror: Mirror = made()
    symbol, book = mirror.symbol, mirror.market.listing(mirror.symbol).instrument.book
    levels: list[Record] = [VenueBookSnapshot(symbol, [(1, 1)], []), VenueBookUpdate(symbol, [(1, 1)], [])]
    orders: list[Record] = [
        VenueOrdersSnapshot(symbol, [("q", 1, 1)], []),
        VenueOrderAdd(symbol, "q", "buy", 1, 1),
        VenueOrderChange(symbol, "a", 1),
        VenueOrderRemove(symbol, "a"),
    ]
    digest = mirror.market.digest()
    foreign = (orders if book != "orders" else []) + (levels if book != "levels" else [])
    assert mirror.do(*foreign) == []
    assert mirror.market.digest() == digest


@pytest.mark.parametrize("made", [l2, l3, lambda: Mirror(FX)], ids=["levels", "orders", "none"])
def test_what_is_only_shown_can_not_be_traded(made: Any) -> None:
    mirror: Mirror = made()
    symbol = mirror.symbol
    assert mirror.do(Transfer("a", mirror.market.listing(symbol).instrument.quote, "1000000", "t")) != []
    digest = mirror.market.digest()
    assert mirror.do(PlaceOrder(symbol, "a", "buy", 1, 1)) == []
    text = f"{symbol} is traded elsewhere; it is only shown here"
    assert mirror.market.outcome == Refused("not_tradable", text, "symbol")
    assert mirror.do(CancelOrder("a", 1)) == []
    assert mirror.market.outcome == Refused("unknown_order", "the account has no order 1", "order_id")
    assert mirror.market.digest() == digest
