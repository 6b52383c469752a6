"""One short name for the state of a book, so that two runs compare by one string."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from tickwire.book.l3 import L3Book


def book_digest(book: L3Book) -> str:
    """BLAKE2b (128 bits, hex) over every resting order, bids then asks, in priority order.

    Equal digests mean the same orders with the same ids, owners, prices and remaining sizes, shown and hidden, in
    the same places; how the book came to be so makes no difference.
    """
    sides = [
        [
            (order.order_id, order.account, order.price, order.size, order.hidden, order.display)
            for order in book.listed(side)
        ]
        for side in ("buy", "sell")
    ]
    return blake2b(msgspec.msgpack.encode(sides), digest_size=16).hexdigest()
