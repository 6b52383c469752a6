"""Requests as they come, over HTTP or as a message, and what of them is signed.

Over HTTP that is the query followed by the body, byte for byte, without the signature; in a message it is all
parameters but the signature, `name=value` sorted by name and joined by "&", values as the JSON has them or, as other
clients do it, percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus, urlencode

import msgspec

from tickwire.dialects.base import Keys
from tickwire.dialects.binance.errors import BinanceError
from tickwire.dialects.binance.params import Params
from tickwire.model.identity import Identity

KEY_HEADER = "x-mbx-apikey"
TIME_UNIT_HEADER = "x-mbx-time-unit"
MS_NS, US_NS = 1_000_000, 1_000
RECV_WINDOW_MS, RECV_WINDOW_MS_MAX = 5_000, 60_000
AHEAD_MS_MAX = 1_000
PARAMETERS_MAX = 64
"""Parameters of one request: four times what an order can have."""

_MICROSECONDS_FROM = 10**14
"""A timestamp from here on counts microseconds: as milliseconds it would be in the year 5138."""
_SPELLED_ALIKE = re.compile(r"[A-Za-z0-9_.~=&-]*")
"""What percent-encoding leaves as it is."""
_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
_WINDOW = re.compile(r"([0-9]{1,5})(?:\.([0-9]{1,3}))?")
_UNITS = {"MILLISECOND": MS_NS, "MICROSECOND": US_NS}


class Sent(NamedTuple):
    """A request's parameters and its proof.

    Attributes:
        params: without the signature.
        payloads: what is signed, in each of its spellings.
        api_key, signature: None where there is none.
    """

    params: Params
    payloads: tuple[bytes, ...]
    api_key: str | None
    signature: str | None


def from_http(query: str, body: bytes, headers: Mapping[str, str]) -> Sent:
    """The parameters of an HTTP request, from its query and a form in its body.

    Raises:
        BinanceError: a parameter is there twice, or the body is no form.
    """
    try:
        form = body.decode("ascii")
    except UnicodeDecodeError:
        raise BinanceError(-1100, "body", "percent-encoded ASCII") from None
    values: dict[str, str] = {}
    signature = None
    signed = []
    for part in (query, form):
        kept = []
        for pair in part.split("&") if part else ():
            name, _, value = pair.partition("=")
            name = unquote_plus(name)
            if name == "signature" and signature is None:
                signature = unquote(value)  # base64 has "+", which not every client encodes
                continue
            if name in values or len(values) >= PARAMETERS_MAX:
                raise BinanceError(-1101, text="Duplicate values for a parameter detected.")
            values[name] = unquote_plus(value)
            kept.append(pair)
        signed.append("&".join(kept))
    return Sent(Params(values), ("".join(signed).encode(),), headers.get(KEY_HEADER), signature)


def from_message(raw: Mapping[str, msgspec.Raw]) -> Sent:
    """The parameters of a message.

    Raises:
        BinanceError: there are too many.
    """
    if len(raw) > PARAMETERS_MAX:
        raise BinanceError(-1101, PARAMETERS_MAX, len(raw))
    values = {name: _text(bytes(value)) for name, value in raw.items()}
    signature = values.pop("signature", None)
    pairs = sorted(values.items())
    plain = "&".join(f"{name}={value}" for name, value in pairs)
    spellings = [plain] if _SPELLED_ALIKE.fullmatch(plain) else [urlencode(pairs), plain]
    payloads = tuple(spelling.encode() for spelling in spellings)
    return Sent(Params(values), payloads, values.get("apiKey"), signature)


def _text(value: bytes) -> str:
    if value.startswith(b'"'):
        text: str = msgspec.json.decode(value, type=str)
        return text
    return "" if value == b"null" else value.decode()


def check_key(key: str) -> str:
    """An API key, a key's name or its GUID, if it can be one.

    Raises:
        BinanceError: -2014.
    """
    if not _KEY.fullmatch(key):
        raise BinanceError(-2014)
    return key


def unsigned(keys: Keys, key: str, ip: str) -> Identity:
    """Who an API key stands for where nothing is signed: a GUID proves itself, a key's name proves nothing.

    Raises:
        InvalidInput: it is a name, or no key's; the latter counts as a failed login.
    """
    if keys.in_force(key):
        text = "A key's name proves nothing without a signature: give the key's GUID as API key, which signs as well."
        raise BinanceError(-2015, text=text, code="login_failed")
    return keys.api_key(key, ip)


def check_timestamp(params: Params, now: int) -> None:
    """Refuse a request that is too old, or from the future.

    Args:
        now: the server's time, ns.

    Raises:
        BinanceError: -1021; -1102 where there is none.
    """
    text = params.required("timestamp")
    if not re.fullmatch(r"[0-9]{1,17}", text):
        raise BinanceError(-1102, "timestamp")
    stamp = int(text)
    timestamp_us = stamp if stamp >= _MICROSECONDS_FROM else stamp * 1_000
    window_us = RECV_WINDOW_MS * 1_000
    if text := params.text("recvWindow"):
        found = _WINDOW.fullmatch(text)
        if found is None:
            raise BinanceError(-1130, "recvWindow")
        window_us = int(found[1]) * 1_000 + int((found[2] or "0").ljust(3, "0"))
        if window_us > RECV_WINDOW_MS_MAX * 1_000:
            raise BinanceError(-1130, "recvWindow")
    now_us = now // US_NS
    if timestamp_us >= now_us + AHEAD_MS_MAX * 1_000:
        raise BinanceError(-1021, text="Timestamp for this request was 1000ms ahead of the server's time.")
    if now_us - timestamp_us > window_us:
        raise BinanceError(-1021)


def time_unit(text: str) -> int:
    """Nanoseconds in the unit that a client wants its times in.

    Raises:
        BinanceError: -1194.
    """
    unit = _UNITS.get(text.upper()) if text else MS_NS
    if unit is None:
        raise BinanceError(-1194)
    return unit
