"""One side of the book, and the checksum of both, against plain dicts, sorted whenever they are asked."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.book.checksum import book_checksum
from tickwire.book.ladder import CHECKSUM_DEPTH, BookSide, Ladder

Levels = list[tuple[int, int]]


def best_first(model: dict[int, int], sign: int) -> Levels:
    return sorted(model.items(), key=lambda level: -sign * level[0])


def checksum_text(levels: Levels, price_units: int, size_units: int) -> str:
    return "".join(f"{price * price_units}{size * size_units}" for price, size in levels[:CHECKSUM_DEPTH])


# Prices crowd around the tenth level, where the kept checksum text has to be dropped or may stay.
changes = st.lists(st.tuples(st.integers(-3, 16), st.integers(0, 3)), max_size=60)
units = st.sampled_from((1, 25))


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.sampled_from((+1, -1)), changes, st.integers(0, 25), units, units, st.booleans())
def test_a_side_is_a_sorted_dict(
    sign: int, changes: Levels, depth: int, price_units: int, size_units: int, clear: bool
) -> None:
    side = BookSide(sign)
    model: dict[int, int] = {}
    for number, (price, size) in enumerate(changes):
        if clear and number == 30:
            side.clear()
            model.clear()
        side.set(price, size)
        model[price] = size
        if size == 0:
            del model[price]
        expected = best_first(model, sign)
        assert side.top() == list(side) == expected
        assert side.top(depth) == expected[:depth]
        assert side.sizes == model
        assert len(side) == len(model)
        assert side.best() == (expected[0][0] if expected else None)
        assert side.worst() == (expected[-1][0] if expected else None)
        # asked after every change, so that the text that is kept is always one that a change has to question
        assert side.top_text(price_units, size_units) == checksum_text(expected, price_units, size_units)


# Prices for more than ten levels, so that changes are above, at and below the tenth.
sides, prices, sizes = st.sampled_from(("buy", "sell")), st.integers(-3, 30), st.integers(1, 900)
books = st.dictionaries(prices, sizes, max_size=30)
sets = st.tuples(st.just("set"), sides, prices, st.just(0) | sizes)
resizes = st.tuples(st.just("change"), sides, prices, sizes)
anew = st.tuples(st.just("replace"), books, books) | st.just(("clear",))
steps = st.lists(st.tuples(st.one_of(sets, sets, resizes, resizes, anew), st.booleans()), max_size=60)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(books, books, steps, units, units)
def test_the_checksum_is_that_of_the_levels(
    bids: dict[int, int],
    asks: dict[int, int],
    changed: list[tuple[tuple[Any, ...], bool]],
    price_units: int,
    size_units: int,
) -> None:
    ladder = Ladder()
    model: dict[str, dict[int, int]] = {}
    # not asked after every step: several changes may meet before the text is wanted again
    for step, asked in [(("replace", bids, asks), True), *changed, (("set", "buy", 0, 7), True)]:
        match step:
            case "set", side, price, 0:
                ladder.side(side).set(price, 0)
                model[side].pop(price, None)
            case "set", side, price, size:
                ladder.side(side).set(price, size)
                model[side][price] = size
            case "change", side, price, size if price in model[side]:
                ladder.side(side).change(price, size - model[side][price])
                model[side][price] = size
            case "replace", bids, asks:
                ladder.replace(list(bids.items()), list(asks.items()))
                model = {"buy": dict(bids), "sell": dict(asks)}
            case ("clear",):
                ladder.clear()
                model = {"buy": {}, "sell": {}}
        if asked:
            levels = best_first(model["sell"], -1), best_first(model["buy"], +1)
            assert (ladder.asks.top(), ladder.bids.top()) == levels
            text = "".join(checksum_text(side, price_units, size_units) for side in levels)
            assert book_checksum(ladder, price_units=price_units, size_units=size_units) == crc32(text.encode())
