"""JSON Schema of the wire's types: what OpenAPI and AsyncAPI have in common. Pure."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from tickwire.model.channel import BOOK_DEPTHS, BOOK_INTERVALS_MS, CANDLE_INTERVALS_NS, CHANNELS, PRIVATE_CHANNELS
from tickwire.protocol.codes import ERROR_CODES
from tickwire.protocol.messages import DATA_TYPES

Schema: TypeAlias = dict[str, Any]

REF = "#/components/schemas/{name}"
DECIMAL = "^-?[0-9]+(\\.[0-9]+)?$"
DECIMALS = frozenset((
    "amount", "ask", "ask_size", "available", "average_price", "bid", "bid_size", "buy_quote_volume", "buy_volume",
    "change", "change_pct", "close", "display_size", "fee", "fees", "filled", "held", "high", "last", "lot_size", "low",
    "maker_fee", "mark", "open", "price", "quote_volume", "rate", "realised", "remaining", "size", "stop_price",
    "taker_fee", "tick_size", "total", "unrealised", "value", "volume",
))  # fmt: skip
"""Fields that are decimal strings wherever they are strings."""
OPTIONS: dict[str, list[Any]] = {
    "depth": list(BOOK_DEPTHS),
    "interval_ms": list(BOOK_INTERVALS_MS),
    "interval": list(CANDLE_INTERVALS_NS),
}
"""What the options of a request can be. In what the server says an option that is not set is absent."""


def components(types: Iterable[type]) -> dict[str, Schema]:
    """The schema of each of these types and of all that they are made of, by name."""
    _, found = msgspec.json.schema_components(list(types), ref_template=REF)
    for name, schema in found.items():
        if "description" in schema:
            schema["description"] = " ".join(inspect.cleandoc(schema["description"]).split())
        for field, part in schema.get("properties", {}).items():
            _refine(name, field, part)
    return dict(sorted(found.items()))


def ref(kind: type) -> Schema:
    """A reference to the schema of a type."""
    return {"$ref": REF.format(name=kind.__name__)}


def stream_message(channel: str, kind: str, *, answer: bool = False) -> Schema:
    """The schema of a stream's messages.

    Args:
        kind: "snapshot" or "update".
        answer: it is the answer to `snapshot`, which names the epoch.
    """
    data: Schema = ref(DATA_TYPES[channel, kind])
    if kind == "snapshot":
        data = {"anyOf": [data, {"type": "null"}]}
    properties: Schema = {
        "channel": {"const": channel},
        "symbol": {"type": "string"},
        "type": {"const": kind},
        "seq": {"type": "integer"},
        "ts": {"type": "integer"},
        "data": data,
    }
    required = [*properties]
    if channel == "book":
        properties |= {name: {"enum": OPTIONS[name]} for name in ("depth", "interval_ms")}
    elif channel == "candles":
        properties["interval"] = {"enum": OPTIONS["interval"]}
        required.append("interval")
    if answer:
        properties["epoch"] = {"type": "string"}
        required.append("epoch")
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def history(channel: str) -> Schema:
    """The schema of the answer to `history`."""
    properties: Schema = {
        "epoch": {"type": "string"},
        "channel": {"const": channel},
        "symbol": {"type": "string"},
        "seq": {"type": "integer"},
        "messages": {"type": "array", "items": stream_message(channel, "update")},
    }
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def parameters(kind: type) -> dict[str, Schema]:
    """The schemas of the fields of a type of parameters, without what stands for absence."""
    (schema,) = (schema for name, schema in components([kind]).items() if name == kind.__name__)
    fields: dict[str, Schema] = schema["properties"]
    return {name: _present(field) for name, field in fields.items()}


def _present(field: Schema) -> Schema:
    variants = [variant for variant in field.get("anyOf", ()) if variant != {"type": "null"}]
    return variants[0] if len(variants) == 1 else field


def _refine(name: str, field: str, schema: Schema) -> None:
    """Say what the type does not."""
    part = _present(schema)
    if field in DECIMALS and part.get("type") == "string":
        part["pattern"] = DECIMAL
    if field in ("bids", "asks"):
        *_, price, size = part["items"]["prefixItems"]
        price["pattern"] = size["pattern"] = DECIMAL
    if name == "ErrorBody" and field == "code":
        part["enum"] = list(ERROR_CODES)
    if name.endswith("Params") and field in OPTIONS:
        part["enum"] = OPTIONS[field]
    if name in ("StreamParams", "SnapshotParams") and field == "channel":
        part["enum"] = [*CHANNELS, *PRIVATE_CHANNELS]
