"""A book by price level (L2): what size rests at which price, best first.

Both sides keep their prices sorted with the best one last, so that work at the top of the book, where
nearly all of it happens, touches the end of a list.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice

CHECKSUM_DEPTH = 10


class BookSide:
    """Price levels of one side.

    Args:
        sign: +1 for bids (best is highest), -1 for asks (best is lowest).
    """

    __slots__ = ("_keys", "_sign", "_top_text", "sizes")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[int] = []  # sign * price, ascending: the best is last
        self.sizes: dict[int, int] = {}
        """price in ticks -> size in lots, never 0; in no particular order"""
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
        keys = self._keys
        if size:
            if price not in self.sizes:
                if keys and key < keys[-1]:
                    insort(keys, key)
                else:
                    keys.append(key)
            self.sizes[price] = size
        elif self.sizes.pop(price, 0):
            if keys[-1] == key:
                keys.pop()
            else:
                del keys[bisect_left(keys, key)]
        else:
            return
        if self._top_text is not None and (len(keys) < CHECKSUM_DEPTH or key >= keys[-CHECKSUM_DEPTH]):
            self._top_text = None

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
        self._top_text = None

    def top_text(self, price_units: int, size_units: int) -> str:
        """This side's part of the checksum; see `tickwire.book.checksum`. Kept until the top changes."""
        text = self._top_text
        if text is None:
            sign, sizes = self._sign, self.sizes
            prices = [sign * key for key in self._keys[: -CHECKSUM_DEPTH - 1 : -1]]
            text = self._top_text = "".join([f"{p * price_units}{sizes[p] * size_units}" for p in prices])
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
