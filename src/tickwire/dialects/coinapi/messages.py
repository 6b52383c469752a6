"""The messages of the market-data WebSocket, both ways, as types.

Prices, sizes and rates are JSON numbers, written from decimal strings. Times are text with seven decimals, in UTC. A
`sequence` counts the changes of one type of one symbol; see `codecs` for which of them are messages.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

Number: TypeAlias = msgspec.Raw
"""A decimal string as a JSON number."""


class ClientMessage(msgspec.Struct, frozen=True):
    """What a client may say. A hello replaces what it gets, a subscribe adds to it, an unsubscribe takes away.

    A filter that is null, missing or empty lets everything through.
    """

    type: str
    apikey: str | None = None
    heartbeat: bool | None = None
    subscribe_data_type: list[str] | None = None
    subscribe_filter_symbol_id: list[str] | None = None
    subscribe_filter_asset_id: list[str] | None = None
    subscribe_filter_exchange_id: list[str] | None = None
    subscribe_filter_period_id: list[str] | None = None
    subscribe_filter_index_id: list[str] | None = None
    subscribe_update_limit_ms_quote: int | None = None
    subscribe_update_limit_ms_book_snapshot: int | None = None
    subscribe_update_limit_ms_exrate: int | None = None


class TradeMessage(msgspec.Struct, frozen=True, tag_field="type", tag="trade"):
    """A trade. `taker_side` is BUY, SELL or UNKNOWN."""

    symbol_id: str
    sequence: int
    time_exchange: str
    time_coinapi: str
    uuid: str
    price: Number
    size: Number
    taker_side: str


class QuoteMessage(msgspec.Struct, frozen=True, tag_field="type", tag="quote"):
    """Best ask and bid; price and size of an empty side are 0."""

    symbol_id: str
    sequence: int
    time_exchange: str
    time_coinapi: str
    ask_price: Number
    ask_size: Number
    bid_price: Number
    bid_size: Number


class PriceLevel(msgspec.Struct, frozen=True):
    """A level of a book. In an update, size 0 deletes it."""

    price: Number
    size: Number


class OrderLevel(msgspec.Struct, frozen=True, omit_defaults=True):
    """An order of a book, or where a venue shows none, a level without an id.

    Attributes:
        size: of ADD and UPDATE what remains, of MATCH what just matched, of DELETE 0.
        update_type: ADD, UPDATE, MATCH or DELETE; absent from snapshots.
    """

    price: Number
    size: Number
    id: str | None = None
    update_type: str | None = None


class BookMessage(msgspec.Struct, frozen=True):
    """A book (`book`, `book_l3`), whole or what changed of it, or the best of it (`book5`, `book20`, `book50`), which
    has no `is_snapshot`. Best levels first."""

    type: str
    symbol_id: str
    sequence: int
    time_exchange: str
    time_coinapi: str
    is_snapshot: bool | msgspec.UnsetType
    asks: list[PriceLevel] | list[OrderLevel]
    bids: list[PriceLevel] | list[OrderLevel]


class OhlcvMessage(msgspec.Struct, frozen=True, tag_field="type", tag="ohlcv"):
    """A period as it stands: from `time_period_start` to before `time_period_end`, with the times of its first and
    last trade."""

    symbol_id: str
    sequence: int
    period_id: str
    time_period_start: str
    time_period_end: str
    time_open: str
    time_close: str
    price_open: Number
    price_high: Number
    price_low: Number
    price_close: Number
    volume_traded: Number
    trades_count: int


class ExrateMessage(msgspec.Struct, frozen=True, tag_field="type", tag="exrate"):
    """What one asset is worth in another."""

    asset_id_base: str
    asset_id_quote: str
    rate_type: str
    time: str
    rate: Number


class IndexMessage(msgspec.Struct, frozen=True, tag_field="type", tag="index"):
    """The value of an index."""

    index_id: str
    sequence: int
    time_coinapi: str
    value: Number


class SymbolVolume(msgspec.Struct, frozen=True):
    """What was traded of a symbol."""

    symbol_id: str
    asset_id_base: str
    asset_id_quote: str
    volume_base: Number
    volume_quote: Number


class VolumeMessage(msgspec.Struct, frozen=True, tag_field="type", tag="volume"):
    """What was traded in the last hour (1HRS), day (1DAY) or 30 days (1MTH)."""

    period_id: str
    time_coinapi: str
    volume_by_symbol: list[SymbolVolume]


class TickerMessage(msgspec.Struct, frozen=True, tag_field="type", tag="ticker"):
    """The last of everything of a symbol; null where there is none yet."""

    symbol_id: str
    last_quote: QuoteMessage | None
    last_trade: TradeMessage | None
    last_ohlcv_5sec: OhlcvMessage | None
    last_ohlcv_15sec: OhlcvMessage | None
    last_ohlcv_1min: OhlcvMessage | None
    last_ohlcv_5min: OhlcvMessage | None
    last_ohlcv_15min: OhlcvMessage | None


class ReconnectMessage(msgspec.Struct, frozen=True, tag_field="type", tag="reconnect"):
    """The server stops: connect anew, at the latest then."""

    within_seconds: int
    before_time: str


class ErrorMessage(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """What is wrong. The connection ends after it."""

    message: str


class HeartbeatMessage(msgspec.Struct, frozen=True, tag_field="type", tag="hearbeat"):
    """Nothing else was said for a second. The vendor spells it like this, and its clients know it so."""
