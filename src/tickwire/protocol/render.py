"""The wire form of events: integers become decimal strings in the steps of the instrument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from tickwire.model.channel import CANDLE_NAMES, PRIVATE_CHANNELS, StreamKey
from tickwire.model.events import (
    Balances,
    Book,
    Candle,
    Event,
    Fill,
    OpenOrders,
    OrderChange,
    Orders,
    OrderUpdate,
    Positions,
    Quote,
    Rate,
    RecentFills,
    RecentTrades,
    Status,
    Ticker,
    Trade,
)
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order
from tickwire.protocol.messages import (
    BookData,
    CandleData,
    FillData,
    FillsSnapshot,
    InstrumentInfo,
    OpenOrdersData,
    OrderChangeData,
    OrderData,
    OrdersData,
    PositionsData,
    QuoteData,
    RateData,
    StatusData,
    StreamData,
    StreamMessage,
    StreamState,
    TickerData,
    TradeData,
    TradesSnapshot,
)
from tickwire.protocol.render_account import balances_data, fill_data, order_data, position_data


class _Formats(NamedTuple):
    """Decimal strings in the steps of one instrument."""

    instrument: Instrument
    price: Callable[[int], str]
    size: Callable[[int], str]
    notional: Callable[[int], str]
    rate: Callable[[int], str]


class Renderer:
    """Renders events.

    Args:
        instrument_of: the instrument of a symbol.
    """

    def __init__(self, instrument_of: Callable[[str], Instrument]) -> None:
        self._instrument_of = instrument_of
        self._formats: dict[str, _Formats] = {}
        self._methods: dict[type, Callable[[Any, _Formats], StreamData]] = {
            Trade: _trade,
            RecentTrades: lambda event, f: TradesSnapshot([_trade(trade, f) for trade in event.trades]),
            Book: _book,
            OrderChange: _order_change,
            Orders: _orders,
            Quote: _quote,
            Candle: _candle,
            Ticker: _ticker,
            Rate: _rate,
            Status: lambda event, _: status_data(event),
        }
        self._private: dict[type, Callable[[Any], StreamData]] = {
            OrderUpdate: lambda event: self.order(event.order),
            OpenOrders: lambda event: OpenOrdersData([self.order(order) for order in event.orders]),
            Fill: self.fill,
            RecentFills: lambda event: FillsSnapshot([self.fill(fill) for fill in event.fills]),
            Balances: balances_data,
            Positions: self._positions,
        }

    def order(self, order: Order) -> OrderData:
        """An order as it is shown to its owner."""
        return order_data(order, self._instrument_of(order.symbol))

    def fill(self, fill: Fill) -> FillData:
        """A fill as it is shown to its owner."""
        return fill_data(fill, self._instrument_of(fill.instrument))

    def _positions(self, event: Positions) -> PositionsData:
        return PositionsData([position_data(p, self._instrument_of(p.instrument)) for p in event.positions])

    def data(self, event: Event) -> StreamData:
        """The `data` of an event's message."""
        private = self._private.get(type(event))
        if private is not None:
            return private(event)
        return self._methods[type(event)](event, self._formats_of(event.symbol))

    def data_of(self, key: StreamKey) -> Callable[[Event], StreamData]:
        """What makes the `data` of the messages that a stream says now."""
        if key.channel in PRIVATE_CHANNELS:
            return self.data
        methods, formats = self._methods, self._formats_of(key.symbol)
        return lambda event: methods[type(event)](event, formats)

    def _formats_of(self, symbol: str) -> _Formats:
        i = self._instrument_of(symbol)
        formats = self._formats.get(symbol)
        if formats is None or formats.instrument is not i:
            formats = _Formats(i, i.price.format, i.size.format, i.notional.format, i.rate.format)
            self._formats[symbol] = formats
        return formats

    def message(
        self, key: StreamKey, event: Event | None, *, kind: Literal["snapshot", "update"], seq: int, ts: int
    ) -> StreamMessage:
        """An event's message in the stream `key`."""
        data = None if event is None else self.data(event)
        channel, symbol, depth, interval_ms, interval = key
        return StreamMessage(channel, symbol, kind, seq, ts, data, depth, interval_ms, interval)


def stream_state(key: StreamKey, seq: int) -> StreamState:
    """How a stream is named in replies and heartbeats."""
    return StreamState(key.channel, key.symbol, seq, key.depth, key.interval_ms, key.interval)


def status_data(event: Status) -> StatusData:
    """The `data` of a status."""
    return StatusData(event.trading, event.feed, event.reason)


def instrument_info(instrument: Instrument, status: Status) -> InstrumentInfo:
    """The row of `instruments`."""
    i = instrument
    channels = list(i.channels)
    return InstrumentInfo(
        i.symbol,
        i.venue,
        i.base,
        i.quote,
        i.asset_class,
        i.kind,
        i.tick_size,
        i.lot_size,
        channels,
        status_data(status),
        i.maker_fee,
        i.taker_fee,
        i.price_band,
        i.size_max,
        i.notional_min,
        i.notional_max,
    )


def _trade(event: Trade, f: _Formats) -> TradeData:
    return TradeData(
        event.trade_id,
        f.price(event.price),
        f.size(event.size),
        event.side or None,
        event.ts_event,
        event.buy_order_id or None,
        event.sell_order_id or None,
    )


def _book(event: Book, f: _Formats) -> BookData:
    price, size = f.price, f.size
    return BookData(
        [(price(p), size(s) if s else "0") for p, s in event.bids],
        [(price(p), size(s) if s else "0") for p, s in event.asks],
        event.checksum,
    )


def _orders(event: Orders, f: _Formats) -> OrdersData:
    price, size = f.price, f.size
    return OrdersData(
        [(order_id, price(p), size(s)) for order_id, p, s in event.bids],
        [(order_id, price(p), size(s)) for order_id, p, s in event.asks],
    )


def _order_change(event: OrderChange, f: _Formats) -> OrderChangeData:
    size = f.size
    fill = event.action == "fill"
    return OrderChangeData(
        event.action,
        event.order_id,
        event.side,
        f.price(event.price),
        size(event.size) if event.size else "0",
        size(event.filled) if fill else None,
        event.trade_id if fill else None,
    )


def _quote(event: Quote, f: _Formats) -> QuoteData:
    price, size = f.price, f.size
    return QuoteData(
        None if event.bid is None else price(event.bid),
        None if event.bid is None else size(event.bid_size),
        None if event.ask is None else price(event.ask),
        None if event.ask is None else size(event.ask_size),
        event.ts_event,
    )


def _candle(event: Candle, f: _Formats) -> CandleData:
    price = f.price
    return CandleData(
        CANDLE_NAMES[event.interval],
        event.start,
        price(event.open),
        price(event.high),
        price(event.low),
        price(event.close),
        f.size(event.volume),
        f.notional(event.quote_volume),
        event.trades,
        event.closed,
        f.size(event.buy_volume),
        f.notional(event.buy_quote_volume),
    )


def _ticker(event: Ticker, f: _Formats) -> TickerData:
    price = f.price
    change, base = event.last - event.open, abs(event.open)
    # hundredths of a percent, rounded half away from zero
    basis_points = (abs(change) * 20_000 + base) // (2 * base) if base else 0
    sign = "-" if change < 0 and basis_points else ""
    return TickerData(
        price(event.last),
        price(event.open),
        price(event.high),
        price(event.low),
        f.size(event.volume),
        f.notional(event.quote_volume),
        price(change),
        f"{sign}{basis_points // 100}.{basis_points % 100:02d}",
        event.trades,
    )


def _rate(event: Rate, f: _Formats) -> RateData:
    price = f.price
    return RateData(
        f.rate(event.rate),
        None if event.bid is None else price(event.bid),
        None if event.ask is None else price(event.ask),
        event.ts_event,
    )
