"""The OpenAPI 3.1 document of the HTTP interface, made of its operations and the types of the wire."""

from __future__ import annotations

import re
from typing import Any

from tickwire import __version__
from tickwire.limits import REQUESTS_PER_SECOND_MAX
from tickwire.model.channel import CHANNELS
from tickwire.protocol.codes import ERROR_CODES
from tickwire.protocol.messages import DATA_TYPES, ErrorBody, NoParams
from tickwire.protocol.methods import DESCRIBED
from tickwire.protocol.orders import METHODS
from tickwire.protocol.params import ID_LENGTH_MAX
from tickwire.protocol.reader import READS
from tickwire.protocol.schema import Schema, components, history, parameters, ref, referred, stream_message
from tickwire.server.rest import API, CLIENT_ID, OPERATIONS, STATUS, Operation

_DESCRIPTION = f"""The methods of the socket over HTTP: the same names, parameters, results and error codes, and the
same `epoch`, `seq` and `checksum` as the streams: a book or list from here can be compared with one from there.

Prices and sizes are decimal strings, times integer nanoseconds since the Unix epoch, UTC. Market data needs no key
unless the server is run so. A key may make {REQUESTS_PER_SECOND_MAX} requests a second, as may an address that shows
none; how that stands is in the headers of every answer."""

_TAGS = {"order": "orders", "account": "account", "admin": "operators"}
_PATH_PARAMETERS: dict[str, tuple[str, Schema]] = {
    "symbol": ("Of an instrument.", {"type": "string", "minLength": 1}),
    "order": (
        f"The id of an order, or `{CLIENT_ID}` and its client_order_id.",
        {"type": "string", "pattern": f"^([0-9]{{1,18}}|{CLIENT_ID}[!-.0-~]{{1,{ID_LENGTH_MAX}}})$"},
    ),
}
_MEANINGS = {
    "venue": "Only its instruments.",
    "asset_class": "Only instruments of this class.",
    "symbol": "Only orders on this instrument.",
    "depth": "The best so many levels of each side; all without it.",
    "interval": "Of the candles; `1m` without it.",
    "start": "From this time on: a candle's `start`, a trade's `ts`.",
    "end": "Before this time.",
    "limit": "At most so many; where there are more, the newest. Every 100 of them count as a request.",
    "currency": "What everything is valued in.",
}
_ORDER = {"symbol": "SIM:BTC-USDT", "side": "buy", "size": "0.01", "price": "97000.00", "client_order_id": "a1"}
_TRANSFER = {"account": "alice", "asset": "USDT", "amount": "1000.50", "transfer_id": "t1"}
_EXAMPLES: dict[str, Any] = {
    "symbol": "SIM:BTC-USDT",
    "order": "client:a1",
    "currency": "USDT",
    "order.place": _ORDER,
    "order.amend": {"price": "96999.50"},
    "order.batch": {
        "operations": [
            {"method": "place", "params": {**_ORDER, "client_order_id": "a2"}},
            {"method": "cancel", "params": {"client_order_id": "a1"}},
        ]
    },
    "admin.deposit": _TRANSFER,
    "admin.withdraw": {**_TRANSFER, "amount": "1", "transfer_id": "t2"},
    "admin.kill_switch": {"on": False, "account": "alice"},
    "admin.trading_status": {"symbol": "SIM:BTC-USDT", "state": "open"},
}
"""Of parameters in a path or query, and of bodies by method."""
_RATE = (
    ("Limit", "Requests that may be made in a second."),
    ("Remaining", "How many of them are left."),
    ("Reset", "Seconds until all are."),
)
_ANYONE = (400, 401, 403, 429)
_OF_AN_INSTRUMENT = (*_ANYONE, 404)
_OF_THE_DESK = (*_OF_AN_INSTRUMENT, 409, 500, 503)


def openapi() -> dict[str, Any]:
    """The document."""
    types: set[type] = {ErrorBody, DATA_TYPES["candles", "update"], DATA_TYPES["trades", "update"]}
    types |= {DATA_TYPES[channel, "snapshot"] for channel in CHANNELS}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        types |= {_params_type(operation), DESCRIBED[operation.method].result}
        paths.setdefault(API + operation.path, {})[operation.verb.lower()] = _operation(operation)
    schemas = components(types)
    schemas["Error"] = {
        "type": "object",
        "properties": {"error": ref(ErrorBody)},
        "required": ["error"],
        "additionalProperties": False,
    }
    return referred({
        "openapi": "3.1.0",
        "info": {
            "title": "tickwire",
            "version": __version__,
            "description": "\n\n".join(" ".join(part.split()) for part in _DESCRIPTION.split("\n\n")),
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in ("market data", *_TAGS.values())],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {str(status): _refusal(status) for status in sorted({*_OF_THE_DESK})},
            "headers": {
                f"RateLimit-{name}": {
                    "description": text, "required": True, "schema": {"type": "integer", "minimum": 0},
                }
                for name, text in _RATE
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "secret": {"type": "http", "scheme": "basic", "description": "The id and the secret of an hmac key."},
            },
        },
    })  # fmt: skip


def _params_type(operation: Operation) -> type:
    """What the parameters are decoded as."""
    if operation.method in METHODS:
        return METHODS[operation.method][0]
    return READS[operation.method][0] if operation.method in READS else NoParams


def _operation(operation: Operation) -> dict[str, Any]:
    channel = dict(operation.fixed).get("channel", "")
    name = "_".join(part for part in (operation.method.replace(".", "_"), channel) if part)
    summary = DESCRIBED[operation.method].summary
    keys: list[dict[str, list[str]]] = [{"token": []}, {"secret": []}]
    private = operation.method in METHODS
    document: dict[str, Any] = {
        "operationId": name,
        "summary": f"{summary}: {channel}" if channel else summary,
        "tags": [_TAGS.get(operation.method.partition(".")[0], "market data")],
        "security": keys if private else [{}, *keys],
    }
    if private:
        document["description"] = f"Needs a key with the scope {METHODS[operation.method][1]}."
    if given := _parameters(operation):
        document["parameters"] = given
    if operation.verb in ("POST", "PATCH"):
        body = {"schema": _body(operation), "example": _EXAMPLES[operation.method]}
        document["requestBody"] = {"required": True, "content": {"application/json": body}}
    answer = {
        "description": "Done." if private and operation.verb != "GET" else "As it stands.",
        "headers": {f"RateLimit-{name}": {"$ref": f"#/components/headers/RateLimit-{name}"} for name, _ in _RATE},
        "content": {"application/json": {"schema": _answer(operation, channel)}},
    }
    statuses = _OF_THE_DESK if private else _OF_AN_INSTRUMENT if "{symbol}" in operation.path else _ANYONE
    refusals = {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}
    document["responses"] = {"200": answer, **refusals}
    return document


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found = []
    for name in re.findall(r"{(\w+)}", operation.path):
        text, schema = _PATH_PARAMETERS[name]
        found.append({"name": name, "in": "path", "required": True, "description": text, "schema": schema})
    fields = parameters(_params_type(operation))
    for name in operation.query:
        schema = {key: value for key, value in fields[name].items() if value not in (None, "")}  # no default: absent
        given = {"name": name, "in": "query", "required": name == "currency", "description": _MEANINGS[name]}
        found.append({**given, "schema": schema})
    for given in found:
        if given["name"] in _EXAMPLES:
            given["example"] = _EXAMPLES[given["name"]]
    return found


def _body(operation: Operation) -> Schema:
    if "{order}" not in operation.path:
        return ref(_params_type(operation))
    fields = parameters(_params_type(operation))
    named = {name: field for name, field in fields.items() if name not in ("order_id", "client_order_id")}
    return {"type": "object", "properties": named, "minProperties": 1, "additionalProperties": False}


def _answer(operation: Operation, channel: str) -> Schema:
    if operation.method == "snapshot":
        return stream_message(channel, "snapshot", answer=True)
    if operation.method == "history":
        return history(channel)
    return ref(DESCRIBED[operation.method].result)


def _refusal(status: int) -> dict[str, Any]:
    codes = [code for code in ERROR_CODES if STATUS.get(code, 400) == status]
    said = "; ".join(f"`{code}`: {ERROR_CODES[code].meaning}" for code in codes) if status != 400 else ""
    answer: dict[str, Any] = {
        "description": said or "What the request has wrong, or why the market refuses it; see `error.code`.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    if status == 429:
        seconds = {"type": "integer", "minimum": 1}
        answer["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": seconds}}
    return answer
