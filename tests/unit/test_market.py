"""The market as a whole: the clock, feeds, listing, reading, snapshots."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from support import BTC, START_NS, funded, order, public
from tickwire.errors import TapeError, UnknownSymbol
from tickwire.limits import INSTRUMENTS_MAX
from tickwire.market import market as market_module
from tickwire.market.market import Market
from tickwire.market.mirrored import NO_BOOK
from tickwire.model.channel import CHANNELS, PRIVATE_CHANNELS, StreamKey
from tickwire.model.events import Book, Candle, OrderChange, Orders, Quote, RecentTrades, Status, Ticker, Trade
from tickwire.model.instrument import Instrument
from tickwire.model.outcome import Executed, Refused
from tickwire.model.records import (
    Clock,
    DeadMan,
    FeedStatus,
    Guard,
    KillSwitch,
    ListInstrument,
    Record,
    TradingStatus,
    VenueBookSnapshot,
    VenueOrdersSnapshot,
    VenueQuote,
    VenueTrade,
)

S = BTC.symbol
T = START_NS
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
DAY = 1440 * MINUTE
MIDNIGHT = T - T % DAY


def instrument(base: str, **more: Any) -> Instrument:
    given = {
        "venue": "V", "base": base, "quote": "USD", "asset_class": "crypto", "tick_size": "0.01", "lot_size": "1",
        "kind": "mirrored", "book": "none", "feed": "feed",
    }  # fmt: skip
    return Instrument(**(given | more))


PLAIN = instrument("A")
P = PLAIN.symbol


def market(*records: Record, at: int = T) -> Market:
    made = Market()
    for record in (Clock(at), *records):
        made.apply(record)
    return made


def traded(price: int, size: int) -> VenueTrade:
    return VenueTrade(P, "t", price, size)


# ---- time ----------------------------------------------------------------------------------------


def test_the_clock_never_goes_back() -> None:
    made = market()
    for ts in (T - 1, 0, -5, T):
        assert made.apply(Clock(ts)) == []
        assert made.now == T
    made.apply(Clock(T + 1))
    assert made.now == T + 1


def candle(
    seq: int, ts: int, interval: int, start: int, closed: bool, row: tuple[int, ...], last: tuple[int, int]
) -> Candle:
    """`row` is open, high, low, close, volume, quote volume, trades; `last` the number and time of the last trade. All
    came at one time, and nobody knows who took."""
    number, when = last
    return Candle(P, seq, ts, interval, start, *row, closed, 0, 0, number - row[-1] + 1, number, when, when)  # type: ignore[call-arg, arg-type]


def test_a_candle_is_closed_by_the_clock_alone_once_and_at_its_end() -> None:
    made = market(ListInstrument(PLAIN), traded(100, 2), traded(90, 1), at=MIDNIGHT)
    row = (100, 100, 90, 90, 3, 290, 2)
    key = StreamKey("candles", P, interval="1s")
    assert made.view(key) == candle(2, MIDNIGHT, SECOND, MIDNIGHT, False, row, (2, MIDNIGHT))
    assert made.apply(Clock(MIDNIGHT + SECOND - 1)) == []
    end = MIDNIGHT + SECOND
    assert made.apply(Clock(end)) == [candle(3, end, SECOND, MIDNIGHT, True, row, (2, MIDNIGHT))]
    assert made.view(key) is None
    assert made.apply(Clock(end + SECOND)) == []
    made.apply(traded(95, 1))
    row, at = (95, 95, 95, 95, 1, 95, 1), end + SECOND
    assert made.view(key) == candle(4, at, SECOND, at, False, row, (3, at))


def test_several_candles_that_end_together_are_closed_shortest_first() -> None:
    made = market(ListInstrument(PLAIN), at=MIDNIGHT + 59 * SECOND)
    made.apply(traded(100, 2))
    end, last = MIDNIGHT + MINUTE, (1, MIDNIGHT + 59 * SECOND)
    row = (100, 100, 100, 100, 2, 200, 1)
    assert made.apply(Clock(end)) == [
        candle(2, end, SECOND, MIDNIGHT + 59 * SECOND, True, row, last),
        candle(2, end, 5 * SECOND, MIDNIGHT + 55 * SECOND, True, row, last),
        candle(2, end, MINUTE, MIDNIGHT, True, row, last),
    ]
    open_one = made.view(StreamKey("candles", P, interval="5m"))
    assert open_one == candle(1, end, 5 * MINUTE, MIDNIGHT, False, row, last)


def test_a_clock_that_jumps_over_several_intervals_closes_each_candle_once() -> None:
    made = market(ListInstrument(PLAIN), traded(100, 2), at=MIDNIGHT)
    late = MIDNIGHT + 47 * MINUTE + 1
    row = (100, 100, 100, 100, 2, 200, 1)
    assert made.apply(Clock(late)) == [
        candle(2, late, interval, MIDNIGHT, True, row, (1, MIDNIGHT))
        for interval in (SECOND, 5 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE)
    ]
    made.apply(traded(105, 1))
    view = made.view(StreamKey("candles", P, interval="15m"))
    row = (105, 105, 105, 105, 1, 105, 1)
    assert view == candle(3, late, 15 * MINUTE, MIDNIGHT + 45 * MINUTE, False, row, (2, late))


def test_the_ticker_lets_go_by_the_clock_alone_and_says_that_it_changed() -> None:
    made = market(ListInstrument(PLAIN), traded(100, 2), at=MIDNIGHT)
    made.apply(Clock(MIDNIGHT + 5 * MINUTE))
    made.apply(traded(90, 1))
    key = StreamKey("ticker", P)
    assert made.view(key) == Ticker(P, 2, MIDNIGHT + 5 * MINUTE, 90, 100, 100, 90, 3, 290, 2)
    made.changed.clear()
    made.apply(Clock(MIDNIGHT + DAY - 1))
    assert (made.changed, made.seq(key)) == (set(), 2)
    made.apply(Clock(MIDNIGHT + DAY))
    assert made.changed == {P}
    assert made.view(key) == Ticker(P, 3, MIDNIGHT + DAY, 90, 90, 90, 90, 1, 90, 1)
    made.apply(Clock(MIDNIGHT + DAY + 5 * MINUTE))
    assert (made.view(key), made.seq(key)) == (None, 4)
    assert made.last_price(P) == 90  # the last price is not of the last day only


def test_before_the_first_clock_it_is_time_0() -> None:
    made = Market()
    assert made.now == 0
    for record in (ListInstrument(PLAIN), traded(0, 2), traded(5, 1)):
        made.apply(record)
    row = (0, 5, 0, 5, 3, 5, 2)
    restored = Market.restore(made.snapshot())
    for each in (made, restored):
        assert each.view(StreamKey("candles", P, interval="1s")) == candle(2, 0, SECOND, 0, False, row, (2, 0))
        assert each.apply(Clock(SECOND)) == [candle(3, SECOND, SECOND, 0, True, row, (2, 0))]
        each.apply(traded(0, 1))
        assert each.view(StreamKey("ticker", P)) == Ticker(P, 3, SECOND, 0, 0, 5, 0, 4, 5, 3)


# ---- feeds and status ----------------------------------------------------------------------------


def status(symbol: str, seq: int, *shown: str) -> Status:
    return Status(symbol, seq, T, *shown)  # type: ignore[arg-type]


def test_a_feeds_state_is_that_of_each_of_its_instruments() -> None:
    made = market(ListInstrument(BTC))
    assert made.apply(ListInstrument(PLAIN)) == [status(P, 1, "open", "down", "not started")]
    other = instrument("B")
    made.apply(ListInstrument(other))
    assert made.apply(FeedStatus("feed", "live")) == [
        status(P, 2, "open", "live", ""),
        status(other.symbol, 2, "open", "live", ""),
    ]
    assert made.apply(FeedStatus("feed", "live")) == []
    assert made.apply(FeedStatus("feed", "stale", "silence")) == [
        status(P, 3, "open", "stale", "silence"),
        status(other.symbol, 3, "open", "stale", "silence"),
    ]
    assert made.apply(TradingStatus(P, "halted")) == [status(P, 4, "halted", "stale", "silence")]
    assert made.view(StreamKey("status", S)) == status(S, 1, "open", "down", "not started")
    assert made.feeds == {"feed": ("stale", "silence")}


def test_a_feed_may_be_known_before_its_instruments() -> None:
    made = market(FeedStatus("feed", "stale", "waits"))
    assert made.apply(ListInstrument(PLAIN)) == [status(P, 1, "open", "stale", "waits")]
    assert made.apply(FeedStatus("feed", "live")) == [status(P, 2, "open", "live", "")]
    book = instrument("B", book="levels")
    assert made.apply(ListInstrument(book)) == [status(book.symbol, 1, "open", "stale", NO_BOOK)]


def test_an_instrument_without_a_feed_can_not_be_down() -> None:
    users_only = instrument("A", kind="matched", book="orders", feed="")
    assert market().apply(ListInstrument(users_only)) == [status(P, 1, "open", "live", "")]


# ---- listing -------------------------------------------------------------------------------------


def test_listing_the_same_again_changes_nothing() -> None:
    made = market(ListInstrument(BTC), *funded("a"), order("buy", 100, 5))
    assert made.book(S).ladder.bids.top() == [(100, 5)]
    made.changed.clear()
    digest = made.digest()
    assert made.apply(ListInstrument(BTC)) == []
    assert (made.digest(), made.changed) == (digest, set())


def test_listing_with_other_steps_empties_the_instrument_and_its_streams_go_on() -> None:
    made = market(
        *funded("a", "b"),
        ListInstrument(BTC),
        FeedStatus("test", "live"),
        order("buy", 100, 5),
        order("sell", 100, 2),
        TradingStatus(S, "halted"),
        ListInstrument(PLAIN),
    )
    candles = StreamKey("candles", S, interval="1m")
    before = {c: made.seq(StreamKey(c, S) if c != "candles" else candles) for c in CHANNELS}
    assert before == {
        "trades": 1, "book": 2, "book_l3": 2, "quotes": 2, "candles": 1, "ticker": 1, "rates": 0, "status": 3,
    }  # fmt: skip
    made.changed.clear()
    resting = made.order("a", 1)
    assert resting is not None
    assert (resting.status, resting.remaining) == ("open", 3)
    finer = msgspec.structs.replace(BTC, tick_size="0.001")
    assert public(made.apply(ListInstrument(finer))) == [
        OrderChange(S, 3, T, "cancel", "1", "buy", 100, 0, 0, ""),
        Book(S, 3, T, False, [(100, 0)], [], 0),
        status(S, 4, "open", "live", ""),
        Orders(S, 4, T, [], []),
        Book(S, 4, T, True, [], [], 0),
    ]
    assert (resting.status, resting.reason, made.open_orders_of("a")) == ("canceled", "relisted", [])
    assert made.changed == {S}
    assert made.instruments == [finer, PLAIN]
    assert made.view(StreamKey("quotes", S)) == Quote(S, 4, T, None, 0, None, 0, 0)
    assert made.view(StreamKey("trades", S)) == RecentTrades(S, 1, T, [])
    assert made.view(StreamKey("ticker", S)) is None
    assert (made.view(candles), made.seq(candles)) == (None, 1)
    assert (made.last_price(S), dict(made.open_orders(S, "a"))) == (None, {})
    assert made.apply(Clock(T + 10 * SECOND)) == []  # no candle of the old one is left to close


def test_a_mirrored_instrument_listed_with_other_steps_waits_for_a_book() -> None:
    levels = instrument("A", book="levels")
    made = market(FeedStatus("feed", "live"), ListInstrument(levels), VenueBookSnapshot(P, [(100, 5)], []))
    coarser = msgspec.structs.replace(levels, tick_size="1")
    assert made.apply(ListInstrument(coarser)) == [
        status(P, 3, "open", "stale", NO_BOOK),
        Book(P, 2, T, True, [], [], 0),
    ]


def test_a_listing_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert INSTRUMENTS_MAX == 10_000
    monkeypatch.setattr(market_module, "INSTRUMENTS_MAX", 2)
    made = market(ListInstrument(BTC), ListInstrument(PLAIN))
    digest = made.digest()
    assert made.apply(ListInstrument(instrument("C"))) == []
    assert made.digest() == digest
    assert made.apply(ListInstrument(instrument("A", tick_size="0.1")))[0] == (
        status(P, 2, "open", "down", "not started")
    )


# ---- reading -------------------------------------------------------------------------------------


def test_what_is_not_listed_is_ignored_on_the_tape_and_unknown_to_a_reader() -> None:
    made = market(ListInstrument(PLAIN), *funded("a"))
    made.changed.clear()
    digest = made.digest()
    for record in (order("buy", 100, 5), TradingStatus(S, "halted")):
        assert made.apply(record) == []
        assert made.outcome == Refused("unknown_symbol", f"no instrument {S!r}", "symbol")
    assert made.apply(VenueQuote(S, 1, 1, 2, 2)) == []
    assert (made.digest(), made.changed) == (digest, set())
    readers: list[Any] = [made.listing, made.book, made.last_price, lambda s: made.open_orders(s, "a")]
    readers += [lambda s: made.view(StreamKey("book", s)), lambda s: made.seq(StreamKey("book", s))]
    for read in readers:
        with pytest.raises(UnknownSymbol, match="no instrument 'SIM:BTC-USDT'"):
            read(S)


def test_changed_names_what_a_record_touched() -> None:
    made = market(ListInstrument(BTC), ListInstrument(PLAIN))
    made.changed.clear()
    for record in funded("a"):
        made.apply(record)
    assert made.changed == set()  # accounts are not named: their streams are all pushed
    made.apply(order("buy", 100, 5))
    assert made.changed == {S}
    made.apply(traded(100, 1))
    assert made.changed == {S, P}


def test_views_of_the_book() -> None:
    orders = [*(order("buy", price, 1) for price in range(90, 100)), order("sell", 100, 3)]
    made = market(ListInstrument(BTC), *funded("a", "b"), *orders)
    full = made.view(StreamKey("book", S))
    assert isinstance(full, Book)
    assert (full.seq, full.snapshot, full.bids[:2], len(full.bids), full.asks) == (
        11, True, [(99, 1), (98, 1)], 10, [(100, 3)],
    )  # fmt: skip
    top = made.view(StreamKey("book", S, depth=1))
    assert top == msgspec.structs.replace(full, bids=[(99, 1)])  # the checksum is of the whole book
    assert made.book(S).ladder.bids.best() == 99


def test_a_view_of_what_has_not_happened() -> None:
    made = market(ListInstrument(BTC), at=7)
    views = {channel: made.view(StreamKey(channel, S, interval="1m")) for channel in CHANNELS}
    assert views == {
        "trades": RecentTrades(S, 0, 7, []),
        "book": Book(S, 0, 7, True, [], [], 0),
        "book_l3": Orders(S, 0, 7, [], []),
        "quotes": Quote(S, 0, 0, None, 0, None, 0, 0),
        "candles": None,
        "ticker": None,
        "rates": None,
        "status": Status(S, 1, 7, "open", "down", "not started"),
    }


def test_mirrored_instruments_have_no_open_orders() -> None:
    assert market(ListInstrument(PLAIN)).open_orders(P, "a") == {}


# ---- snapshots -----------------------------------------------------------------------------------


def busy() -> Market:
    """Something of everything that a snapshot has to keep."""
    levels, orders = instrument("L2", book="levels"), instrument("L3", book="orders", asset_class="fx")
    return market(
        FeedStatus("feed", "live"),
        *(ListInstrument(each) for each in (BTC, PLAIN, levels, orders)),
        *funded("a", "b", "ü"),
        order("buy", 100, 5, client_order_id="mine"),
        order("sell", 103, 5, account="ü"),
        order("sell", 100, 2),
        VenueBookSnapshot(levels.symbol, [(99, 5), (101, 1)], [(101, 6), (98, 1)], depth=7),
        VenueOrdersSnapshot(orders.symbol, [("a", 99, 5), ("x", 105, 2)], [("c", 101, 6), ("d", 99, 1)]),
        VenueQuote(P, 5, 1, 7, 1, 3),
        traded(6, 2**63),
        TradingStatus(P, "closed"),
    )


def test_a_restored_market_is_the_same() -> None:
    made = busy()
    restored = Market.restore(made.snapshot())
    assert restored.digest() == made.digest()
    assert restored.snapshot() == made.snapshot()
    assert (restored.now, restored.instruments, restored.feeds) == (made.now, made.instruments, made.feeds)
    for listed in made.instruments:
        for channel in listed.channels:
            key = StreamKey(channel, listed.symbol, interval="1m")
            assert (restored.seq(key), restored.view(key)) == (made.seq(key), made.view(key))
    for account, (orders, fills) in {"a": (2, 1), "b": (1, 1), "ü": (1, 0), "nobody": (0, 0)}.items():
        for channel, seq in {"orders": orders, "fills": fills, "positions": fills}.items():
            key = StreamKey(channel, account)
            assert (restored.seq(key), made.seq(key)) == (seq, seq)
        for channel in PRIVATE_CHANNELS:
            key = StreamKey(channel, account)
            shown, expected = (msgspec.json.encode(each.view(key)) for each in (restored, made))
            assert (restored.seq(key), shown) == (made.seq(key), expected)
    for each in (made, restored):
        made_of_it = each.apply(order("sell", 100, 1))
        assert made_of_it[0] == Trade(S, 2, T, "2", 100, 1, "sell", T, "1", "4")
        each.apply(order("buy", 100, 5, client_order_id="mine"))
        assert isinstance(each.outcome, Executed)
        assert (each.outcome.order.order_id, each.outcome.order.filled) == (1, 0)  # the first answer, once more
    assert restored.digest() == made.digest()


def test_sums_beyond_64_bits_survive() -> None:
    made = market(ListInstrument(PLAIN), traded(2**62, 2**63), traded(2**62, 2**63))
    restored = Market.restore(made.snapshot())
    ticker = restored.view(StreamKey("ticker", P))
    assert isinstance(ticker, Ticker)
    assert (ticker.volume, ticker.quote_volume) == (2**64, 2**126)


def test_the_digest_is_of_the_whole_state() -> None:
    base = market(ListInstrument(PLAIN))
    digests = [base.digest()]
    for record in (Clock(T + 1), FeedStatus("other", "down"), traded(1, 1), *funded("a", "b"), order("buy", 1, 1),
                   ListInstrument(BTC), order("buy", 1, 0), order("buy", 1, 1), order("buy", 1, 1, account="b"),
                   order("buy", 1, 1, client_order_id="x"), order("buy", 1, 0, client_order_id="y"),
                   KillSwitch(True, symbol=S), KillSwitch(True, "a"), DeadMan("b", T + 9),
                   Guard("b", "s1", "account")):  # fmt: skip
        base.apply(record)
        digests.append(base.digest())
    assert digests[7] == digests[8]  # an order on what is not listed
    assert digests[9] == digests[10]  # an order of no size
    del digests[10], digests[8]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"version":4', b'"version":3', "the snapshot has version 3, this tickwire reads 4"),
        (b'{"version":4', b'{"later":[],"version":7', "the snapshot has version 7, this tickwire reads 4"),
        (b'"version":4', b'"version":"2"', "not one that this version can read: Expected `int`"),
        (b'"next_order_id"', b'"next_order"', "not one that this version can read: .*`next_order_id`"),
        (b'"BTC"', b'"B-C"', "not one that this version can read: base 'B-C'"),
        (b'"halted"', b'"ajar"', "not one that this version can read: Invalid enum value"),
        (b'"held_since"', b'"since"', "not one that this version can read: .*`held_since`"),
        (b'"candles":[[', b'"candles":[[-1,0,0,0,0,0,0,0],[', "not one that this version can read"),
        (b"SIM", b"S\xffM", "not one that this version can read"),
    ],
)
def test_a_snapshot_that_can_not_be_read(old: bytes, new: bytes, message: str) -> None:
    made = busy()
    made.apply(TradingStatus(S, "halted"))
    body = made.snapshot()
    assert old in body
    with pytest.raises(TapeError, match=message):
        Market.restore(body.replace(old, new, 1))


def test_bytes_that_are_no_snapshot() -> None:
    body = busy().snapshot()
    for wrong in (b"", b"\x00", b"[]", b"null", body[:-1], body[: len(body) // 2], body + b"}"):
        with pytest.raises(TapeError, match="the snapshot is not one that this version can read"):
            Market.restore(wrong)
