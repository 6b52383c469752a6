"""The shapes of the wire: every message of the native protocol, both ways, as types.

One definition serves JSON and MessagePack, server and client. Prices and sizes are decimal strings, times
integer nanoseconds. A field that is absent has its default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeAlias

import msgspec

from tickwire.limits import HISTORY_ROWS_MAX
from tickwire.model.records import OrderType, SelfTradePrevention, Side, TimeInForce

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    D = TypeVar("D", default=Any)
else:
    from typing import TypeVar

    D = TypeVar("D")

SUBPROTOCOL_JSON = "tickwire.v1.json"
SUBPROTOCOL_MSGPACK = "tickwire.v1.msgpack"

RequestId: TypeAlias = int | str | None
Time: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
"""Nanoseconds since the Unix epoch, UTC."""


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
    """A place in a stream; or, by symbol, in each of those that a request names."""

    epoch: str
    seq: int | dict[str, int]


class StreamParams(_Base, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Parameters of `subscribe` and `unsubscribe`. A private channel takes no symbols: it is the account's."""

    channel: str
    symbols: list[str] = []
    depth: int | None = None
    interval_ms: int | None = None
    interval: str | None = None
    from_: Position | None = None


class SnapshotParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `snapshot`. A private channel takes no symbol."""

    channel: str
    symbol: str = ""
    depth: int | None = None
    interval_ms: int | None = None
    interval: str | None = None


class HistoryParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `history`: closed candles whose `start`, or trades whose `ts`, is from `start` on and before `end`.
    Where there are more than `limit`, the newest of them; the one that comes first is the `end` of the page before."""

    channel: Literal["candles", "trades"]
    symbol: str
    interval: str | None = None
    start: Time | None = None
    end: Time | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=HISTORY_ROWS_MAX)] = 100


class InstrumentsParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `instruments`: each narrows the list, none means all."""

    venue: str | None = None
    asset_class: str | None = None


class NoParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of a method that takes none."""


class LoginParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `auth.login`: a key and its signature over the challenge of `hello` (base64url without padding), or
    a token (JWT) alone, or `demo` alone for the demonstration account where `hello` offers it. `takeover` closes the
    key's other sessions, or the one of them that it names; of the demonstration account only the latter."""

    key: str = ""
    signature: str = ""
    token: str = ""
    takeover: bool | str = False
    demo: bool = False


class PlaceParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `order.place`. Prices and sizes are decimal strings, times integer nanoseconds."""

    symbol: str
    side: Side
    size: str
    type: OrderType = "limit"
    price: str | None = None
    stop_price: str | None = None
    time_in_force: TimeInForce = "gtc"
    expires_at: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    display_size: str | None = None
    client_order_id: str = ""
    self_trade_prevention: SelfTradePrevention = "cancel_newest"
    deadline: int | None = None


class AmendParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `order.amend`; `size` is the new total, what has been filled included."""

    order_id: str = ""
    client_order_id: str = ""
    price: str | None = None
    size: str | None = None


class OrderParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `order.cancel` and `order.get`: one of the two ids."""

    order_id: str = ""
    client_order_id: str = ""


class CancelAllParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `order.cancel_all` and `order.list`; no symbol means all."""

    symbol: str = ""


class Operation(_Base, frozen=True, forbid_unknown_fields=True):
    """One operation of `order.batch`: the method is `place`, `amend` or `cancel`."""

    method: Literal["place", "amend", "cancel"]
    params: msgspec.Raw


class BatchParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `order.batch`: 1 to 50 operations."""

    operations: list[Operation]


class GuardParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `session.cancel_on_disconnect`."""

    scope: Literal["off", "connection", "account"]


class DeadManParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `session.dead_man`: call it again before the time is over; 0 disarms."""

    timeout_ms: int


class PortfolioParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `account.portfolio`: the asset that everything is valued in."""

    currency: str


class TransferParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `admin.deposit` and `admin.withdraw`. The same `transfer_id` never moves the money twice."""

    account: str
    asset: str
    amount: str
    transfer_id: str


class KillSwitchParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `admin.kill_switch`: an account or a symbol."""

    on: bool
    account: str = ""
    symbol: str = ""


class TradingParams(_Base, frozen=True, forbid_unknown_fields=True):
    """Parameters of `admin.trading_status`."""

    symbol: str
    state: Literal["open", "halted", "closed"]


# ---- server to client ----------------------------------------------------------------------------


class Limits(_Base, frozen=True, omit_defaults=False):
    """What the session may do, told in `hello`."""

    message_bytes: int
    requests_per_second: int
    subscriptions: int


class Hello(_Base, frozen=True, tag_field="type", tag="hello", omit_defaults=False):
    """First message of every session. `demo`: there is a demonstration account, which needs no key."""

    session: str
    epoch: str
    time: int
    version: str
    heartbeat_ms: int
    challenge: str
    limits: Limits
    demo: bool = False


class StreamState(_Base, frozen=True):
    """A stream and the last `seq` that was published on it; for a private one `symbol` is the account. `recovered`, or
    the `reason` why not, answers a subscription `from` a place in the stream."""

    channel: str
    symbol: str
    seq: int
    depth: int = 0
    interval_ms: int = 0
    interval: str = ""
    recovered: bool | None = None
    reason: str = ""


class Heartbeat(_Base, frozen=True, tag_field="type", tag="heartbeat", omit_defaults=False):
    """Every `heartbeat_ms`: where every stream of the session stands."""

    time: int
    streams: list[StreamState]


class Drain(_Base, frozen=True, tag_field="type", tag="drain", omit_defaults=False):
    """The server is about to stop. Everything works until it closes this connection, at `deadline` (ns, its clock)."""

    deadline: int


class Lagging(_Base, frozen=True, tag_field="type", tag="lagging", omit_defaults=False):
    """This client reads too slowly: it is `messages` behind, over all of its streams. What it missed follows, or what
    says that it was dropped."""

    messages: int


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
    buy_volume: str = "0"
    """of it, what takers bought"""
    buy_quote_volume: str = "0"


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


class OrderData(_Base, frozen=True, omit_defaults=False):
    """An order: `orders` updates, and the result of what is done with one.

    `status` is open, waiting (for its stop price), filled, canceled or expired; `remaining` may still fill.
    """

    order_id: str
    client_order_id: str
    symbol: str
    side: str
    type: str
    status: str
    time_in_force: str
    price: str | None
    stop_price: str | None
    size: str
    remaining: str
    filled: str
    average_price: str | None
    fee: str
    post_only: bool
    reduce_only: bool
    display_size: str | None
    self_trade_prevention: str
    expires_at: int | None
    reason: str
    created: int
    updated: int


class OpenOrdersData(_Base, frozen=True, omit_defaults=False):
    """`orders`, snapshot: every open or waiting order, oldest first."""

    orders: list[OrderData]


class FillData(_Base, frozen=True, omit_defaults=False):
    """`fills`, update: an order's part in a trade. `fee` is in the quote asset, negative for a rebate."""

    symbol: str
    trade_id: str
    order_id: str
    client_order_id: str
    side: str
    price: str
    size: str
    fee: str
    fee_asset: str
    liquidity: Literal["maker", "taker"]
    seq: int
    ts: int


class FillsSnapshot(_Base, frozen=True, omit_defaults=False):
    """`fills`, snapshot: the newest fills, oldest first."""

    fills: list[FillData]


class BalanceData(_Base, frozen=True, omit_defaults=False):
    """One asset: `available` to trade with, `held` by open orders."""

    asset: str
    available: str
    held: str


class BalancesData(_Base, frozen=True, omit_defaults=False):
    """`balances`: those that changed; all of them in a snapshot."""

    balances: list[BalanceData]


class PositionData(_Base, frozen=True, omit_defaults=False):
    """What the fills on an instrument add up to. Profits are in the quote asset, fees apart; null without a price."""

    symbol: str
    size: str
    average_price: str | None
    realised: str
    unrealised: str | None
    fees: str
    mark: str | None


class PositionsData(_Base, frozen=True, omit_defaults=False):
    """`positions`: those that changed; all of them in a snapshot."""

    positions: list[PositionData]


class AccountBalances(BalancesData, frozen=True, omit_defaults=False, kw_only=True):
    """Result of `account.balances`: the stream `balances` as it stood at `seq`."""

    epoch: str
    seq: int


class AccountPositions(PositionsData, frozen=True, omit_defaults=False, kw_only=True):
    """Result of `account.positions`: the stream `positions` as it stood at `seq`."""

    epoch: str
    seq: int


class AccountFills(FillsSnapshot, frozen=True, omit_defaults=False, kw_only=True):
    """Result of `account.fills`: the stream `fills` as it stood at `seq`."""

    epoch: str
    seq: int


class OrderResult(_Base, frozen=True, omit_defaults=False):
    """Result of `order.place`, `order.amend`, `order.cancel` and `order.get`: the order as it stood then, and the fills
    of this request (`order.get`: those of its last 1,000 that are the order's)."""

    order: OrderData
    fills: list[FillData]


class OrdersResult(OpenOrdersData, frozen=True, omit_defaults=False, kw_only=True):
    """Result of `order.list`: the stream `orders` as it stood at `seq`."""

    epoch: str
    seq: int


class CanceledResult(_Base, frozen=True, omit_defaults=False):
    """Result of `order.cancel_all`: the ids of what was canceled."""

    order_ids: list[str]


class BatchItem(_Base, frozen=True):
    """What one operation of a batch came to: either `result` or `error`."""

    result: Any = None
    error: ErrorBody | None = None


class BatchResult(_Base, frozen=True, omit_defaults=False):
    """Result of `order.batch`, in the order of the operations."""

    results: list[BatchItem]


class Holding(_Base, frozen=True, omit_defaults=False):
    """One asset of a portfolio; `value` is null where no rate leads to the currency."""

    asset: str
    amount: str
    value: str | None


class PortfolioResult(_Base, frozen=True, omit_defaults=False):
    """Result of `account.portfolio`: `total` leaves out what has no value. `seq` is that of `balances`."""

    currency: str
    total: str
    holdings: list[Holding]
    epoch: str
    seq: int


class Rate(_Base, frozen=True, omit_defaults=False):
    """What is left of a limit: `remaining` of `limit` now, all of it again in `reset_ms` if none is used."""

    limit: int
    remaining: int
    reset_ms: int


class PingResult(_Base, frozen=True, omit_defaults=False):
    """Result of `ping`: how many requests the session may make."""

    rate: Rate


class LoginResult(_Base, frozen=True, omit_defaults=False):
    """Result of `auth.login`."""

    account: str
    scopes: list[str]


StreamData: TypeAlias = (
    OrderData
    | OpenOrdersData
    | FillData
    | FillsSnapshot
    | BalancesData
    | PositionsData
    | TradeData
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


class StreamMessage(_Base, Generic[D], frozen=True):
    """One message of one stream. `data` is null in a snapshot of something that has not happened yet; `symbol` is the
    account in a private stream. `epoch` stands in the answer to `snapshot` only: a stream's is in `hello`."""

    channel: str
    symbol: str
    type: Literal["snapshot", "update"]
    seq: int
    ts: int
    data: D
    depth: int = 0
    interval_ms: int = 0
    interval: str = ""
    epoch: str = ""


class HistoryResult(_Base, frozen=True, omit_defaults=False):
    """Result of `history`: messages of a stream, oldest first, as they were said when each was new; `seq` is where the
    stream stands now."""

    epoch: str
    channel: str
    symbol: str
    seq: int
    messages: list[StreamMessage]


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
    maker_fee: str = "0"
    taker_fee: str = "0"
    price_band: str = ""
    size_max: str = ""
    notional_min: str = ""
    notional_max: str = ""


class InstrumentsResult(_Base, frozen=True, omit_defaults=False):
    """Result of `instruments`."""

    instruments: list[InstrumentInfo]


class TimeResult(_Base, frozen=True, omit_defaults=False):
    """Result of `time`: the server's clock."""

    time: int


class StreamsResult(_Base, frozen=True):
    """Result of `subscribe`, `unsubscribe` and `subscriptions`. `recovered` answers a subscription `from` a place:
    whether all of its streams go on from there."""

    streams: list[StreamState]
    recovered: bool | None = None


class NoResult(_Base, frozen=True):
    """Result of a method that has nothing to tell."""


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
    ("orders", "snapshot"): OpenOrdersData,
    ("orders", "update"): OrderData,
    ("fills", "snapshot"): FillsSnapshot,
    ("fills", "update"): FillData,
    ("balances", "snapshot"): BalancesData,
    ("balances", "update"): BalancesData,
    ("positions", "snapshot"): PositionsData,
    ("positions", "update"): PositionsData,
}
"""(channel, type) -> the type of `data`"""
