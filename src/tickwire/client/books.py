"""Live order books: kept in place by their streams, verified, and unreadable whenever they might be wrong."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tickwire.book.checksum import book_checksum
from tickwire.book.l3 import L3Book
from tickwire.book.ladder import BookSide, Ladder
from tickwire.client.queue import Queue
from tickwire.client.subscription import Consumer, Owner
from tickwire.client.waiting import Waiters, final
from tickwire.errors import BookInvalid, InvalidInput, InvalidNumber
from tickwire.frames import Backend, Column, data_frame, html_table
from tickwire.model.channel import StreamKey
from tickwire.model.order import RestingOrder
from tickwire.model.units import Scale, scale
from tickwire.protocol.client_outcomes import ClientStats, Notice, Resumed
from tickwire.protocol.messages import (
    BookData,
    Gap,
    InstrumentInfo,
    OrderChangeData,
    OrderRow,
    OrdersData,
    Skipped,
    StreamMessage,
)

if TYPE_CHECKING:
    from tickwire.plots import Picture, Size, ThemeName

Level = tuple[Decimal, Decimal]
"""(price, size)"""

PLOT_DEPTH = 100
"""Levels a side that are drawn unless told: what lies far from the market would leave no room for it."""
SHOWN_DEPTH = 5
"""Levels a side that a notebook shows of a book."""


class OrderOnBook(NamedTuple):
    """One order of a `LiveOrders`; `size` is what remains of it."""

    order_id: str
    price: Decimal
    size: Decimal


class _Wrong(Exception):
    """A message does not fit the book."""


class Live(Consumer):
    """What both kinds of live book offer.

    Every read raises `BookInvalid`, with the reason, while the book might be wrong: before its first snapshot,
    after a loss, while there is no connection, and after one until it has caught up. It becomes valid again by itself.

    `async for change in book` yields each message after it was applied; the book may be further by then. Like
    a subscription, an iteration must go on or end.
    """

    def __init__(self, owner: Owner, key: StreamKey, info: InstrumentInfo, stats: ClientStats) -> None:
        super().__init__(owner, [key])
        self.symbol = key.symbol
        self._stats = stats
        self._reason: str | None = "it waits for its first snapshot"
        self._seq = 0
        self._ts = 0
        self._behind = 0  # the message that it is current with again, after its connection was lost
        self._end: Exception | None = None
        self._readers: dict[Queue[StreamMessage], None] = {}
        self._waiters: Waiters[Any] = Waiters()
        self._price: Scale = scale(info.tick_size)
        self._size: Scale = scale(info.lot_size)
        self._assets = {"base": info.base, "quote": info.quote}

    # ---- reading ---------------------------------------------------------------------------------

    @property
    def valid(self) -> bool:
        """Whether the book can be read now."""
        return self._reason is None

    @property
    def seq(self) -> int:
        """The `seq` of the last message applied."""
        self._read()
        return self._seq

    @property
    def ts(self) -> int:
        """The time of the last message applied, ns."""
        self._read()
        return self._ts

    @property
    def best_bid(self) -> Level | None:
        """(price, size) of the best bid, None when there are no bids."""
        return next(iter(self.bids(1)), None)

    @property
    def best_ask(self) -> Level | None:
        """(price, size) of the best ask, None when there are no asks."""
        return next(iter(self.asks(1)), None)

    @property
    def checksum(self) -> int:
        """CRC-32 of the best 10 levels of both sides, as in `tickwire.book.checksum`."""
        return book_checksum(self._read(), price_units=self._price.units, size_units=self._size.units)

    def bids(self, depth: int | None = None) -> list[Level]:
        """The best `depth` bids as (price, size), best first; all of them for None."""
        return self._levels(self._read().bids, depth)

    def asks(self, depth: int | None = None) -> list[Level]:
        """The best `depth` asks as (price, size), best first; all of them for None."""
        return self._levels(self._read().asks, depth)

    # ---- in a notebook ---------------------------------------------------------------------------

    def to_dataframe(self, depth: int | None = None, *, backend: Backend | None = None) -> Any:
        """The book as a data frame: the bids, then the asks, each side from its best price on.

        Columns: `side` (bid, ask), `level` (1 is the best), `price`, `size`, and `cumulative`, the sum of the sizes up
        to there. Numbers are exact: `Decimal` of 38 digits in polars, Python's `Decimal` in pandas.

        Args:
            depth: the best levels of each side only.
            backend: `polars` or `pandas`; None takes polars where it is installed, else pandas.

        Raises:
            NotInstalled: neither is, or not the one that was named. InvalidInput: a negative depth, or a sum with more
                digits than polars has.
        """
        ladder = self._read()
        sides = {"bid": _top(ladder.bids, depth), "ask": _top(ladder.asks, depth)}
        levels = [level for rows in sides.values() for level in rows]
        sums = [total for rows in sides.values() for total in accumulate(lots for _, lots in rows)]
        price, size = self._price.format, self._size.format
        return data_frame(
            {
                "side": Column("text", [side for side, rows in sides.items() for _ in rows]),
                "level": Column("integer", [n for rows in sides.values() for n in range(1, len(rows) + 1)]),
                "price": Column("decimal", [Decimal(price(ticks)) for ticks, _ in levels]),
                "size": Column("decimal", [Decimal(size(lots)) for _, lots in levels]),
                "cumulative": Column("decimal", [Decimal(size(lots)) for lots in sums]),
            },
            backend,
        )

    def plot(self, depth: int = PLOT_DEPTH, *, theme: ThemeName = "light", size: Size | None = None) -> Picture:
        """The depth of the best `depth` levels a side, drawn with matplotlib; `.save("depth.svg")` writes it.

        Args:
            theme: `light` or `dark`. size: width and height in pixels.

        Raises:
            NotInstalled: matplotlib is not.
        """
        from tickwire import plots

        return plots.book_depth(
            self.symbol,
            self.bids(depth),
            self.asks(depth),
            ts=self._ts,
            **self._assets,
            theme=theme,
            size=size or plots.SIZE,
        )

    def _repr_html_(self) -> str:
        if self._reason is not None:
            return html_table(f"{self.symbol}: the book can't be read now, {self._reason}", (), ())
        levels = [("ask", *level) for level in reversed(self.asks(SHOWN_DEPTH))]
        levels += [("bid", *level) for level in self.bids(SHOWN_DEPTH)]
        return html_table(f"{self.symbol}, seq {self._seq}", ("side", "price", "size"), levels)

    # ---- waiting ---------------------------------------------------------------------------------

    async def until(self, predicate: Callable[[Self], object]) -> None:
        """Wait for a state: until `predicate`, called on the valid book after each message, is true.

        Raises:
            ConnectionLost: the book or its connection is closed for good; what `predicate` raises, too.
        """
        if self._reason is None and predicate(self):
            return
        if self._end is not None:
            raise final(self._end)
        await self._waiters.wait(predicate)

    async def __aiter__(self) -> AsyncGenerator[StreamMessage, None]:
        queue: Queue[StreamMessage] = Queue(f"changes of the book of {self.symbol}", self._owner.flow)
        if self._end is not None:
            queue.end(self._end)
        self._readers[queue] = None
        try:
            async for message in queue:
                yield message
        finally:
            del self._readers[queue]
            queue.discard()

    # ---- what the client calls -------------------------------------------------------------------

    def _rescale(self, info: InstrumentInfo) -> bool:
        """The instrument's steps, after a reconnection; tells whether they are others, so that the book must begin
        anew."""
        before = self._price.step, self._size.step
        self._price, self._size = scale(info.tick_size), scale(info.lot_size)
        return before != (self._price.step, self._size.step)

    def _take(self, message: StreamMessage, size: int) -> str | None:
        try:
            self._apply(message)
        except (_Wrong, InvalidNumber, ValueError) as error:
            self._reason = f"{message.type} {message.seq} does not fit: {error}"
            return self._reason
        self._seq, self._ts = message.seq, message.ts
        if self._readers:
            for queue in tuple(self._readers):
                queue.put(message, size)
        self._catch_up()
        return None

    def _catch_up(self) -> None:
        if self._seq >= self._behind:
            self._reason = None
            self._waiters.changed(self)

    def _interrupt(self, key: StreamKey, reason: str) -> None:
        self._reason = f"{reason}; it waits for another"

    def _notice(self, notice: Notice) -> None:
        if isinstance(notice, Resumed):
            self._behind = notice.after + notice.missed
            self._reason = f"it catches up with the {notice.missed} messages that it missed"
            self._catch_up()
        elif not isinstance(notice, Skipped):
            self._behind = 0
            lost = f"messages {notice.from_} to {notice.to} were dropped" if isinstance(notice, Gap) else notice.reason
            self._reason = f"{lost}; it waits for a snapshot"

    def _fail(self, error: Exception) -> None:
        if self._end is None:
            self._end = error
            self._reason = str(final(error))
            for queue in self._readers:
                queue.end(error)
            self._waiters.fail(final(error))

    # ---- inside ----------------------------------------------------------------------------------

    @property
    def _ladder(self) -> Ladder:
        raise NotImplementedError

    def _apply(self, message: StreamMessage) -> None:
        raise NotImplementedError

    def _read(self) -> Ladder:
        if self._reason is not None:
            raise BookInvalid(f"the book of {self.symbol} can't be read now: {self._reason}")
        return self._ladder

    def _levels(self, side: BookSide, depth: int | None) -> list[Level]:
        price, size = self._price.format, self._size.format
        return [(Decimal(price(p)), Decimal(size(s))) for p, s in _top(side, depth)]

    def _lots(self, text: str) -> int:
        lots = self._size.parse(text, "size")
        if lots < 0:
            raise _Wrong(f"size {text} is negative")
        return lots


def _top(side: BookSide, depth: int | None) -> list[tuple[int, int]]:
    """The best levels of a side, in ticks and lots."""
    if depth is not None and depth < 0:
        raise InvalidInput(f"depth must be a number of levels, not {depth}", field="depth")
    return side.top(depth)


class LiveBook(Live):
    """A book by level (L2)."""

    def __init__(self, owner: Owner, key: StreamKey, info: InstrumentInfo, stats: ClientStats) -> None:
        self._book = Ladder()
        self._full = key.lossless  # variants are complete in every message, their checksum is of the full book
        super().__init__(owner, key, info, stats)

    @property
    def _ladder(self) -> Ladder:
        return self._book

    def _apply(self, message: StreamMessage) -> None:
        data: BookData | None = message.data
        if data is None:
            self._book.clear()
            return
        if message.type == "snapshot" or not self._full:
            self._book.clear()
        for side, levels in ((self._book.bids, data.bids), (self._book.asks, data.asks)):
            for price, size in levels:
                side.set(self._price.parse(price), self._lots(size))
        if self._full:
            checksum = book_checksum(self._book, price_units=self._price.units, size_units=self._size.units)
            if checksum != data.checksum:
                self._stats.checksum_mismatches += 1
                raise _Wrong(f"its checksum is {data.checksum}, the book's is {checksum}")


class LiveOrders(Live):
    """A book by order (L3), with its levels beside."""

    def __init__(self, owner: Owner, key: StreamKey, info: InstrumentInfo, stats: ClientStats) -> None:
        self._book = L3Book()
        super().__init__(owner, key, info, stats)

    def orders(self, side: str) -> list[OrderOnBook]:
        """Every order of a side (`buy` or `sell`) in priority order: best price first, then by place in the queue."""
        self._read()
        price, size = self._price.format, self._size.format
        return [
            OrderOnBook(str(order.order_id), Decimal(price(order.price)), Decimal(size(order.size)))
            for order in self._book.listed(side)
        ]

    @property
    def _ladder(self) -> Ladder:
        return self._book.ladder

    def _apply(self, message: StreamMessage) -> None:
        data: OrdersData | OrderChangeData | None = message.data
        if isinstance(data, OrderChangeData):
            self._change(data)
            return
        self._book.clear()
        if data is not None:
            for side, rows in (("buy", data.bids), ("sell", data.asks)):
                for row in rows:
                    self._add(side, row)

    def _add(self, side: str, row: OrderRow) -> None:
        order_id, price, size = row
        lots = self._lots(size)
        if order_id in self._book.orders or not lots:
            raise _Wrong(f"order {order_id} is there already, or has no size")
        self._book.add(RestingOrder(order_id, "", side, self._price.parse(price), lots))

    def _change(self, data: OrderChangeData) -> None:
        if data.action == "add":
            self._add(data.side, (data.order_id, data.price, data.size))
            return
        order = self._book.orders.get(data.order_id)
        if order is None or order.side != data.side or order.price != self._price.parse(data.price):
            raise _Wrong(f"order {data.order_id} is not there at {data.price}")
        if data.action == "cancel":
            self._book.remove(order)
            return
        left = self._lots(data.size)
        if data.action == "modify":
            fits = 0 < left <= order.size
        else:
            filled = self._lots(data.filled or "0")
            fits = filled > 0 and filled + left == order.size
        if not fits:
            raise _Wrong(f"{data.action} of order {data.order_id} to {data.size} is not what the order comes to")
        self._book.reduce(order, order.size - left)
