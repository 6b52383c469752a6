"""JSON Schema of the wire's types: what OpenAPI and AsyncAPI have in common. Pure."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from tickwire.limits import BATCH_OPERATIONS_MAX
from tickwire.model.channel import BOOK_DEPTHS, BOOK_INTERVALS_MS, CANDLE_INTERVALS_NS, CHANNELS, PRIVATE_CHANNELS
from tickwire.protocol.codes import ERROR_CODES
from tickwire.protocol.messages import DATA_TYPES, AmendParams, OrderParams, OrderResult, PlaceParams
from tickwire.protocol.params import ID_LENGTH_MAX, NAME, TIME_MAX

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


def ref(kind: type) -> Schema:
    """A reference to the schema of a type."""
    return {"$ref": REF.format(name=kind.__name__)}


_NAME: Schema = {"pattern": NAME.pattern}
_MORE: dict[str, Schema] = {
    "client_order_id": {"pattern": f"^[ -~]{{0,{ID_LENGTH_MAX}}}$"},
    "transfer_id": {"pattern": f"^[ -~]{{1,{ID_LENGTH_MAX}}}$"},
    "asset": _NAME,
    "currency": _NAME,
    "expires_at": {"minimum": 1, "maximum": TIME_MAX},
    "deadline": {"minimum": 1, "maximum": TIME_MAX},
    "operations": {"minItems": 1, "maxItems": BATCH_OPERATIONS_MAX},
}
"""What is checked of parameters beyond their types."""
_OF_TYPES: dict[tuple[str, str], Schema] = {
    ("ErrorBody", "code"): {"enum": list(ERROR_CODES)},
    ("StreamParams", "channel"): {"enum": [*CHANNELS, *PRIVATE_CHANNELS]},
    ("SnapshotParams", "channel"): {"enum": [*CHANNELS, *PRIVATE_CHANNELS]},
    ("Operation", "params"): {"anyOf": [ref(kind) for kind in (PlaceParams, AmendParams, OrderParams)]},
    ("BatchItem", "result"): ref(OrderResult),
    ("TransferParams", "account"): _NAME,
}


def components(types: Iterable[type]) -> dict[str, Schema]:
    """The schema of each of these types and of all that they are made of, by name."""
    _, found = msgspec.json.schema_components(list(types), ref_template=REF)
    for name, schema in found.items():
        if "description" in schema:
            schema["description"] = " ".join(inspect.cleandoc(schema["description"]).split())
        for field, part in schema.get("properties", {}).items():
            _refine(name, field, part)
    return dict(sorted(found.items()))


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


def referred(document: dict[str, Any]) -> dict[str, Any]:
    """The document without the schemas that nothing in it refers to."""
    schemas = document["components"]["schemas"]
    while True:
        text = msgspec.json.encode(document).decode()
        idle = [name for name in schemas if f'"{REF.format(name=name)}"' not in text]
        if not idle:
            return document
        for name in idle:
            del schemas[name]


def _present(field: Schema) -> Schema:
    variants = [variant for variant in field.get("anyOf", ()) if variant != {"type": "null"}]
    return variants[0] if len(variants) == 1 else field


def _refine(name: str, field: str, schema: Schema) -> None:
    """Say what a type does not."""
    part = _present(schema)
    if field in DECIMALS and part.get("type") == "string":
        part["pattern"] = DECIMAL
    elif field in ("bids", "asks"):
        *_, price, size = part["items"]["prefixItems"]
        price["pattern"] = size["pattern"] = DECIMAL
    elif name.endswith("Params") and field in OPTIONS:
        part["enum"] = OPTIONS[field]
    elif name.endswith("Params") and field in _MORE:
        part |= _MORE[field]
    elif (name, field) in _OF_TYPES:
        part |= _OF_TYPES[name, field]
