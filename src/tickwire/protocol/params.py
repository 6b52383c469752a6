"""The parameters of requests: decoding them, checking them one by one, and saying what is wrong with them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeGuard, TypeVar

import msgspec

from tickwire.errors import InvalidInput
from tickwire.model.records import PRICED_TYPES, WAITING_TYPES
from tickwire.model.units import Scale
from tickwire.protocol.codec import Encoding
from tickwire.protocol.codes import ERROR_CODES
from tickwire.protocol.messages import ErrorBody, PlaceParams

T = TypeVar("T")

ID_LENGTH_MAX = 36
"""Characters of a client_order_id, a transfer_id or a request's id: a UUID's."""
TIME_MAX = 2**63 - 1
PARSED_MAX = 16_384
"""Prices and sizes that are remembered: in orders, as in the book, the same ones come again and again."""
TEXT_LENGTH_MAX = 500
"""Characters of an error's message and field, which may quote a request."""

NAME = re.compile(r"^[A-Za-z0-9._-]{1,36}$")


def error_body(error: InvalidInput, operation: str = "") -> ErrorBody:
    """An error as the wire shows it. What it quotes from a request may be cut.

    Args:
        operation: the one of a batch that it is about, `operations[0]`.
    """
    field = error.field
    if operation:
        field = f"{operation}.params" if field in (None, "params") else f"{operation}.params.{field}"
    cut = None if field is None else field[:TEXT_LENGTH_MAX]
    return ErrorBody(error.code, error.message[:TEXT_LENGTH_MAX], cut, ERROR_CODES[error.code].retry)


def decode_params(encoding: Encoding, raw: bytes, as_type: type[T]) -> T:
    """The parameters of a method; `raw` is empty where a request has none.

    Raises:
        InvalidInput: not of the type; `field` has the path to what is wrong.
    """
    try:
        return encoding.decode(raw or encoding.encode({}), as_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(str(error), field=_field_of(str(error))) from None


def is_request_id(value: object) -> TypeGuard[int | str]:
    """Whether a request may have this id: a 64-bit integer or a short string."""
    if isinstance(value, str):
        return len(value) <= ID_LENGTH_MAX
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _field_of(message: str) -> str:
    """The field that one of msgspec's messages is about, with the path to it."""
    path = re.search(r"`\$\.([^`]+)`", message)
    name = re.search(r"field `([^`]+)`", message)
    return ".".join(found[1] for found in (path, name) if found) or "params"


def check_combination(params: PlaceParams) -> None:
    """Which fields go with which type and time in force."""
    kind, time_in_force = params.type, params.time_in_force
    priced, waits = kind in PRICED_TYPES, kind in WAITING_TYPES
    rests = priced and time_in_force in ("gtc", "gtd")
    if (params.price is not None) != priced:
        raise InvalidInput(f"a {kind} order {'needs' if priced else 'has no'} price", field="price")
    if (params.stop_price is not None) != waits:
        raise InvalidInput(f"a {kind} order {'needs' if waits else 'has no'} stop_price", field="stop_price")
    if not priced and time_in_force == "gtd":
        raise InvalidInput(f"a {kind} order does not rest, so it can't be gtd", field="time_in_force")
    if (params.expires_at is not None) != (time_in_force == "gtd"):
        text = "a gtd order needs expires_at" if time_in_force == "gtd" else "expires_at belongs to gtd"
        raise InvalidInput(text, field="expires_at")
    if params.post_only and not rests:
        raise InvalidInput("post_only is for limit orders that rest: gtc or gtd", field="post_only")
    if params.display_size is not None and not rests:
        raise InvalidInput("display_size is for limit orders that rest: gtc or gtd", field="display_size")


@lru_cache(maxsize=PARSED_MAX)
def parse_steps(unit: Scale, text: str, field: str) -> int:
    """A price in ticks or a size in lots, more than 0."""
    steps = unit.parse(text, field)
    if steps <= 0:
        raise InvalidInput(f"{field} must be more than 0", field=field)
    return steps


def parse_time(value: int | None, field: str) -> int:
    """A time in nanoseconds, 0 where none is given."""
    if value is None:
        return 0
    if not 0 < value <= TIME_MAX:
        raise InvalidInput(f"{field} must be a time in nanoseconds since 1970, more than 0", field=field)
    return value


def check_id(text: str, field: str) -> None:
    """An id that the client has made up; it may be empty."""
    if len(text) > ID_LENGTH_MAX or not text.isascii() or (text and not text.isprintable()):
        raise InvalidInput(f"{field} must be up to {ID_LENGTH_MAX} printable ASCII characters", field=field)


def check_name(text: str, field: str) -> None:
    """An account, as keys name them, or an asset, as instruments do."""
    if not NAME.fullmatch(text):
        raise InvalidInput(f"{field} must be 1 to 36 letters (a-z, A-Z), digits, '.', '_' or '-'", field=field)
