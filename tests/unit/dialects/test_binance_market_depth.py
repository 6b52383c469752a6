"""The book that a client keeps by the venue's rule: from a snapshot over REST, taken at any moment, and the stream."""

from __future__ import annotations

from random import Random

import pytest

from binance_market import LocalBook, VenueWorld
from support import BTC, order
from tickwire.model.instrument import Instrument
from tickwire.model.records import CancelAll, Record, VenueBookSnapshot, VenueBookUpdate

MIRROR = Instrument(
    venue="V", base="BTC", quote="USDT", asset_class="crypto", tick_size="0.01", lot_size="0.001", kind="mirrored"
)


def agrees(world: VenueWorld, local: LocalBook) -> None:
    """What the client has is the market's book, where it has seen all of it."""
    (instrument,) = world.names.table().values()
    ladder = world.market.book(instrument.symbol).ladder
    price, size = instrument.price.format, instrument.size.format
    for told, side in ((local.book.bids, ladder.bids), (local.book.asks, ladder.asks)):
        assert {f"{p:f}": f"{s:f}" for p, s in told.items()} == {price(p) + "0" * 6: size(s) + "0" * 5 for p, s in side}


def some_orders(random: Random) -> list[Record]:
    """A transaction on the matched instrument."""
    if random.random() < 0.05:
        return [CancelAll("a"), CancelAll("b")]
    return [
        order(random.choice(["buy", "sell"]), random.randint(9_990, 10_010), random.randint(1, 20))
        for _ in range(random.randint(0, 3))
    ]


def some_levels(random: Random) -> list[Record]:
    """A transaction on the mirrored instrument; now and then its book is replaced."""
    symbol = MIRROR.symbol

    def levels(low: int, high: int, least: int) -> list[tuple[int, int]]:
        prices = random.sample(range(low, high), random.randint(0, 4))
        return [(price, random.randint(least, 9)) for price in prices]

    if random.random() < 0.08:
        return [VenueBookSnapshot(symbol, levels(9_980, 10_000, 1), levels(10_001, 10_020, 1), 0)]
    return [VenueBookUpdate(symbol, levels(9_980, 10_000, 0), levels(10_001, 10_020, 0), 0)]


@pytest.mark.parametrize("speed", ["", "@100ms"])
@pytest.mark.parametrize("kind", ["matched", "mirrored"])
@pytest.mark.parametrize("seed", range(12))
def test_snapshot_and_stream_join_to_the_markets_book(kind: str, speed: str, seed: int) -> None:
    random = Random(seed)
    world = VenueWorld(BTC if kind == "matched" else MIRROR)
    if kind == "mirrored":
        world.do(VenueBookSnapshot(MIRROR.symbol, [(9_999, 1)], [(10_001, 1)], 0))
    client = world.open(f"/ws/btcusdt@depth{speed}")
    watcher = world.open(f"/ws/btcusdt@depth{speed}")
    local, compared, replaced, said = LocalBook(world, client), 0, 0, 0
    last_replaced = last_u = 1 if kind == "mirrored" else 0
    for _ in range(400):
        records = some_orders(random) if kind == "matched" else some_levels(random)
        world.do(*records, ms=random.choice([1, 20, 70, 300]))
        seq = world.market.listing(BTC.symbol if kind == "matched" else MIRROR.symbol).seq["book"]
        for event in watcher.said():
            said += 1
            if last_replaced > last_u:
                assert event["U"] > last_replaced  # so that numbers are missing
            else:
                assert event["U"] == last_u + 1
            assert event["u"] >= event["U"]
            last_u = event["u"]
        if records and isinstance(records[0], VenueBookSnapshot):
            replaced, last_replaced = replaced + 1, seq
        local.read()
        if local.book.seq < 0 and random.random() < 0.3:
            local.fetch()
        if local.book.seq == seq and last_replaced <= local.book.seq:
            agrees(world, local)
            compared += 1
    assert (said > 20, compared > 20) == (True, True)
    assert (local.restarts > 0) is (replaced > 0)
