"""One side of the book against a plain dict, sorted whenever it is asked."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.book.ladder import CHECKSUM_DEPTH, BookSide

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
