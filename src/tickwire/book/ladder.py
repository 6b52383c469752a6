"""A book by price level (L2): what size rests at which price, best first.

Both sides keep their prices sorted with the best one last, so that work at the top of the book, where
nearly all of it happens, touches the end of a list.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

CHECKSUM_DEPTH = 10


class BookSide:
    """Price levels of one side.

    Args:
        sign: +1 for bids (best is highest), -1 for asks (best is lowest).
    """

    __slots__ = ("_keys", "_sign", "_texts", "_top_text", "sizes")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[int] = []  # sign * price, ascending: the best is last
        self.sizes: dict[int, int] = {}
        """price in ticks -> size in lots, never 0; in no particular order"""
        self._texts: list[str] = []
        """of the best levels, best first, as far as they were asked for; "" where the level changed since"""
        self._top_text: str | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The levels as (price, size), best first. The side must not change meanwhile."""
        sign, sizes = self._sign, self.sizes
        for key in reversed(self._keys):
            yield sign * key, sizes[sign * key]

    def set(self, price: int, size: int) -> None:
        """Make `size` lots rest at `price`; 0 deletes the level, and deleting what is not there is no error."""
        key = self._sign * price
        keys, sizes, texts = self._keys, self.sizes, self._texts
        better = len(keys) - bisect_right(keys, key) if keys and key < keys[-1] else 0  # levels before this one
        if price in sizes:
            if size:
                sizes[price] = size
                if better < len(texts):
                    texts[better] = ""
            else:
                del sizes[price], keys[-1 - better]
                if better < len(texts):
                    del texts[better]
        elif size:
            sizes[price] = size
            keys.insert(len(keys) - better, key)
            if better < len(texts):
                texts.insert(better, "")
                del texts[CHECKSUM_DEPTH:]
        if better < CHECKSUM_DEPTH:
            self._top_text = None

    def change(self, price: int, lots: int) -> None:
        """Add lots to a level that is there, or take some off; never all of them."""
        if self._texts:
            self.set(price, self.sizes[price] + lots)
        else:
            self.sizes[price] += lots

    def best(self) -> int | None:
        """Best price in ticks, None when the side is empty."""
        return self._sign * self._keys[-1] if self._keys else None

    def top(self, depth: int | None = None) -> list[tuple[int, int]]:
        """The best `depth` levels as (price, size), best first; all of them for None."""
        return list(islice(self, depth))

    def worst(self) -> int | None:
        """The price farthest from the top, None when the side is empty."""
        return self._sign * self._keys[0] if self._keys else None

    def clear(self) -> None:
        """Empty the side."""
        self._keys.clear()
        self.sizes.clear()
        self._texts.clear()
        self._top_text = None

    def top_text(self, price_units: int, size_units: int) -> str:
        """This side's part of the checksum; see `tickwire.book.checksum`. Kept until the top changes, as are the texts
        of its levels: the units must stay the same until the side is cleared."""
        text = self._top_text
        if text is None:
            keys, texts = self._keys, self._texts
            while len(texts) < CHECKSUM_DEPTH and len(texts) < len(keys):
                texts.append("")
            while "" in texts:
                at = texts.index("")
                price = self._sign * keys[-1 - at]
                texts[at] = f"{price * price_units}{self.sizes[price] * size_units}"
            text = self._top_text = "".join(texts)
        return text


class Ladder:
    """Both sides of a book by level."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(+1)
        self.asks = BookSide(-1)

    def side(self, side: str) -> BookSide:
        """The side that an order of this side (`buy` or `sell`) rests on."""
        return self.bids if side == "buy" else self.asks

    def crossed(self) -> bool:
        """True when the best bid is at or above the best ask (crossed or locked)."""
        bid, ask = self.bids.best(), self.asks.best()
        return bid is not None and ask is not None and bid >= ask

    def replace(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """Make the book exactly these levels."""
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            side.clear()
            for price, size in levels:
                side.set(price, size)

    def clear(self) -> None:
        """Empty both sides."""
        self.bids.clear()
        self.asks.clear()
