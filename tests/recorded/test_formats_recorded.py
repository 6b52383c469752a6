"""Each format against a rebuild from the raw bytes: level by level, order by order, trade by trade."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path

import pytest

from recorded import rebuild
from tickwire.book.checksum import book_checksum
from tickwire.book.ladder import Ladder
from tickwire.feeds.recorded import RecordedFeed
from tickwire.model.instrument import Instrument
from tickwire.model.records import (
    Record,
    VenueBookSnapshot,
    VenueBookUpdate,
    VenueOrderAdd,
    VenueOrderRemove,
    VenueOrdersSnapshot,
    VenueQuote,
    VenueTrade,
)

pytestmark = pytest.mark.recorded


class Decimals:
    """The feed's integers as decimals, exactly."""

    def __init__(self, feed: RecordedFeed) -> None:
        self._steps = {i.symbol: (Decimal(i.tick_size), Decimal(i.lot_size)) for i in feed.instruments()}

    def price(self, symbol: str, ticks: int) -> Decimal:
        return ticks * self._steps[symbol][0]

    def size(self, symbol: str, lots: int) -> Decimal:
        return lots * self._steps[symbol][1]

    def trade(self, record: VenueTrade) -> rebuild.Trade:
        return rebuild.Trade(
            record.symbol,
            record.trade_id,
            self.price(record.symbol, record.price),
            self.size(record.symbol, record.size),
            record.side,
            record.ts_event,
            record.buy_order_id,
            record.sell_order_id,
        )

    def quote(self, record: VenueQuote) -> rebuild.Quote:
        return rebuild.Quote(
            record.symbol,
            None if record.bid is None else self.price(record.symbol, record.bid),
            self.size(record.symbol, record.bid_size),
            None if record.ask is None else self.price(record.symbol, record.ask),
            self.size(record.symbol, record.ask_size),
            record.ts_event,
        )


def records(feed: RecordedFeed) -> Iterator[Record]:
    """All records of the feed; its times must not go back."""
    latest_ns = 0
    for due in feed.due():
        assert due.at_ns >= latest_ns
        latest_ns = due.at_ns
        yield from due.records


def fold(
    books: dict[str, rebuild.Book], record: VenueBookSnapshot | VenueBookUpdate, decimals: Decimals
) -> rebuild.Book:
    """The book after the record, with plain dicts."""
    symbol = record.symbol
    if isinstance(record, VenueBookSnapshot):
        books[symbol] = ({}, {})
        assert record.bids == sorted(record.bids, reverse=True)
        assert record.asks == sorted(record.asks)
    for side, levels in zip(books[symbol], (record.bids, record.asks), strict=True):
        for price, size in levels:
            if size:
                side[decimals.price(symbol, price)] = decimals.size(symbol, size)
            else:
                side.pop(decimals.price(symbol, price), None)
    return books[symbol]


def steps(feed: RecordedFeed) -> dict[str, tuple[str, str]]:
    return {i.symbol: (i.tick_size, i.lot_size) for i in feed.instruments()}


def crossed(book: rebuild.Book) -> bool:
    bids, asks = book
    return bool(bids) and bool(asks) and max(bids) >= min(asks)


def test_binance_books_trades_and_quotes(data: Path) -> None:
    path = data / "binance" / "btcusdt_20240808.gz"
    feed = RecordedFeed("binance", path)
    assert steps(feed) == {"BINANCE:BTC-USDT": ("0.01", "0.00000001")}
    decimals = Decimals(feed)
    trades, quotes = [], []
    books: dict[str, rebuild.Book] = {}
    expected_books = rebuild.binance_books(path)
    kinds: Counter[str] = Counter()
    for record in records(feed):
        kinds[type(record).__name__] += 1
        if isinstance(record, VenueTrade):
            trades.append(decimals.trade(record))
        elif isinstance(record, VenueQuote):
            quotes.append(decimals.quote(record))
        else:
            assert isinstance(record, VenueBookSnapshot | VenueBookUpdate)
            book = fold(books, record, decimals)
            expected = next(expected_books)
            assert book == expected
            assert not crossed(book)
    assert next(expected_books, None) is None
    assert books["BINANCE:BTC-USDT"] == rebuild.binance_final_book(path)
    assert trades == rebuild.binance_trades(path)
    assert quotes == list(rebuild.binance_quotes(path))
    assert kinds == {"VenueBookSnapshot": 1, "VenueBookUpdate": 3_449, "VenueTrade": 9_757, "VenueQuote": 28_040}


def test_coinbase_books_and_trades(data: Path) -> None:
    folder = data / "coinbase"
    feed = RecordedFeed("coinbase", folder)
    assert steps(feed)["COINBASE:SKL-USD"] == ("0.0001", "0.1")
    decimals = Decimals(feed)
    trades = []
    books: dict[str, rebuild.Book] = {}
    expected_books = rebuild.coinbase_books(folder)
    for record in records(feed):
        if isinstance(record, VenueTrade):
            trades.append(decimals.trade(record))
        else:
            assert isinstance(record, VenueBookSnapshot | VenueBookUpdate)
            book = fold(books, record, decimals)
            assert (record.symbol, book) == next(expected_books)
            assert not crossed(book)
    assert next(expected_books, None) is None
    assert books == rebuild.coinbase_final_books(folder)
    assert len(books) == 10
    assert trades == rebuild.coinbase_matches(folder)
    assert len(trades) == 97


def test_kraken_books_trades_and_every_checksum(data: Path) -> None:
    folder = data / "kraken"
    feed = RecordedFeed("kraken", folder)
    assert steps(feed)["KRAKEN:XMR-USD"] == ("0.00000001", "0.00000001")
    assert steps(feed)["KRAKEN:XBT-CHF"] == ("0.00001", "0.00000001")
    instruments: dict[str, Instrument] = {i.symbol: i for i in feed.instruments()}
    decimals = Decimals(feed)
    trades, checksums = [], []
    books: dict[str, rebuild.Book] = {}
    ladders = {symbol: Ladder() for symbol in instruments}
    depths: dict[str, int] = {}
    for record in records(feed):
        if isinstance(record, VenueTrade):
            trades.append(decimals.trade(record))
            continue
        assert isinstance(record, VenueBookSnapshot | VenueBookUpdate)
        fold(books, record, decimals)
        ladder, instrument = ladders[record.symbol], instruments[record.symbol]
        if isinstance(record, VenueBookSnapshot):
            assert record.depth == 1000
            depths[record.symbol] = record.depth
            ladder.replace(record.bids, record.asks)
        for side, levels in ((ladder.bids, record.bids), (ladder.asks, record.asks)):
            for price, size in levels:
                side.set(price, size)
            for price, _ in side.top()[depths[record.symbol] :]:
                side.set(price, 0)
        assert not ladder.crossed()
        if record.checksum is not None:
            checksum = book_checksum(ladder, price_units=instrument.price.units, size_units=instrument.size.units)
            assert checksum == record.checksum
            checksums.append((record.symbol, checksum))
    assert checksums == rebuild.kraken_checksums(folder)
    assert len(checksums) == 4_269
    expected = rebuild.kraken_final_books(folder)
    assert books == expected
    for symbol, ladder in ladders.items():
        bids = {decimals.price(symbol, price): decimals.size(symbol, size) for price, size in ladder.bids.top()}
        asks = {decimals.price(symbol, price): decimals.size(symbol, size) for price, size in ladder.asks.top()}
        assert (bids, asks) == expected[symbol]
    assert trades == rebuild.kraken_trades(folder)
    assert len(trades) == 10


def test_independent_reserve_orders(data: Path) -> None:
    folder = data / "independent_reserve"
    feed = RecordedFeed("independent_reserve", folder)
    assert steps(feed) == {
        "INDEPENDENT_RESERVE:DOT-NZD": ("0.0001", "0.00000001"),
        "INDEPENDENT_RESERVE:MATIC-USD": ("0.00001", "0.00000001"),
        "INDEPENDENT_RESERVE:ETH-AUD": ("0.01", "0.00000001"),
        "INDEPENDENT_RESERVE:BCH-SGD": ("0.01", "0.00000001"),
        "INDEPENDENT_RESERVE:PMGT-NZD": ("0.01", "0.00000001"),
    }
    decimals = Decimals(feed)
    books: dict[str, dict[str, tuple[str, int, int]]] = {}
    for record in records(feed):
        if isinstance(record, VenueOrdersSnapshot):
            assert record.symbol not in books
            books[record.symbol] = {
                order_id: (side, price, size)
                for side, orders in (("buy", record.bids), ("sell", record.asks))
                for order_id, price, size in orders
            }
            assert record.bids == sorted(record.bids, key=lambda order: -order[1])
            assert record.asks == sorted(record.asks, key=lambda order: order[1])
        elif isinstance(record, VenueOrderAdd):
            assert record.order_id not in books[record.symbol]
            books[record.symbol][record.order_id] = (record.side, record.price, record.size)
        else:
            assert isinstance(record, VenueOrderRemove)
            del books[record.symbol][record.order_id]
        resting = books[record.symbol].values()
        bid = max(price for side, price, _ in resting if side == "buy")
        assert bid < min(price for side, price, _ in resting if side == "sell")
    listed = {
        symbol: tuple(
            [
                (order_id, decimals.price(symbol, price), decimals.size(symbol, size))
                for order_id, (side, price, size) in sorted(orders.items(), key=lambda order: sign * order[1][1])
                if side == wanted
            ]
            for wanted, sign in (("buy", -1), ("sell", 1))
        )
        for symbol, orders in books.items()
    }
    assert listed == rebuild.independent_reserve_orders(folder)


def test_fx_quotes(data: Path) -> None:
    path = data / "fx" / "eurusd_fxcm_20140508_quote.zip"
    feed = RecordedFeed("fx", path)
    assert steps(feed) == {"FXCM:EUR-USD": ("0.00001", "1")}
    _same_quotes(feed, rebuild.fx_quotes(path), 167_466)


def test_equity_quotes(data: Path) -> None:
    path = data / "equity" / "ibm_20131008_quote.zip"
    feed = RecordedFeed("equity", path)
    assert steps(feed) == {"NYSE:IBM-USD": ("0.0001", "1")}
    _same_quotes(feed, rebuild.equity_quotes(path), 125_750)


def _same_quotes(feed: RecordedFeed, expected: Iterator[rebuild.Quote], count: int) -> None:
    decimals = Decimals(feed)
    number = 0
    for number, (record, quote) in enumerate(zip_longest(records(feed), expected), 1):  # noqa: B007
        assert isinstance(record, VenueQuote)
        assert decimals.quote(record) == quote
    assert number == count


@pytest.mark.parametrize(("name", "count"), [("ibm_20131008_trade.zip", 33_381), ("spy_20131007_trade.zip", 250_601)])
def test_equity_trades(data: Path, name: str, count: int) -> None:
    path = data / "equity" / name
    feed = RecordedFeed("equity", path)
    decimals = Decimals(feed)
    number = 0
    for number, (record, trade) in enumerate(zip_longest(records(feed), rebuild.equity_trades(path)), 1):  # noqa: B007
        assert isinstance(record, VenueTrade)
        assert decimals.trade(record) == trade
    assert number == count


def test_equity_folder_merges_its_archives_by_time(data: Path) -> None:
    feed = RecordedFeed("equity", data / "equity")
    assert [i.symbol for i in feed.instruments()] == ["NYSE:IBM-USD", "NYSE:SPY-USD"]
    counts = Counter((type(record).__name__, record.symbol) for record in records(feed))  # type: ignore[union-attr]
    assert counts == {
        ("VenueTrade", "NYSE:SPY-USD"): 250_601,
        ("VenueTrade", "NYSE:IBM-USD"): 33_381,
        ("VenueQuote", "NYSE:IBM-USD"): 125_750,
    }
