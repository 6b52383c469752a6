"""The server of the screen's benchmark: `tickwire.server.app.Server` as it is, with one book that often changes.

It says its port. A line on its stdin asks how many bytes it has sent and how much processor time it took; the line
`stop` ends the changes, and then it says what the book is, which the page must show, and when the changes began.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import uvloop

from benchmarks.processes import say, told
from benchmarks.screen.shown import DUE_NS, due_ns
from tickwire.clock import wall_clock_ns
from tickwire.config import FeedSpec, ServerSettings
from tickwire.feeds.base import Due, Feed
from tickwire.model.channel import StreamKey
from tickwire.model.instrument import Instrument
from tickwire.model.records import Record, Side, VenueOrderAdd, VenueOrderRemove, VenueOrdersSnapshot, VenueTrade
from tickwire.protocol.messages import BookData
from tickwire.protocol.render import Renderer
from tickwire.server.app import Server

LEVELS = 200
"""Of each side."""
BASE = 9_700_000
WALK_TICKS = 100
"""How far the price strays from its beginning."""
TRADE_EVERY = 20
"""Changes."""
STEP_EVERY = 100
"""Changes; the price then moves by a tick."""
INSTRUMENT = Instrument(
    venue="LOAD",
    base="BTC",
    quote="USDT",
    asset_class="crypto",
    tick_size="0.01",
    lot_size="0.00001",
    kind="mirrored",
    book="orders",
    feed="load",
)
SYMBOL = INSTRUMENT.symbol
SIDES: tuple[Side, Side] = ("buy", "sell")


class LoadFeed:
    """A venue whose orders come and go, most of them near the best price, which walks.

    Args:
        rate: changes a second.

    Attributes:
        stopped: set to end it.
        began_ns: when it began, by the wall clock: change n is due `due_ns(n, rate)` later.
        made: changes so far.
    """

    name = "load"

    def __init__(self, rate: int) -> None:
        self.stopped = False
        self.began_ns = 0
        self.made = 0
        self._rate = rate
        self._random = Random(6)
        self._best_bid = BASE
        self._orders: dict[int, list[str]] = {}
        self._number = 0

    def instruments(self) -> list[Instrument]:
        """The one that changes."""
        return [INSTRUMENT]

    def due(self) -> Iterator[Due]:
        """The whole book, then changes until it is stopped."""
        bids, asks = ([(self._new(p), p, self._size()) for p in self._prices(side)] for side in SIDES)
        self.began_ns = wall_clock_ns()
        yield Due(0, [VenueOrdersSnapshot(SYMBOL, bids, asks)])
        changes = self._changes()
        at = 0
        while not self.stopped:
            at += DUE_NS
            records: list[Record] = []
            while due_ns(self.made, self._rate) <= at:
                records += next(changes)
                self.made += 1
            if records:
                yield Due(at, records)

    def _prices(self, side: Side) -> range:
        """Best first."""
        best = self._best_bid
        return range(best, best - LEVELS, -1) if side == "buy" else range(best + 1, best + 1 + LEVELS)

    def _new(self, price: int) -> str:
        self._number += 1
        name = str(self._number)
        self._orders.setdefault(price, []).append(name)
        return name

    def _size(self) -> int:
        return int(self._random.lognormvariate(9, 1)) + 1

    def _add(self, side: Side, price: int) -> Record:
        return VenueOrderAdd(SYMBOL, self._new(price), side, price, self._size())

    def _changes(self) -> Iterator[list[Record]]:
        """One change of the book each, now and then with a trade."""
        random = self._random
        count = 0
        while True:
            for change in self._step() if count % STEP_EVERY == 0 else [self._one()]:
                count += 1
                trade = VenueTrade(SYMBOL, str(count), self._best_bid + random.randrange(2), self._size(), self._side())
                yield [change, trade] if count % TRADE_EVERY == 0 else [change]

    def _side(self) -> Side:
        return "buy" if self._random.random() < 0.5 else "sell"

    def _one(self) -> Record:
        """An order leaves a level, where there are several, or joins it."""
        side = self._side()
        price = self._prices(side)[min(LEVELS - 1, int(self._random.expovariate(1 / 12)))]
        orders = self._orders[price]
        if len(orders) > 1 and self._random.random() < 0.6:
            return VenueOrderRemove(SYMBOL, orders.pop(0))
        return self._add(side, price)

    def _step(self) -> Iterator[Record]:
        """The price moves by a tick: a level of one side goes, and one of the other comes; so at the far ends."""
        up = self._random.random() < 0.5 - (self._best_bid - BASE) / WALK_TICKS / 2
        gone = self._best_bid + 1 if up else self._best_bid
        far = self._best_bid - LEVELS + 1 if up else self._best_bid + LEVELS
        for price in (gone, far):
            for order in self._orders.pop(price):
                yield VenueOrderRemove(SYMBOL, order)
        self._best_bid += 1 if up else -1
        came = self._best_bid if up else self._best_bid + 1
        yield self._add("buy" if up else "sell", came)
        yield self._add("sell" if up else "buy", self._best_bid + LEVELS if up else self._best_bid - LEVELS + 1)


class LoadServer(Server):
    """A server of one feed that is no recording."""

    def __init__(self, settings: ServerSettings, feed: LoadFeed) -> None:
        self._load = feed
        super().__init__(settings)

    def _feed(self, spec: FeedSpec) -> Feed:
        return self._load

    def counts(self) -> dict[str, Any]:
        """What was sent so far, in bytes with their framing, and processor seconds."""
        sent = self.meters.sent.values()
        return {"bytes": sum(each.size for each in sent), "cpu_seconds": time.process_time()}

    async def ended(self) -> None:
        """Wait until the feed's last change is in the book."""
        while self.market.feeds[self._load.name][0] != "down":  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def book(self) -> dict[str, Any]:
        """As the wire has it."""
        renderer = Renderer(lambda symbol: self.market.listing(symbol).instrument)
        view = self.market.view(StreamKey("book", SYMBOL))
        assert view is not None
        data = renderer.data(view)
        assert isinstance(data, BookData)
        return {"seq": self.market.seq(StreamKey("book", SYMBOL)), "bids": data.bids, "asks": data.asks}


async def main(rate: int) -> None:
    """Serve until stdin ends."""
    feed = LoadFeed(rate)
    settings = ServerSettings(port=0, feeds=(FeedSpec("recorded", "load"),), drain_seconds=0)
    async with LoadServer(settings, feed).running() as server:
        assert isinstance(server, LoadServer)
        say(port=server.port)
        while line := await told():
            if line.strip() != "stop":
                say(**server.counts())
                continue
            feed.stopped = True
            await server.ended()
            say(**server.book(), began_ns=feed.began_ns, changes=feed.made)


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # that a busy machine holds the event loop up is in the numbers
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1])))
