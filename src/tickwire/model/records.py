"""Records: everything that can be on the tape. They are inputs, never results.

Prices are integer ticks, sizes integer lots of the record's instrument; times are integer nanoseconds since
the Unix epoch, UTC. `ts_event` is the venue's own stamp, 0 where the venue gives none.

A transaction of the tape is a `Clock` followed by the records that arrived since the one before; the clock
is the only time that the fold knows.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from tickwire.errors import InvalidInput
from tickwire.model.instrument import Instrument

Side = Literal["buy", "sell"]
OrderType = Literal["limit", "market", "stop", "stop_limit", "take_profit", "take_profit_limit"]
PRICED_TYPES: tuple[OrderType, ...] = ("limit", "stop_limit", "take_profit_limit")
"""Those that have a price."""
WAITING_TYPES: tuple[OrderType, ...] = ("stop", "stop_limit", "take_profit", "take_profit_limit")
"""Those that have a stop price, and wait for it."""
TimeInForce = Literal["gtc", "ioc", "fok", "gtd"]
SelfTradePrevention = Literal["cancel_newest", "cancel_oldest", "cancel_both", "decrement"]
GuardScope = Literal["off", "connection", "account"]
FeedState = Literal["live", "stale", "down"]
TradingState = Literal["open", "halted", "closed"]

Level: TypeAlias = tuple[int, int]
"""(price in ticks, size in lots)"""
BookOrder: TypeAlias = tuple[str, int, int]
"""(order id, price in ticks, size in lots)"""


class _Base(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="record"):
    pass


class Clock(_Base, frozen=True, tag="clock"):
    """Time has reached `ts`. First of every transaction; never goes back."""

    ts: int


class ListInstrument(_Base, frozen=True, tag="list"):
    """An instrument exists from now on. Listing it again with other steps replaces it and empties it."""

    instrument: Instrument


class FeedStatus(_Base, frozen=True, tag="feed"):
    """A feed went live, stale (silent for too long) or down; holds for every instrument it drives."""

    feed: str
    state: FeedState
    reason: str = ""


class TradingStatus(_Base, frozen=True, tag="trading"):
    """An instrument opens, halts or closes."""

    symbol: str
    state: TradingState


# ---- commands: what users, agents and operators ask  --------------------------------


class PlaceOrder(_Base, frozen=True, tag="place"):
    """Enter an order.

    Args:
        price: for `PRICED_TYPES`, else None.
        stop_price: the last trade's price at which one of `WAITING_TYPES` wakes up: for a stop's buy and a
            take-profit's sell this price or above, for the other two this price or below.
        expires_at: of a `gtd` order; the tape's clock takes it off at this time.
        display_size: lots of an iceberg that show at a time; 0 shows all.
        self_trade_prevention: what is canceled when the order would meet one of the same account.
        deadline: the order is refused when the tape's clock is past this; 0 for never.
        session: who sent it, for `SessionEnded`.
    """

    symbol: str
    account: str
    side: Side
    size: int
    price: int | None = None
    type: OrderType = "limit"
    time_in_force: TimeInForce = "gtc"
    post_only: bool = False
    client_order_id: str = ""
    stop_price: int | None = None
    expires_at: int = 0
    reduce_only: bool = False
    display_size: int = 0
    self_trade_prevention: SelfTradePrevention = "cancel_newest"
    deadline: int = 0
    session: str = ""


class AmendOrder(_Base, frozen=True, tag="amend"):
    """Change an open order, named by its id or by its owner's. Only a falling size keeps its place in the queue.

    `size` is the new total, what has been filled included, so that a fill on the way can't make the order larger
    than asked. None leaves price or size as it is.
    """

    account: str
    order_id: int = 0
    price: int | None = None
    size: int | None = None
    client_order_id: str = ""


class CancelOrder(_Base, frozen=True, tag="cancel"):
    """Take an open order off, named by its id or by its owner's."""

    account: str
    order_id: int = 0
    client_order_id: str = ""


class CancelAll(_Base, frozen=True, tag="cancel_all"):
    """Take all of an account's open orders off; a symbol or a session narrows it."""

    account: str
    symbol: str = ""
    session: str = ""


class Transfer(_Base, frozen=True, tag="transfer"):
    """Money comes in (positive) or goes out. The same `transfer_id` never moves it twice.

    `amount` is a decimal string, for it may need more than 64 bits.
    """

    account: str
    asset: str
    amount: str
    transfer_id: str


class KillSwitch(_Base, frozen=True, tag="kill"):
    """Cancel everything open of an account or on an instrument, and refuse what is new until it is off again."""

    on: bool
    account: str = ""
    symbol: str = ""


class DeadMan(_Base, frozen=True, tag="dead_man"):
    """Cancel all of an account's orders when the tape's clock reaches `expires_at`; 0 disarms."""

    account: str
    expires_at: int


class Guard(_Base, frozen=True, tag="guard"):
    """What `SessionEnded` cancels: nothing, the orders of that session, or all of the account."""

    account: str
    session: str
    scope: GuardScope


class SessionEnded(_Base, frozen=True, tag="session_end"):
    """A session's connection is gone without a logout: its guard, if any, fires."""

    session: str


# ---- a venue's own market data, for mirrored instruments -----------------------------------------


class VenueBookSnapshot(_Base, frozen=True, tag="vbook"):
    """The whole book by level, best first. `depth` bounds a book that the venue publishes only so deep:
    levels pushed beyond it are dropped, as that venue's clients must."""

    symbol: str
    bids: list[Level]
    asks: list[Level]
    ts_event: int = 0
    depth: int | None = None
    checksum: int | None = None


class VenueBookUpdate(_Base, frozen=True, tag="vlevels"):
    """Levels that changed, new total size each; 0 deletes. Applied as one.

    `checksum` is the venue's own CRC-32 over the result where it sends one.
    """

    symbol: str
    bids: list[Level]
    asks: list[Level]
    ts_event: int = 0
    checksum: int | None = None


class VenueOrdersSnapshot(_Base, frozen=True, tag="vorders"):
    """The whole book by order: best price first, in priority order within a price."""

    symbol: str
    bids: list[BookOrder]
    asks: list[BookOrder]
    ts_event: int = 0


class VenueOrderAdd(_Base, frozen=True, tag="vadd"):
    """An order joined the back of the queue at its price."""

    symbol: str
    order_id: str
    side: Side
    price: int
    size: int
    ts_event: int = 0


class VenueOrderChange(_Base, frozen=True, tag="vchange"):
    """An order's remaining size fell to `size`, which keeps its place."""

    symbol: str
    order_id: str
    size: int
    ts_event: int = 0


class VenueOrderRemove(_Base, frozen=True, tag="vremove"):
    """An order left the book. An id that is not there is no error: venues repeat themselves."""

    symbol: str
    order_id: str
    ts_event: int = 0


class VenueTrade(_Base, frozen=True, tag="vtrade"):
    """A trade at the venue. `side` is the taker's, None where the venue does not tell."""

    symbol: str
    trade_id: str
    price: int
    size: int
    side: Side | None = None
    ts_event: int = 0
    buy_order_id: str = ""
    sell_order_id: str = ""


class VenueQuote(_Base, frozen=True, tag="vquote"):
    """The venue's best bid and ask. A side is None where there is none; sizes are 0 where unknown."""

    symbol: str
    bid: int | None
    bid_size: int
    ask: int | None
    ask_size: int
    ts_event: int = 0


class VenueRate(_Base, frozen=True, tag="vrate"):
    """A scalar metric (index, funding, fixing), in ticks."""

    symbol: str
    rate: int
    ts_event: int = 0


OrderCommand: TypeAlias = PlaceOrder | AmendOrder | CancelOrder | CancelAll
Command: TypeAlias = OrderCommand | Transfer | KillSwitch | DeadMan | Guard | SessionEnded
COMMANDS = (PlaceOrder, AmendOrder, CancelOrder, CancelAll, Transfer, KillSwitch, DeadMan, Guard, SessionEnded)
Record: TypeAlias = (
    Clock
    | ListInstrument
    | FeedStatus
    | TradingStatus
    | PlaceOrder
    | AmendOrder
    | CancelOrder
    | CancelAll
    | Transfer
    | KillSwitch
    | DeadMan
    | Guard
    | SessionEnded
    | VenueBookSnapshot
    | VenueBookUpdate
    | VenueOrdersSnapshot
    | VenueOrderAdd
    | VenueOrderChange
    | VenueOrderRemove
    | VenueTrade
    | VenueQuote
    | VenueRate
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Record])


def encode_records(records: list[Record]) -> bytes:
    """The tape's form of one transaction (MessagePack)."""
    return _encoder.encode(records)


def decode_records(body: bytes) -> list[Record]:
    """Inverse of `encode_records`.

    Raises:
        msgspec.DecodeError: the bytes are not a transaction.
    """
    try:
        return _decoder.decode(body)
    except (InvalidInput, UnicodeDecodeError) as error:
        raise msgspec.DecodeError(str(error)) from error
