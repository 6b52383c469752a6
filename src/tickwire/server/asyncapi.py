"""The AsyncAPI 3.0 document of the native protocol, made of its methods, channels, codes and types."""

from __future__ import annotations

from typing import Any

import msgspec

from tickwire import __version__
from tickwire.model.channel import CHANNELS, PRIVATE_CHANNELS, StreamKey
from tickwire.protocol.codes import CLOSE_CODES, ERROR_CODES
from tickwire.protocol.messages import (
    DATA_TYPES,
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    Drain,
    ErrorBody,
    Gap,
    Heartbeat,
    Hello,
    Lagging,
    Skipped,
)
from tickwire.protocol.methods import DESCRIBED
from tickwire.protocol.params import ID_LENGTH_MAX
from tickwire.protocol.schema import Schema, components, history, ref, referred, stream_message
from tickwire.protocol.session import ALL_METHODS

CONTROL: dict[str, tuple[type, str]] = {
    "hello": (Hello, "The server speaks first"),
    "heartbeat": (Heartbeat, "Where every stream of the session stands"),
    "lagging": (Lagging, "This client reads too slowly"),
    "gap": (Gap, "Messages of a lossless stream are not coming; a snapshot follows"),
    "skipped": (Skipped, "Messages of a latest-class stream were left out; the newest follows"),
    "drain": (Drain, "The server is about to stop"),
}
"""What the server says that is neither an answer nor of a stream, by its `type`."""

_DESCRIPTION = f"""One socket for all: requests are answered under their id, and streams are messages of their own, each
with the `seq` that it has for everybody. The subprotocol chooses the encoding: `{SUBPROTOCOL_JSON}` (text, the default)
or `{SUBPROTOCOL_MSGPACK}` (binary, the same fields). Prices and sizes are decimal strings, times integer nanoseconds
since the Unix epoch, UTC. Fields that are not described here may come with a later version: ignore them.

`x-error-codes` says what each error code means and what to do next, `x-close-codes` why the server closes."""

_SESSION = "#/channels/session"
_ID: Schema = {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": ID_LENGTH_MAX}]}


def asyncapi() -> dict[str, Any]:
    """The document."""
    types = {kind for kind, _ in CONTROL.values()} | set(DATA_TYPES.values()) | {ErrorBody}
    for name, (params, *_) in ALL_METHODS.items():
        types |= {params, DESCRIBED[name].result}
    messages: dict[str, Any] = {name: _message(text, ref(kind)) for name, (kind, text) in CONTROL.items()}
    operations: dict[str, Any] = {name: _operation("send", text, name) for name, (_, text) in CONTROL.items()}
    messages["error"] = _message("A request is refused", _reply("error", ref(ErrorBody), answered=False))
    for name in ALL_METHODS:
        summary = DESCRIBED[name].summary
        messages[name] = _message(summary, _request(name))
        messages[f"{name}.result"] = _message(f"Answer to {name}", _reply("result", _result(name)))
        for message in (name, f"{name}.result"):
            messages[message]["correlationId"] = {"location": "$message.payload#/id"}
        operations[name] = _operation("receive", summary, name)
        operations[name]["reply"] = {"channel": {"$ref": _SESSION}, "messages": _named(f"{name}.result", "error")}
    for channel in (*CHANNELS, *PRIVATE_CHANNELS):
        told = "every message" if StreamKey(channel, "").lossless else "the newest state"
        whose = "the account's" if channel in PRIVATE_CHANNELS else "an instrument's"
        both = f"{channel}.snapshot", f"{channel}.update"
        for kind, message in zip(("snapshot", "update"), both, strict=True):
            messages[message] = _message(f"{channel}, {kind}", stream_message(channel, kind))
        operations[channel] = _operation("send", f"{whose.capitalize()} {channel}: {told}", *both)
    document: dict[str, Any] = _in_draft_7(
        referred(
            {
                "asyncapi": "3.0.0",
                "info": {
                    "title": "tickwire",
                    "version": __version__,
                    "description": "\n\n".join(" ".join(part.split()) for part in _DESCRIPTION.split("\n\n")),
                    "license": {"name": "Apache 2.0"},
                },
                "defaultContentType": "application/json",
                "servers": {"local": {"host": "localhost:8000", "protocol": "ws"}},
                "channels": {
                    "session": {
                        "address": "/ws",
                        "description": "A session, from `hello` to its close.",
                        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                    }
                },
                "operations": operations,
                "components": {"messages": messages, "schemas": components(types)},
                "x-error-codes": {code: row._asdict() for code, row in ERROR_CODES.items()},
                "x-close-codes": {str(code): meaning for code, meaning in CLOSE_CODES.items()},
            }
        )
    )
    return document


def _message(summary: str, payload: Schema) -> dict[str, Any]:
    return {"summary": summary, "payload": payload}


def _operation(action: str, summary: str, *messages: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": _SESSION},
        "summary": summary,
        "messages": _named(*messages),
    }


def _named(*messages: str) -> list[Schema]:
    return [{"$ref": f"{_SESSION}/messages/{name}"} for name in messages]


def _request(name: str) -> Schema:
    params = ALL_METHODS[name][0]
    needed = ["params"] if any(field.required for field in msgspec.structs.fields(params)) else []
    properties = {"id": _ID, "method": {"const": name}, "params": ref(params)}
    return {"type": "object", "properties": properties, "required": ["id", "method", *needed]}


def _result(name: str) -> Schema:
    if name == "snapshot":
        channels = (*CHANNELS, *PRIVATE_CHANNELS)
        return {"anyOf": [stream_message(channel, "snapshot", answer=True) for channel in channels]}
    if name == "history":
        return {"anyOf": [history("candles"), history("trades")]}
    return ref(DESCRIBED[name].result)


def _reply(field: str, schema: Schema, *, answered: bool = True) -> Schema:
    """An answer; one to what can't be decoded bears no id."""
    request_id = _ID if answered else {"anyOf": [*_ID["anyOf"], {"type": "null"}]}
    properties = {"id": request_id, "time_in": {"type": "integer"}, "time_out": {"type": "integer"}, field: schema}
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _in_draft_7(value: Any) -> Any:
    """The same in the JSON Schema that AsyncAPI has: its tuples are spelled otherwise."""
    if isinstance(value, list):
        return [_in_draft_7(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "prefixItems" in value:
        rest = {key: part for key, part in value.items() if key not in ("prefixItems", "items")}
        value = {**rest, "items": value["prefixItems"], "additionalItems": False}
    return {key: _in_draft_7(part) for key, part in value.items()}
