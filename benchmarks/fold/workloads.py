"""Inputs for the fold: what lists the instruments, then commands or reports with the times they are due."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from random import Random
from typing import TypeAlias

from tickwire.feeds.simulated import SimulatedFeed
from tickwire.market.market import Market
from tickwire.model.instrument import Instrument
from tickwire.model.records import (
    Clock,
    FeedStatus,
    Level,
    ListInstrument,
    Record,
    VenueBookSnapshot,
    VenueBookUpdate,
    VenueTrade,
)

SEED = 1
START_NS = 1_732_180_000_000_000_000
SIZES = (1, 10, 100)
"""Inputs of a transaction."""
VENUES = 4
STEP_NS = 1_000_000
MIDDLE = 6_000_000
LEVELS = 100

Inputs: TypeAlias = tuple[list[Record], list[tuple[int, Record]]]


def built_in(count: int) -> Inputs:
    """Commands of the built-in market; the books are filled before."""
    market = Market()
    feed = SimulatedFeed(market, seed=SEED, start_ns=START_NS)
    opening: list[Record] = [Clock(START_NS), *map(ListInstrument, feed.instruments()), FeedStatus(feed.name, "live")]
    for record in opening:
        market.apply(record)
    due = feed.due()
    filling = next(due).records
    for record in filling:
        market.apply(record)
    opening += filling
    commands: list[tuple[int, Record]] = []
    for at_ns, records in due:
        for record in (Clock(at_ns), *records):
            market.apply(record)
        commands += [(at_ns, record) for record in records]
        if len(commands) >= count:
            break
    return opening, commands[:count]


def reported(count: int) -> Inputs:
    """What feeds of some venues report, 1,000 a second: each tenth a trade, else a change of one to four levels of the
    book, most of them near its top, of which a quarter goes."""
    random = Random(SEED)
    opening: list[Record] = [Clock(START_NS)]
    symbols = []
    for number in range(1, VENUES + 1):
        instrument = Instrument(
            venue=f"VENUE{number}", base="BTC", quote="USDT", asset_class="crypto", tick_size="0.01",
            lot_size="0.00001", kind="mirrored", book="levels", feed=f"venue{number}",
        )  # fmt: skip
        symbols.append(instrument.symbol)
        bids, asks = ([(MIDDLE + way * (1 + n), 10_000) for n in range(LEVELS)] for way in (-1, 1))
        opening += [
            ListInstrument(instrument),
            FeedStatus(instrument.feed, "live"),
            VenueBookSnapshot(instrument.symbol, bids, asks),
        ]
    reports: list[tuple[int, Record]] = []
    for number in range(count):
        symbol = random.choice(symbols)
        record: Record
        if random.random() < 0.1:
            price, size = MIDDLE + random.choice((-1, 1)), random.randint(1, 50_000)
            record = VenueTrade(symbol, str(number), price, size, random.choice(("buy", "sell")))
        else:
            changes: tuple[dict[int, int], dict[int, int]] = ({}, {})
            for _ in range(random.randint(1, 4)):
                side = random.randrange(2)
                price = MIDDLE + (2 * side - 1) * (1 + min(LEVELS, int(random.expovariate(1 / 12))))
                changes[side][price] = random.choice((0, 1, 1, 1)) * random.randint(1, 500_000)
            levels: list[list[Level]] = [list(side.items()) for side in changes]
            record = VenueBookUpdate(symbol, levels[0], levels[1])
        reports.append((START_NS + (number + 1) * STEP_NS, record))
    return opening, reports


WORKLOADS: dict[str, Callable[[int], Inputs]] = {"built-in market": built_in, "feed": reported}


def transactions(inputs: list[tuple[int, Record]], size: int) -> list[list[Record]]:
    """The inputs in transactions of `size`, each under the clock of its last one."""
    rows = iter(inputs)
    grouped: list[list[Record]] = []
    while group := list(islice(rows, size)):
        grouped.append([Clock(group[-1][0]), *(record for _, record in group)])
    return grouped
