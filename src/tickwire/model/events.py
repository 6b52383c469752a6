"""Events: what the fold of a record makes public. One event is one message of one stream.

`seq` counts within the stream; `ts` is the tape's time. Ticks and lots throughout; the wire form with its
decimal strings is `tickwire.protocol.render`'s.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import msgspec

from tickwire.model.order import Order
from tickwire.model.records import FeedState, Level, TradingState

L3Action = Literal["add", "modify", "cancel", "fill"]


class _Base(msgspec.Struct, frozen=True, gc=False):
    symbol: str
    seq: int
    ts: int


class Trade(_Base, frozen=True):
    """A trade. `side` is the taker's, "" where unknown."""

    channel: ClassVar[str] = "trades"
    trade_id: str
    price: int
    size: int
    side: str
    ts_event: int
    buy_order_id: str
    sell_order_id: str


class RecentTrades(_Base, frozen=True):
    """The newest trades, oldest first: what a subscription to `trades` begins with."""

    channel: ClassVar[str] = "trades"
    trades: list[Trade]


class Book(_Base, frozen=True):
    """The book by level. An update holds only changed levels, size 0 deletes; a snapshot holds all of it."""

    channel: ClassVar[str] = "book"
    snapshot: bool
    bids: list[Level]
    asks: list[Level]
    checksum: int


class OrderChange(_Base, frozen=True):
    """One order of the book by order changed. `size` is what remains, `filled` what just matched.

    `modify` keeps the order's place; an amend that loses it is a `cancel` and an `add` of the same id.
    """

    channel: ClassVar[str] = "book_l3"
    action: L3Action
    order_id: str
    side: str
    price: int
    size: int
    filled: int
    trade_id: str


class Orders(_Base, frozen=True):
    """The whole book by order, (order id, price, size) in priority order."""

    channel: ClassVar[str] = "book_l3"
    bids: list[tuple[str, int, int]]
    asks: list[tuple[str, int, int]]


class Quote(_Base, frozen=True):
    """Best bid and ask; None where a side is empty."""

    channel: ClassVar[str] = "quotes"
    bid: int | None
    bid_size: int
    ask: int | None
    ask_size: int
    ts_event: int


class Candle(_Base, frozen=True):
    """One candle as it stands. `start` and `interval` are nanoseconds; `volume` in lots, `quote_volume` in
    ticks x lots. A closed candle never changes again.

    Attributes:
        buy_volume, buy_quote_volume: the part of it that takers bought.
        first_trade, last_trade: numbers of its first and last trade in the stream `trades`.
        first_ts, last_ts: the tape's time of those.
    """

    channel: ClassVar[str] = "candles"
    interval: int
    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    trades: int
    closed: bool
    buy_volume: int = 0
    buy_quote_volume: int = 0
    first_trade: int = 0
    last_trade: int = 0
    first_ts: int = 0
    last_ts: int = 0


class Ticker(_Base, frozen=True):
    """Rolling 24 hours, in steps of a minute. `volume` in lots, `quote_volume` in ticks x lots."""

    channel: ClassVar[str] = "ticker"
    last: int
    open: int
    high: int
    low: int
    volume: int
    quote_volume: int
    trades: int


class Rate(_Base, frozen=True):
    """A scalar metric in tenths of a tick, so that the middle of a bid and an ask is exact."""

    channel: ClassVar[str] = "rates"
    rate: int
    bid: int | None
    ask: int | None
    ts_event: int


class Status(_Base, frozen=True):
    """Whether the instrument trades and whether what drives it is alive."""

    channel: ClassVar[str] = "status"
    trading: TradingState
    feed: FeedState
    reason: str


class Tick(_Base, frozen=True):
    """It is time: the next interval of a clock stream has begun. `symbol` is "".

    Attributes:
        before: the tape's time of the tick before this one; what changed since may be news.
    """

    channel: ClassVar[str] = "clock"
    before: int = 0


# ---- private: streams of one account, which stands where the symbol does elsewhere ------------------


class _Private(msgspec.Struct, frozen=True, gc=False):
    account: str
    seq: int
    ts: int

    @property
    def symbol(self) -> str:
        """The account: what names the stream among those of its channel."""
        return self.account


class Fill(_Private, frozen=True, array_like=True):
    """One order's part in one trade. `instrument` is the symbol; `fee` in units of the quote asset, negative for a
    rebate."""

    channel: ClassVar[str] = "fills"
    instrument: str
    trade_id: str
    order_id: int
    client_order_id: str
    side: str
    price: int
    size: int
    fee: int
    liquidity: Literal["maker", "taker"]


class RecentFills(_Private, frozen=True):
    """An account's newest fills, oldest first."""

    channel: ClassVar[str] = "fills"
    fills: list[Fill]


class OrderUpdate(_Private, frozen=True):
    """One order of an account as it stands after a command. `order` is never changed again."""

    channel: ClassVar[str] = "orders"
    order: Order


class OpenOrders(_Private, frozen=True):
    """Every open or waiting order of an account, oldest first."""

    channel: ClassVar[str] = "orders"
    orders: list[Order]


class Balances(_Private, frozen=True):
    """(asset, available, held) in units of the asset: those that changed, or all of them in a snapshot."""

    channel: ClassVar[str] = "balances"
    balances: list[tuple[str, int, int]]


class Position(msgspec.Struct, frozen=True, gc=False):
    """What an account's fills on one instrument add up to.

    Attributes:
        size: lots, negative when more was sold than bought.
        cost: what the open size cost (short: brought in), ticks x lots; cost / size is the average price.
        realised: profit of what was closed, ticks x lots, fees apart.
        fees: paid, units of the quote asset.
        mark: the price in ticks that it is valued at, None where there is none.
    """

    instrument: str
    size: int
    cost: int
    realised: int
    fees: int
    mark: int | None

    @property
    def unrealised(self) -> int | None:
        """Profit of the open size at the mark, ticks x lots."""
        if self.mark is None:
            return None
        return self.mark * self.size - self.cost if self.size >= 0 else self.cost + self.mark * self.size


class Positions(_Private, frozen=True):
    """The positions that changed, or all of them in a snapshot."""

    channel: ClassVar[str] = "positions"
    positions: list[Position]


Event: TypeAlias = (
    Trade
    | RecentTrades
    | Book
    | OrderChange
    | Orders
    | Quote
    | Candle
    | Ticker
    | Rate
    | Status
    | Tick
    | Fill
    | RecentFills
    | OrderUpdate
    | OpenOrders
    | Balances
    | Positions
)
