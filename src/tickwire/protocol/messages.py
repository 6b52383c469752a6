"""The shapes of the wire: every message of the native protocol, both ways, as types.

One definition serves JSON and MessagePack, server and client. Prices and sizes are decimal strings, times
integer nanoseconds. A field that is absent has its default.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

SUBPROTOCOL_JSON = "tickwire.v1.json"
SUBPROTOCOL_MSGPACK = "tickwire.v1.msgpack"

RequestId: TypeAlias = int | str | None


class _Base(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    pass


# ---- client to server ----------------------------------------------------------------------------


class Request(_Base, frozen=True):
    """What a client sends. `params` stays undecoded until the method is known; `id` and `method` are checked
    by the session, so that even a wrong request is answered under its id."""

    id: Any = None
    method: Any = None
    params: msgspec.Raw = msgspec.Raw(b"")


class Position(_Base, frozen=True, forbid_unknown_fields=True):
    """A place in a stream."""

    epoch: str
    seq: int


class StreamParams(_Base, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Parameters of `subscribe` and `unsubscribe`."""

    channel: str
    symbols: list[str]
    depth: int | None = None
    interval_ms: int | None = None
    interval: str | None = None
    from_: Position | None = None


class SnapshotParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `snapshot`."""

    channel: str
    symbol: str
    depth: int | None = None
    interval_ms: int | None = None
    interval: str | None = None


class InstrumentsParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `instruments`: each narrows the list, none means all."""

    venue: str | None = None
    asset_class: str | None = None


class NoParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of a method that takes none."""


# ---- server to client ----------------------------------------------------------------------------


class Limits(_Base, frozen=True, omit_defaults=False):
    """What the session may do, told in `hello`."""

    message_bytes: int
    requests_per_second: int
    subscriptions: int


class Hello(_Base, frozen=True, tag_field="type", tag="hello", omit_defaults=False):
    """First message of every session."""

    session: str
    epoch: str
    time: int
    version: str
    heartbeat_ms: int
    challenge: str
    limits: Limits


class StreamState(_Base, frozen=True):
    """A stream and the last `seq` that was published on it."""

    channel: str
    symbol: str
    seq: int
    depth: int = 0
    interval_ms: int = 0
    interval: str = ""


class Heartbeat(_Base, frozen=True, tag_field="type", tag="heartbeat", omit_defaults=False):
    """Every `heartbeat_ms`: where every stream of the session stands."""

    time: int
    streams: list[StreamState]


class Gap(_Base, frozen=True, tag_field="type", tag="gap"):
    """Messages `from` to `to` of a lossless stream were dropped for this client; a snapshot follows."""

    channel: str
    symbol: str
    from_: int = msgspec.field(name="from")
    to: int


class Skipped(_Base, frozen=True, tag_field="type", tag="skipped"):
    """Messages of a latest-class stream that this client was too slow for; the newest follows.

    Those with `from` <= seq <= `to` were left out.
    """

    channel: str
    symbol: str
    from_: int = msgspec.field(name="from")
    to: int
    depth: int = 0
    interval_ms: int = 0
    interval: str = ""


class ErrorBody(_Base, frozen=True):
    """Why a request was refused: a code from the table, in words, the field, whether trying again can help."""

    code: str
    message: str
    field: str | None = None
    retry: bool = False


class Reply(_Base, frozen=True):
    """Answer to a request: either `result` or `error`."""

    id: RequestId
    time_in: int
    time_out: int
    result: Any = None
    error: ErrorBody | None = None


PriceSize: TypeAlias = tuple[str, str]
"""[price, size]"""
OrderRow: TypeAlias = tuple[str, str, str]
"""[order_id, price, size]"""


class TradeData(_Base, frozen=True, omit_defaults=False):
    """`trades`, update."""

    id: str
    price: str
    size: str
    side: str | None
    """the taker's"""
    ts_event: int
    buy_order_id: str | None
    sell_order_id: str | None


class TradesSnapshot(_Base, frozen=True, omit_defaults=False):
    """`trades`, snapshot: the newest trades, oldest first."""

    trades: list[TradeData]


class BookData(_Base, frozen=True, omit_defaults=False):
    """`book`, snapshot (all levels, or the best `depth`) and update (changed levels; size "0" deletes)."""

    bids: list[PriceSize]
    asks: list[PriceSize]
    checksum: int


class OrdersData(_Base, frozen=True, omit_defaults=False):
    """`book_l3`, snapshot: every order in priority order."""

    bids: list[OrderRow]
    asks: list[OrderRow]


class OrderChangeData(_Base, frozen=True):
    """`book_l3`, update. `size` is what remains; `filled` and `trade_id` only with the action `fill`."""

    action: Literal["add", "modify", "cancel", "fill"]
    order_id: str
    side: str
    price: str
    size: str
    filled: str | None = None
    trade_id: str | None = None


class QuoteData(_Base, frozen=True, omit_defaults=False):
    """`quotes`. A side is null where the book has none."""

    bid: str | None
    bid_size: str | None
    ask: str | None
    ask_size: str | None
    ts_event: int


class CandleData(_Base, frozen=True, omit_defaults=False):
    """`candles`."""

    interval: str
    start: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str
    trades: int
    closed: bool


class TickerData(_Base, frozen=True, omit_defaults=False):
    """`ticker`: rolling 24 hours."""

    last: str
    open: str
    high: str
    low: str
    volume: str
    quote_volume: str
    change: str
    change_pct: str
    trades: int


class RateData(_Base, frozen=True):
    """`rates`."""

    rate: str
    bid: str | None = None
    ask: str | None = None
    ts_event: int = 0


class StatusData(_Base, frozen=True, omit_defaults=False):
    """`status`: of the instrument, and of the feed that drives it."""

    instrument: Literal["open", "halted", "closed"]
    feed: Literal["live", "stale", "down"]
    reason: str


StreamData: TypeAlias = (
    TradeData
    | TradesSnapshot
    | BookData
    | OrdersData
    | OrderChangeData
    | QuoteData
    | CandleData
    | TickerData
    | RateData
    | StatusData
)


class StreamMessage(_Base, frozen=True):
    """One message of one stream. `data` is null in a snapshot of something that has not happened yet."""

    channel: str
    symbol: str
    type: Literal["snapshot", "update"]
    seq: int
    ts: int
    data: Any
    depth: int = 0
    interval_ms: int = 0
    interval: str = ""


class InstrumentInfo(_Base, frozen=True, omit_defaults=False):
    """One row of the result of `instruments`."""

    symbol: str
    venue: str
    base: str
    quote: str
    asset_class: str
    kind: str
    tick_size: str
    lot_size: str
    channels: list[str]
    status: StatusData


DATA_TYPES: dict[tuple[str, str], type] = {
    ("trades", "snapshot"): TradesSnapshot,
    ("trades", "update"): TradeData,
    ("book", "snapshot"): BookData,
    ("book", "update"): BookData,
    ("book_l3", "snapshot"): OrdersData,
    ("book_l3", "update"): OrderChangeData,
    ("quotes", "snapshot"): QuoteData,
    ("quotes", "update"): QuoteData,
    ("candles", "snapshot"): CandleData,
    ("candles", "update"): CandleData,
    ("ticker", "snapshot"): TickerData,
    ("ticker", "update"): TickerData,
    ("rates", "snapshot"): RateData,
    ("rates", "update"): RateData,
    ("status", "snapshot"): StatusData,
    ("status", "update"): StatusData,
}
"""(channel, type) -> the type of `data`"""
