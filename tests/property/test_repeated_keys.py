"""A key that is given twice is found in any text, as the standard library's parser finds it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tickwire.protocol.codec import JSON


class Found(Exception):
    pass


def slow(data: bytes) -> str | None:
    """The first key that is given again in the first object to end that has one. What follows is not looked at."""

    def look(pairs: list[tuple[str, Any]]) -> None:
        keys = [key for key, _ in pairs]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise Found(key)

    try:
        json.loads(data.decode(), object_pairs_hook=look, parse_int=str, parse_float=str)
    except Found as found:
        return str(found)
    return None


KEYS = st.sampled_from(["a", "b", "é", "\n", '"', "\\", 'a":', ":", "", "\u2028", "a\\u0062", "/"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | KEYS | st.text(max_size=3)
SPACES = st.sampled_from(["", "", "", " ", "\t\r\n"])


@st.composite
def texts(draw: st.DrawFn, depth: int = 2) -> str:
    """A JSON value whose objects may have keys twice, with spaces and escapes wherever they may be."""
    space = draw(SPACES)
    kind = draw(st.sampled_from(["object", "array", "scalar"])) if depth else "scalar"
    if kind == "scalar":
        return space + json.dumps(draw(SCALARS), ensure_ascii=draw(st.booleans())) + space
    count = draw(st.integers(0, 3))
    values = [draw(texts(depth - 1)) for _ in range(count)]
    if kind == "array":
        return space + "[" + ",".join(values) + (space if not values else "") + "]" + space
    keys = [json.dumps(draw(KEYS), ensure_ascii=draw(st.booleans())) for _ in values]
    members = (f"{draw(SPACES)}{key}{draw(SPACES)}:{value}" for key, value in zip(keys, values, strict=True))
    return space + "{" + ",".join(members) + "}" + space


@settings(max_examples=300, derandomize=True, deadline=None)
@given(texts().map(str.encode) | texts().map(lambda text: text[: len(text) // 2].encode()) | st.binary(max_size=8))
@example(b'{"a":1,"a":2}')
@example(b'{"a":1,"a" :2}')
@example(b'{"a":1,"\\u0061":2}')
@example(b'{"a":{"b":1,"b":1}}')
@example(b'{"a":1,"a":1}')
@example(b'[{"a":1},{"a":1}]')
@example(b'{"a":{"a":"a"}}')
@example(b'{"\xff":1}')
def test_the_same_key_as_a_plain_search_finds(data: bytes) -> None:
    try:
        expected = slow(data)
    except ValueError as error:
        with pytest.raises(type(error)):
            JSON.repeated_key(data)
    else:
        assert JSON.repeated_key(data) == expected
