"""Coinbase Exchange: level2, matches and ticker, as cryptofeed records them.

A book is one snapshot, then l2updates: the levels that changed with their new size, 0 deletes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from tickwire.errors import FeedError
from tickwire.feeds.formats import cryptofeed
from tickwire.feeds.formats.base import Count, Format, LevelText, Line, Steps, decoded, iso_ns, mirrored
from tickwire.model.records import Record, VenueBookSnapshot, VenueBookUpdate, VenueTrade


class _Product(msgspec.Struct, frozen=True):
    id: str
    base_currency: str
    quote_currency: str
    quote_increment: str
    base_increment: str


class _Kind(msgspec.Struct, frozen=True):
    type: str


class _Snapshot(msgspec.Struct, frozen=True):
    product_id: str
    bids: list[LevelText]
    asks: list[LevelText]


class _Update(msgspec.Struct, frozen=True):
    product_id: str
    time: str
    changes: list[tuple[Literal["buy", "sell"], str, str]]


class _Match(msgspec.Struct, frozen=True):
    product_id: str
    time: str
    trade_id: Count
    maker_order_id: str
    taker_order_id: str
    side: Literal["buy", "sell"]
    price: str
    size: str


_PRODUCTS = msgspec.json.Decoder(list[_Product])
_KIND = msgspec.json.Decoder(_Kind)
_SNAPSHOT = msgspec.json.Decoder(_Snapshot)
_UPDATE = msgspec.json.Decoder(_Update)
_MATCH = msgspec.json.Decoder(_Match)


class Coinbase(Format):
    """`Format` of Coinbase Exchange. Tick and lot sizes are those of its product list."""

    holds = "Coinbase Exchange frames by cryptofeed (a folder with COINBASE.0 and COINBASE.ws.*)"
    files = ("COINBASE.*",)
    open_line = staticmethod(cryptofeed.open_line)

    def __init__(self, feed: str, sources: Sequence[str]) -> None:
        super().__init__(feed, sources)
        self._products: dict[str, _Product] = {}
        self._configured: set[str] = set()
        self._steps: dict[str, Steps] = {}
        self._books: set[str] = set()
        """products whose snapshot has come"""

    def learn(self, line: Line) -> bool:
        if line.about == "configuration":
            self._configured = cryptofeed.configured_pairs(line.body)
        elif line.about.endswith("/products"):
            products = decoded(_PRODUCTS, line.body, "the product list")
            self._products = {product.id: product for product in products}
        elif line.about == "":
            raise FeedError("expected the product list and the configuration (COINBASE.0) before the first frame")
        if not (self._configured and self._products):
            return False
        for product_id in sorted(self._configured):
            product = self._products.get(product_id)
            if product is None:
                raise FeedError(f"expected {product_id} in the product list, as it is in the configuration")
            instrument = mirrored(
                self.feed,
                "COINBASE",
                product.base_currency,
                product.quote_currency,
                tick_size=product.quote_increment,
                lot_size=product.base_increment,
            )
            self.instruments.append(instrument)
            self._steps[product_id] = Steps(instrument)
        return True

    def records(self, line: Line) -> list[Record]:
        if line.about:
            return []
        kind = decoded(_KIND, line.body, "a frame with a type").type
        if kind == "l2update":
            return [self._update(decoded(_UPDATE, line.body, "an l2update"))]
        if kind == "match":
            return [self._trade(decoded(_MATCH, line.body, "a match"))]
        if kind == "snapshot":
            return [self._snapshot(decoded(_SNAPSHOT, line.body, "a snapshot"))]
        # `last_match` is the trade before the subscription, told again after every reconnection: no new trade.
        # `ticker` says less about the quote than the book does.
        return []

    def _steps_of(self, product_id: str) -> Steps:
        steps = self._steps.get(product_id)
        if steps is None:
            raise FeedError(f"expected a product of the configuration, got {product_id!r}")
        return steps

    def _snapshot(self, frame: _Snapshot) -> Record:
        steps = self._steps_of(frame.product_id)
        record = VenueBookSnapshot(symbol=steps.symbol, bids=steps.levels(frame.bids), asks=steps.levels(frame.asks))
        self._books.add(frame.product_id)
        return record

    def _update(self, frame: _Update) -> Record:
        steps = self._steps_of(frame.product_id)
        if frame.product_id not in self._books:
            raise FeedError(f"expected a snapshot of {frame.product_id} before its first l2update")
        return VenueBookUpdate(
            symbol=steps.symbol,
            bids=steps.levels((price, size) for side, price, size in frame.changes if side == "buy"),
            asks=steps.levels((price, size) for side, price, size in frame.changes if side == "sell"),
            ts_event=iso_ns(frame.time),
        )

    def _trade(self, match: _Match) -> Record:
        steps = self._steps_of(match.product_id)
        maker_buys = match.side == "buy"  # the frame's side is the maker's
        return VenueTrade(
            symbol=steps.symbol,
            trade_id=str(match.trade_id),
            price=steps.ticks(match.price),
            size=steps.lots(match.size, least=1),
            side="sell" if maker_buys else "buy",
            ts_event=iso_ns(match.time),
            buy_order_id=match.maker_order_id if maker_buys else match.taker_order_id,
            sell_order_id=match.taker_order_id if maker_buys else match.maker_order_id,
        )
