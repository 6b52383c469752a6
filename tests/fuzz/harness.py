"""What the fuzz tests share: how long they run, and how good input is damaged.

In `make test` they are short and the same each time. `make fuzz` sets `FUZZ`: then each run has new examples, and more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZING = "FUZZ" in os.environ
EXAMPLES_FACTOR = 3
"""How many times more examples one run in `make fuzz` has."""

T = TypeVar("T")


def fuzzed(examples: int) -> Callable[[T], T]:
    """The settings of a test that has so many examples in `make test`."""
    return settings(
        max_examples=examples * (EXAMPLES_FACTOR if FUZZING else 1),
        derandomize=not FUZZING,
        deadline=None,
        database=None,
        print_blob=FUZZING,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


INTEGERS = st.sampled_from([0, 1, -1, 2**31, 2**53, 2**63 - 1, -(2**63), 2**64 - 1]) | st.integers(-10, 100)
TEXTS = st.text(max_size=8) | st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1.00",
        "1e9",
        "NaN",
        "9" * 60,
        "SIM:BTC-USDT",
        "a" * 40,
        "s" * 1_000,
        "\x00",
        "é",
        "\U0001f600",
        "${x}",
        "../",
    ]
)
LEAVES = st.none() | st.booleans() | INTEGERS | st.floats() | TEXTS
JUNK = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=5
)
"""Any value that both encodings have."""
PIECES = st.binary(max_size=6) | st.sampled_from(
    [b"", b"-", b"1e9", b"1E400", b"9" * 400, b'"', b"\\", b"\\ud800", b"\xff", b"\x00", b"null", b"NaN", b"[" * 1_500]
)


@st.composite
def damaged(draw: st.DrawFn, value: Any, changes_max: int = 3) -> Any:
    """A JSON-like value of which a few parts are others, are gone, or are new."""
    for _ in range(draw(st.integers(0, changes_max))):
        value = _changed(draw, value)
    return value


def _changed(draw: st.DrawFn, value: Any) -> Any:
    inside = isinstance(value, dict | list) and draw(st.integers(0, 5))
    if isinstance(value, dict) and inside:
        key = draw(st.sampled_from([*value, None]))
        if key is None:
            return value | {draw(TEXTS): draw(JUNK)}
        if inside == 1:
            return {name: each for name, each in value.items() if name != key}
        return value | {key: _changed(draw, value[key])}
    if isinstance(value, list) and inside:
        at = draw(st.integers(0, len(value)))
        if at == len(value):
            return [*value, draw(JUNK)]
        return [*value[:at], *([] if inside == 1 else [_changed(draw, value[at])]), *value[at + 1 :]]
    return draw(JUNK)


@st.composite
def torn(draw: st.DrawFn, data: bytes, changes_max: int = 2) -> bytes:
    """Bytes of which a few slices are others."""
    for _ in range(draw(st.integers(0, changes_max))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(PIECES) + data[start + draw(st.integers(0, 12)) :]
    return data


def encoded(value: Any, encoding: str) -> bytes:
    """A value as "json" or "msgpack". JSON with the numbers that only Python's has: NaN and Infinity."""
    return json.dumps(value).encode() if encoding == "json" else msgspec.msgpack.encode(value)
