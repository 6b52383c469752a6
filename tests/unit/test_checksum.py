"""The book checksum against Kraken's published examples and against its published scheme, done by hand."""

from __future__ import annotations

from zlib import crc32

import pytest

from tickwire.book.checksum import book_checksum
from tickwire.book.ladder import Ladder
from tickwire.model.units import scale

# The two worked examples of Kraken's guides "Book checksum", for WebSocket v1 and v2.
V1_ASKS = "0.05005 0.05010 0.05015 0.05020 0.05025 0.05030 0.05035 0.05040 0.05045 0.05050"
V1_BIDS = "0.05000 0.04995 0.04990 0.04980 0.04975 0.04970 0.04965 0.04960 0.04955 0.04950"
V2_ASKS = (
    "45285.2:0.00100000 45286.4:1.54571953 45286.6:1.54571109 45289.6:1.54560911 45290.2:0.15890660 "
    "45291.8:1.54553491 45294.7:0.04454749 45296.1:0.35380000 45297.5:0.09945542 45299.5:0.18772827"
)
V2_BIDS = (
    "45283.5:0.10000000 45283.4:1.54582015 45282.1:0.10000000 45281.0:0.10000000 45280.3:1.54592586 "
    "45279.0:0.07990000 45277.6:0.03310103 45277.5:0.30000000 45277.3:1.54602737 45276.6:0.15445238"
)


def checksum(bids: str, asks: str, tick_size: str, lot_size: str) -> int:
    """The checksum of a book of `price:size` words."""
    price, size = scale(tick_size), scale(lot_size)
    ladder = Ladder()
    for side, words in ((ladder.bids, bids), (ladder.asks, asks)):
        for word in words.split():
            level = word.split(":")
            side.set(price.parse(level[0]), size.parse(level[1]))
    return book_checksum(ladder, price_units=price.units, size_units=size.units)


def test_published_v1() -> None:
    asks, bids = (" ".join(f"{price}:0.00000500" for price in side.split()) for side in (V1_ASKS, V1_BIDS))
    assert checksum(bids, asks, "0.00001", "0.00000001") == 974947235


def test_published_v2() -> None:
    assert checksum(V2_BIDS, V2_ASKS, "0.1", "0.00000001") == 3310070434


def test_levels_below_the_tenth_do_not_count() -> None:
    deeper = f"{V2_BIDS} 45276.5:9.00000000", f"{V2_ASKS} 45299.6:9.00000000"
    assert checksum(*deeper, "0.1", "0.00000001") == 3310070434
    shorter = V2_BIDS.rsplit(" ", 1)[0]
    assert checksum(shorter, V2_ASKS, "0.1", "0.00000001") != 3310070434


@pytest.mark.parametrize(
    ("bids", "asks", "tick_size", "lot_size", "text"),
    [
        ("", "", "0.01", "1", ""),
        ("99.5:3", "", "0.01", "1", "9950" "3"),
        ("", "0.05:0.10", "0.01", "0.01", "5" "10"),
        # steps that are no power of ten: a tick count alone would be another number
        ("2.25:150 2.00:50", "2.75:100", "0.25", "50", "275" "100" "225" "150" "200" "50"),
        ("0.0200:1.5", "", "0.0100", "0.5", "200" "15"),
    ],
)  # fmt: skip
def test_by_hand(bids: str, asks: str, tick_size: str, lot_size: str, text: str) -> None:
    assert checksum(bids, asks, tick_size, lot_size) == crc32(text.encode())
