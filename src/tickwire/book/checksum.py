"""The book checksum of Kraken's published scheme, over integers.

CRC-32 (ISO-HDLC, as in zlib) over the best 10 asks, then the best 10 bids, best first, each as price then
size, with the decimal point and leading zeros removed. A price of `n` ticks printed with the instrument's
decimals and stripped of the point and leading zeros is the integer `n * Scale.units`, so no decimal string
is built here. Source: Kraken's WebSocket API documentation, "Book checksum".
"""

from __future__ import annotations

from zlib import crc32

from tickwire.book.ladder import Ladder


def book_checksum(ladder: Ladder, *, price_units: int, size_units: int) -> int:
    """CRC-32 of the ladder's top.

    Args:
        ladder: the book.
        price_units, size_units: `Scale.units` of the instrument's price and size.
    """
    text = ladder.asks.top_text(price_units, size_units) + ladder.bids.top_text(price_units, size_units)
    return crc32(text.encode())
