"""The OpenAPI 3.1 document of the HTTP interface, made of its operations and the types of the wire."""

from __future__ import annotations

import re
from typing import Any

from tickwire import __version__
from tickwire.limits import CLIENT_ORDER_IDS_MAX, REQUESTS_PER_SECOND_MAX
from tickwire.protocol.messages import AmendParams, BatchParams, ErrorBody, NoParams
from tickwire.protocol.methods import DESCRIBED
from tickwire.protocol.orders import METHODS, OPERATION_PARAMS
from tickwire.protocol.params import ID_LENGTH_MAX
from tickwire.protocol.reader import READS
from tickwire.protocol.schema import Schema, components, history, parameters, ref, stream_message
from tickwire.server.rest import API, CLIENT_ID, OPERATIONS, STATUS, Operation

_DESCRIPTION = f"""The methods of the socket over HTTP: the same names, parameters, results and error codes, and the same
`epoch`, `seq` and `checksum` as the streams, so that a book or list from here can be compared with one from there.

Prices and sizes are decimal strings, times integer nanoseconds since the Unix epoch, UTC. Market data needs no key unless
the server is run so. A key may make {REQUESTS_PER_SECOND_MAX} requests a second, as may an address without one; where it
stands is in the headers of every answer. A refusal says `error.code`, which is one of those of the socket, and its status:
{{statuses}}; 400 for all others."""

_SUMMARIES = {"snapshot": "The {channel} as they stand", "history": "What was said of {channel}, oldest first"}
_TAGS = {"order": "orders", "account": "account", "admin": "operators"}
_PATH_PARAMETERS: dict[str, tuple[str, Schema]] = {
    "symbol": ("Of an instrument, `SIM:BTC-USDT`.", {"type": "string", "minLength": 1}),
    "order": (
        f"The id of an order, or `{CLIENT_ID}` and the client's own; of those the newest {CLIENT_ORDER_IDS_MAX:,} are known.",
        {"type": "string", "pattern": f"^([0-9]{{1,18}}|{CLIENT_ID}[!-.0-~]{{1,{ID_LENGTH_MAX}}})$"},
    ),
}
_RATE_HEADERS = {
    f"RateLimit-{name}": {"description": text, "required": True, "schema": {"type": "integer", "minimum": 0}}
    for name, text in (
        ("Limit", "Requests that may be made in a second."),
        ("Remaining", "How many of them are left."),
        ("Reset", "Seconds until all are."),
    )
}


def openapi() -> dict[str, Any]:
    """The document."""
    types = {ErrorBody, *OPERATION_PARAMS}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        types |= {_params_type(operation), DESCRIBED[operation.method].result}
        paths.setdefault(API + operation.path, {})[operation.verb.lower()] = _operation(operation)
    schemas = components([kind for kind in sorted(types, key=lambda kind: kind.__name__) if kind is not NoParams])
    schemas |= components([data for channel in _channels() for data in _data_types(channel)])
    schemas["Operation"]["properties"]["params"] = {"anyOf": [ref(kind) for kind in OPERATION_PARAMS]}
    schemas["BatchItem"]["properties"]["result"] = {"$ref": "#/components/schemas/OrderResult"}
    schemas["AmendOrder"] = _without(schemas.pop("AmendParams") | {"title": "AmendOrder"}, "order_id", "client_order_id")
    schemas["Error"] = {
        "type": "object",
        "properties": {"error": ref(ErrorBody)},
        "required": ["error"],
        "additionalProperties": False,
    }
    del schemas["StreamMessage"], schemas["HistoryResult"]
    statuses = ", ".join(f"`{code}` {status}" for code, status in STATUS.items())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tickwire",
            "version": __version__,
            "description": " ".join(_DESCRIPTION.replace("{statuses}", statuses).split()),
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in ("market data", "orders", "account", "operators")],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "secret": {"type": "http", "scheme": "basic", "description": "The id and the secret of an hmac key."},
            },
        },
    }
