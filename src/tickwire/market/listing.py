"""What every instrument has, matched or mirrored: its counters, trades, candles, ticker, quote and status.

Lossless streams are pushed: each change appends an event to `out`. Latest-class streams are pulled: `view`
shows a stream as it stands, for a new subscriber and for the next publication alike. Either way nothing is built that
nobody reads, and the counters in `seq` move with every change, whoever is subscribed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from itertools import islice

import msgspec

from tickwire.book.checksum import book_checksum
from tickwire.book.l3 import L3Book
from tickwire.limits import RECENT_TRADES_MAX, TRADES_KEPT_MAX
from tickwire.market.candles import CandleSet
from tickwire.market.out import Out
from tickwire.market.state import ListingState
from tickwire.market.window import RollingWindow
from tickwire.model.channel import CANDLE_INTERVALS_NS, CHANNELS, StreamKey
from tickwire.model.events import (
    Book,
    Event,
    L3Action,
    OrderChange,
    Orders,
    Quote,
    Rate,
    RecentTrades,
    Status,
    Ticker,
    Trade,
)
from tickwire.model.instrument import Instrument
from tickwire.model.records import BookOrder, FeedState, Record, TradingState


class Listing:
    """One instrument in the market. `MatchedListing` and `MirroredListing` fill its book."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.book = L3Book()
        self.ladder = self.book.ladder
        self.seq = {channel: 0 for channel in CHANNELS if channel != "candles"}
        """Changes so far by channel; each candle interval counts its own."""
        self.trading: TradingState = "open"
        self.feed: FeedState = "down" if instrument.feed else "live"
        self.feed_reason = "not started" if instrument.feed else ""
        self.problem = ""
        """Why this instrument alone is stale while its feed lives; "" when it is not."""
        self._said: tuple[TradingState, FeedState, str] | None = None
        self.last_price: int | None = None
        self.quote = Quote(self.symbol, 0, 0, None, 0, None, 0, 0)
        self.rate: Rate | None = None
        self.recent: deque[Trade] = deque(maxlen=TRADES_KEPT_MAX)
        self.candles = CandleSet(self.symbol)
        self.window = RollingWindow()
        self.has_rates = "rates" in instrument.channels
        self._price_units = instrument.price.units
        self._size_units = instrument.size.units

    # ---- inputs ----------------------------------------------------------------------------------

    def apply(self, record: Record, ts: int, out: Out) -> None:
        """Fold a record that names this instrument."""
        raise NotImplementedError

    def clock(self, ts: int, out: Out) -> None:
        """The tape's clock has entered a new second."""
        out.events += self.candles.due(ts)
        if self.window.roll(ts):
            self.seq["ticker"] += 1

    def set_trading(self, state: TradingState, ts: int, out: Out) -> None:
        """Open, halt or close the instrument."""
        self.trading = state
        self.say_status(ts, out)

    def set_feed(self, state: FeedState, reason: str, ts: int, out: Out) -> None:
        """What drives this instrument went live, stale or down."""
        self.feed, self.feed_reason = state, reason
        self.say_status(ts, out)

    def set_problem(self, problem: str, ts: int, out: Out) -> None:
        """Something is wrong with this instrument's own book, or ("") no longer is."""
        self.problem = problem
        self.say_status(ts, out)

    # ---- results ---------------------------------------------------------------------------------

    def say_status(self, ts: int, out: Out) -> None:
        """Publish the status if it is another than was said last."""
        shown = self._shown_status()
        if shown != self._said:
            self._said = shown
            self.seq["status"] += 1
            out.append(self._status(ts))

    def say_trade(
        self,
        ts: int,
        out: Out,
        *,
        trade_id: str,
        price: int,
        size: int,
        side: str,
        ts_event: int,
        buy_order_id: str,
        sell_order_id: str,
    ) -> None:
        """Publish a trade and count it in candles and ticker."""
        seq = self.seq
        number = seq["trades"] = seq["trades"] + 1
        seq["ticker"] += 1
        trade = Trade(self.symbol, number, ts, trade_id, price, size, side, ts_event, buy_order_id, sell_order_id)
        self.recent.append(trade)
        if out.hears("trades", self.symbol):
            out.append(trade)
        self.last_price = price
        self.candles.add(ts, price, size, side, number)
        self.window.add(ts, price, size)

    def say_order(
        self,
        ts: int,
        out: Out,
        *,
        action: L3Action,
        order_id: int | str,
        side: str,
        price: int,
        size: int,
        filled: int = 0,
        trade_id: int | str = "",
    ) -> None:
        """Publish a change of one order of the book."""
        seq = self.seq["book_l3"] = self.seq["book_l3"] + 1
        if out.hears("book_l3", self.symbol):
            ids = str(order_id), str(trade_id)
            out.append(OrderChange(self.symbol, seq, ts, action, ids[0], side, price, size, filled, ids[1]))

    def say_levels(self, ts: int, out: Out, bids: Collection[int], asks: Collection[int]) -> None:
        """Publish the levels at these prices, best first, as they are now, and the quote if it moved."""
        seq = self.seq["book"] = self.seq["book"] + 1
        if out.hears("book", self.symbol):
            bid_sizes, ask_sizes = self.ladder.bids.sizes, self.ladder.asks.sizes
            bid_levels = [(price, bid_sizes.get(price, 0)) for price in sorted(bids, reverse=True)]
            ask_levels = [(price, ask_sizes.get(price, 0)) for price in sorted(asks)]
            out.append(Book(self.symbol, seq, ts, False, bid_levels, ask_levels, self.checksum()))
        self.requote(ts)

    def say_snapshot(self, ts: int, out: Out) -> None:
        """Publish the whole book anew: it was replaced, not changed."""
        if self.instrument.book == "orders":
            self.seq["book_l3"] += 1
            if out.hears("book_l3", self.symbol):
                out.append(self._orders(ts))
        self.seq["book"] += 1
        if out.hears("book", self.symbol):
            out.append(self._book(ts, None))
        self.requote(ts)

    def requote(self, ts: int) -> None:
        """Take the quote from the top of the book."""
        bids, asks, quote = self.ladder.bids, self.ladder.asks, self.quote
        bid, ask = bids.best(), asks.best()
        bid_size = bids.sizes[bid] if bid is not None else 0
        ask_size = asks.sizes[ask] if ask is not None else 0
        if bid != quote.bid or ask != quote.ask or bid_size != quote.bid_size or ask_size != quote.ask_size:
            self.set_quote(ts, bid, bid_size, ask, ask_size, ts_event=0)

    def set_quote(
        self, ts: int, bid: int | None, bid_size: int, ask: int | None, ask_size: int, *, ts_event: int
    ) -> None:
        """The best bid and ask are these now; where the instrument has rates, so is their middle."""
        self.seq["quotes"] += 1
        self.quote = Quote(self.symbol, self.seq["quotes"], ts, bid, bid_size, ask, ask_size, ts_event)
        if self.has_rates and bid is not None and ask is not None:
            self.set_rate(ts, (bid + ask) * 5, bid, ask, ts_event=ts_event)

    def set_rate(self, ts: int, rate: int, bid: int | None, ask: int | None, *, ts_event: int) -> None:
        """The scalar metric is this now, in tenths of a tick."""
        self.seq["rates"] += 1
        self.rate = Rate(self.symbol, self.seq["rates"], ts, rate, bid, ask, ts_event)

    def checksum(self) -> int:
        """CRC-32 over the top of the book."""
        return book_checksum(self.ladder, price_units=self._price_units, size_units=self._size_units)

    def seq_of(self, key: StreamKey) -> int:
        """The number of the last change of a stream of this instrument."""
        if key.interval:
            return self.candles.seq(CANDLE_INTERVALS_NS[key.interval])
        return self.seq[key.channel]

    # ---- views -----------------------------------------------------------------------------------

    def view(self, key: StreamKey, ts: int) -> Event | None:
        """The stream as it stands, with the `seq` of that state; None for what has not happened yet."""
        match key.channel:
            case "trades":
                return RecentTrades(self.symbol, self.seq["trades"], ts, self.newest_trades(RECENT_TRADES_MAX))
            case "book":
                return self._book(ts, key.depth or None)
            case "book_l3":
                return self._orders(ts)
            case "quotes":
                return self.quote
            case "candles":
                return self.candles.view(CANDLE_INTERVALS_NS[key.interval], ts)
            case "ticker":
                return self._ticker(ts) if self.window.trades else None
            case "rates":
                return self.rate
            case "status":
                return self._status(ts)
        raise AssertionError(key)

    def _shown_status(self) -> tuple[TradingState, FeedState, str]:
        if self.feed == "live" and self.problem:
            return self.trading, "stale", self.problem
        return self.trading, self.feed, self.feed_reason

    def _status(self, ts: int) -> Status:
        return Status(self.symbol, self.seq["status"], ts, *self._shown_status())

    def _book(self, ts: int, depth: int | None) -> Book:
        ladder = self.ladder
        return Book(
            self.symbol, self.seq["book"], ts, True, ladder.bids.top(depth), ladder.asks.top(depth), self.checksum()
        )

    def newest_trades(self, count: int) -> list[Trade]:
        """The newest trades, at most so many, oldest first."""
        recent = self.recent
        return list(islice(recent, max(0, len(recent) - count), None))

    def _orders(self, ts: int) -> Orders:
        bids, asks = (self.book_orders(side) for side in ("buy", "sell"))
        return Orders(self.symbol, self.seq["book_l3"], ts, bids, asks)

    def book_orders(self, side: str) -> list[BookOrder]:
        """Every order of a side, best first, as (order id, price, size)."""
        return [(str(order.order_id), order.price, order.size) for order in self.book.listed(side)]

    def _ticker(self, ts: int) -> Ticker:
        window = self.window
        return Ticker(
            self.symbol,
            self.seq["ticker"],
            ts,
            self.last_price or 0,
            window.open,
            window.high,
            window.low,
            window.volume,
            window.quote_volume,
            window.trades,
        )

    # ---- snapshots -------------------------------------------------------------------------------

    def count_on(self, seq: dict[str, int]) -> None:
        """Take up the streams of this symbol where another listing left them."""
        self.seq.update(seq)

    def dump(self) -> ListingState:
        """The whole state; equal states give equal bytes once encoded."""
        return ListingState(
            self.instrument,
            self.seq,
            self.trading,
            self.feed,
            self.feed_reason,
            self.problem,
            self.last_price,
            self.quote,
            self.rate,
            list(self.recent),
            self.candles.dump(),
            self.window.dump(),
            list(self.book.orders.values()),
            (self.ladder.bids.top(), self.ladder.asks.top()) if self.instrument.book == "levels" else ([], []),
            self.dump_extra(),
        )

    def load(self, state: ListingState) -> None:
        """Inverse of `dump`, on a new listing of the same instrument."""
        self.count_on(state.seq)
        self.trading, self.feed, self.feed_reason = state.trading, state.feed, state.feed_reason
        self.problem, self.last_price = state.problem, state.last_price
        self._said = self._shown_status()
        self.quote, self.rate = state.quote, state.rate
        self.recent.extend(state.recent)
        self.candles.load(state.candles, self.seq["trades"])
        self.window.load(state.window)
        self.ladder.replace(*state.levels)
        for order in state.orders:
            self.book.add(order)
        self.load_extra(state.extra)

    def dump_extra(self) -> msgspec.Raw:
        """What the kind of listing adds to the state."""
        return msgspec.Raw(b"null")

    def load_extra(self, extra: msgspec.Raw) -> None:
        """Inverse of `dump_extra`; the book is filled already."""
