"""Writes the TypeScript client's types and tables from the code: `python clients/generate.py`.

A test compares, so that a client can't drift from what the server says.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import inspect as types

from tickwire.model import order, records
from tickwire.model.channel import (
    BOOK_DEPTHS,
    BOOK_INTERVALS_MS,
    CANDLE_INTERVALS_NS,
    CHANNELS,
    PRIVATE_CHANNELS,
    StreamKey,
)
from tickwire.model.units import DIGITS_MAX, UNITS_MAX
from tickwire.protocol import client_outcomes, messages
from tickwire.protocol.codes import CLOSE_CODES, ERROR_CODES
from tickwire.protocol.messages import DATA_TYPES, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK
from tickwire.protocol.methods import DESCRIBED
from tickwire.protocol.schema import DECIMALS
from tickwire.protocol.session import ALL_METHODS

TARGET = Path(__file__).parent / "typescript" / "src" / "generated.ts"
WIDTH = 120

TIMES = frozenset((
    "created", "deadline", "end", "expires_at", "start", "time", "time_in", "time_out", "ts", "ts_event", "updated",
))  # fmt: skip
"""Fields that are nanoseconds since the Unix epoch wherever they are integers: more than a double holds exactly."""
NUMBERS = frozenset((
    "after", "checksum", "depth", "from", "heartbeat_ms", "id", "interval_ms", "limit", "message_bytes", "messages",
    "missed", "remaining", "requests_per_second", "reset_ms", "seq", "subscriptions", "timeout_ms", "to", "trades",
))  # fmt: skip
"""Those that a double holds. A new integer field must be put into one of the two."""
ALIASES: dict[str, tuple[Any, str]] = {
    "Side": (records.Side, "Of an order, and of whoever took in a trade."),
    "OrderType": (records.OrderType, "Of an order; the last four wait for their stop price."),
    "TimeInForce": (
        records.TimeInForce,
        "How long an order may rest: until canceled, not at all, not at all and whole or nothing, until `expires_at`.",
    ),
    "SelfTradePrevention": (records.SelfTradePrevention, "What is done instead of a trade of an account with itself."),
    "GuardScope": (records.GuardScope, "Whose orders are canceled when a connection is lost."),
    "TradingState": (records.TradingState, "Whether an instrument can be traded."),
    "FeedState": (records.FeedState, "Whether what drives an instrument is up to date."),
    "OrderStatus": (order.OrderStatus, "Where an order stands."),
    "ErrorCode": (tuple(ERROR_CODES), "Why a request is refused; a later server may know more."),
    "PublicChannel": (CHANNELS, "Channels of an instrument."),
    "PrivateChannel": (PRIVATE_CHANNELS, "Channels of an account."),
    "BookDepth": (BOOK_DEPTHS, "See `BOOK_DEPTHS`."),
    "BookInterval": (BOOK_INTERVALS_MS, "See `BOOK_INTERVALS_MS`."),
    "CandleInterval": (tuple(CANDLE_INTERVALS_NS), "See `CANDLE_INTERVALS`."),
}
"""Names for what a field can be, and what they are; a field of one of these types is written with its name."""
REFINED: dict[tuple[str, str], str] = {
    ("StreamParams", "channel"): "Channel",
    ("SnapshotParams", "channel"): "Channel",
    ("OrderChangeData", "side"): "Side",
    ("TradeData", "side"): "Side | null",
    ("FillData", "side"): "Side",
    ("OrderData", "side"): "Side",
    ("OrderData", "type"): "OrderType",
    ("OrderData", "status"): "OrderStatus",
    ("OrderData", "time_in_force"): "TimeInForce",
    ("OrderData", "self_trade_prevention"): "SelfTradePrevention",
    ("BatchItem", "result"): "OrderResult",
    ("Operation", "params"): "PlaceParams | AmendParams | OrderParams",
    ("Request", "params"): "unknown",
    ("HistoryResult", "messages"): 'StreamMessage<"candles" | "trades">[]',
    ("BookData", "bids"): "PriceSize[]",
    ("BookData", "asks"): "PriceSize[]",
    ("OrdersData", "bids"): "OrderRow[]",
    ("OrdersData", "asks"): "OrderRow[]",
}
"""What a Python type does not say, by type and field."""
RESULTS = {"snapshot": "StreamMessage & { epoch: string }"}
"""Results that are no type of their own."""

HEAD = """\
// Generated from the server's own types and tables by clients/generate.py: change those, then run it.

/** An exact decimal number, as prices, sizes and amounts are on the wire. */
export type Decimal = string;

/** Nanoseconds since the Unix epoch, UTC. */
export type Time = bigint;
"""
STREAM_MESSAGE = """\
/** What messages of all streams have. `symbol` is the account in a private stream; options not set are absent. */
export interface StreamHead {
  symbol: string;
  seq: number;
  ts: Time;
  depth?: number;
  interval_ms?: number;
  interval?: string;
}

/** A stream as it stands: at its beginning, or in its midst where all of it has changed. `data` is null where nothing
 * has happened yet. */
export interface Snapshot<C extends Channel> extends StreamHead {
  channel: C;
  type: "snapshot";
  data: StreamData[C]["snapshot"] | null;
}

/** What has changed, or the newest state. */
export interface Update<C extends Channel> extends StreamHead {
  channel: C;
  type: "update";
  data: StreamData[C]["update"];
}

/** One message of one stream: `channel` and `type` tell what `data` is. */
export type StreamMessage<C extends Channel = Channel> = { [K in C]: Snapshot<K> | Update<K> }[C];
"""


def comment(text: str, indent: str = "") -> list[str]:
    """A doc comment within the width."""
    text = " ".join(inspect.cleandoc(text).split())
    lines = textwrap.wrap(text, WIDTH - len(indent) - 7)
    if len(lines) == 1:
        return [f"{indent}/** {lines[0]} */"]
    return [f"{indent}/** {lines[0]}", *(f"{indent} * {line}" for line in lines[1:-1]), f"{indent} * {lines[-1]} */"]


def union(name: str, variants: list[str]) -> list[str]:
    """A type that is one of these, on a line or on a line each."""
    line = f"export type {name} = {' | '.join(variants)};"
    if len(line) <= WIDTH:
        return [line]
    return [f"export type {name} =", *(f"  | {variant}" for variant in variants[:-1]), f"  | {variants[-1]};"]


def literal(value: object) -> str:
    """A literal of the language, which has JSON's strings and numbers."""
    return json.dumps(value)


def variants(alias: Any) -> list[str]:
    """What a field of one of `ALIASES` can be."""
    return [literal(value) for value in (alias if isinstance(alias, tuple) else get_args(alias))]


NAMES = {frozenset(variants(alias)): name for name, (alias, _) in ALIASES.items()}


def written(kind: types.Type, field: str) -> str:
    """A field's type.

    Raises:
        SystemExit: this program does not know what it is.
    """
    match kind:
        case types.UnionType():
            return " | ".join(written(part, field) for part in kind.types)
        case types.Metadata():
            return written(kind.type, field)
        case types.LiteralType():
            values = [literal(value) for value in kind.values]
            return NAMES.get(frozenset(values)) or " | ".join(values)
        case types.ListType():
            item = written(kind.item_type, field)
            return f"({item})[]" if " " in item else f"{item}[]"
        case types.DictType():
            return f"Record<string, {written(kind.value_type, field)}>"
        case types.StructType():
            return kind.cls.__name__
        case types.IntType() if field in TIMES:
            return "Time"
        case types.IntType() if field in NUMBERS:
            return "number"
        case types.StrType():
            return "Decimal" if field in DECIMALS else "string"
        case types.BoolType():
            return "boolean"
        case types.NoneType():
            return "null"
        case types.AnyType():
            return "unknown"
    raise SystemExit(f"field {field}: say in clients/generate.py what {kind} is in TypeScript")


def documented(module: Any) -> dict[tuple[str, str], str]:
    """What stands below a field of a type, by type and field."""
    found = {}
    for node in ast.parse(inspect.getsource(module)).body:
        body = node.body if isinstance(node, ast.ClassDef) else []
        for before, after in pairwise(body):
            match before, after:
                case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str(text))):
                    assert isinstance(node, ast.ClassDef)
                    found[node.name, field] = text
    return found


FIELDS = documented(messages)


def interface(kind: type[msgspec.Struct]) -> list[str]:
    """A type of messages. What may be left out, by whoever says it, is optional."""
    name = kind.__name__
    info = types.type_info(kind)
    assert isinstance(info, types.StructType)
    head = comment(kind.__doc__ or "")
    if not info.fields:
        return [*head, f"export type {name} = Record<string, never>;"]
    lines = [*head, f"export interface {name} {{"]
    if info.tag is not None:
        lines.append(f"  {info.tag_field}: {literal(info.tag)};")
    for field in info.fields:
        if (name, field.name) in FIELDS:
            lines += comment(FIELDS[name, field.name], "  ")
        optional = not field.required and kind.__struct_config__.omit_defaults
        known = REFINED.get((name, field.name)) or written(field.type, field.encode_name)
        lines.append(f"  {field.encode_name}{'?' if optional else ''}: {known};")
    return [*lines, "}"]


def all_types() -> Iterator[type[msgspec.Struct]]:
    """Every type of message and its parts, in the order of their module, and what a client makes of its own."""
    for module in (messages, client_outcomes):
        own = [kind for kind in vars(module).values() if getattr(kind, "__module__", "") == module.__name__]
        for kind in own:
            struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
            if struct and kind not in (messages._Base, messages.StreamMessage, client_outcomes.Delivered):
                yield kind


def row(key: str, value: str, indent: str) -> list[str]:
    """A member of an object, on the next line where it is too long for this one."""
    line = f"{indent}{key}: {value},"
    return [line] if len(line) <= WIDTH else [f"{indent}{key}:", f"{indent}  {value},"]


def quoted(key: str) -> str:
    """A name of a member."""
    return key if key.isidentifier() else literal(key)


def tables() -> list[list[str]]:
    """The tables that are there at run time."""
    errors = comment("What each error code means, what to do next, and whether the same request may work later.")
    errors.append("export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorMeaning>> = {")
    for code, meaning in ERROR_CODES.items():
        errors.append(f"  {code}: {{")
        errors += row("meaning", literal(meaning.meaning), "    ")
        errors += row("what_to_do", literal(meaning.what_to_do), "    ")
        errors += [*row("retry", literal(meaning.retry), "    "), "  },"]
    closes = comment("Why a server closes a connection, by the close code.")
    closes.append("export const CLOSE_CODES: Readonly<Record<number, string>> = {")
    for close_code, text in CLOSE_CODES.items():
        closes += row(str(close_code), literal(text), "  ")
    channels = comment(
        "How each channel is delivered: every message (lossless), or the newest state (latest); private ones are the "
        "account's and lossless. A `book` with `depth` or `interval_ms` is latest, too."
    )
    channels.append("export const CHANNELS: Readonly<Record<Channel, ChannelClass>> = {")
    for channel in CHANNELS:
        channels.append(f'  {channel}: "{"lossless" if StreamKey(channel, "").lossless else "latest"}",')
    channels += [f'  {channel}: "private",' for channel in PRIVATE_CHANNELS]
    intervals = comment("Names of the candle intervals and their lengths in nanoseconds.")
    intervals.append("export const CANDLE_INTERVALS: Readonly<Record<CandleInterval, bigint>> = {")
    intervals += [f"  {literal(name)}: {length:_}n," for name, length in CANDLE_INTERVALS_NS.items()]
    methods = [f"  {literal(name)}," for name in ALL_METHODS]
    return [
        [
            *comment("WebSocket subprotocols: each stands for an encoding."),
            f"export const SUBPROTOCOLS = {{ json: {literal(SUBPROTOCOL_JSON)}, "
            f"msgpack: {literal(SUBPROTOCOL_MSGPACK)} }} as const;",
        ],
        [
            *comment("A row of `ERROR_CODES`."),
            "export interface ErrorMeaning {",
            "  meaning: string;",
            "  what_to_do: string;",
            "  retry: boolean;",
            "}",
        ],
        [*errors, "};"],
        [*closes, "};"],
        [*comment("How a channel is delivered."), 'export type ChannelClass = "lossless" | "latest" | "private";'],
        [*channels, "};"],
        [
            *comment("Depths that `book` can be had in."),
            f"export const BOOK_DEPTHS = [{', '.join(map(str, BOOK_DEPTHS))}] as const;",
        ],
        [
            *comment("Intervals that `book` can be had at, ms."),
            f"export const BOOK_INTERVALS_MS = [{', '.join(map(str, BOOK_INTERVALS_MS))}] as const;",
        ],
        [*intervals, "};"],
        [
            *comment("Fields that are times wherever they are integers: a codec reads and writes them as bigint."),
            "export const TIME_FIELDS = [",
            *(f"  {literal(name)}," for name in sorted(TIMES)),
            "] as const;",
        ],
        [*comment("Digits of a number from outside."), f"export const DIGITS_MAX = {DIGITS_MAX};"],
        [*comment("Steps of one price or size."), f"export const UNITS_MAX = {UNITS_MAX:_}n;"],
        [*comment("Every method of the socket."), "export const METHODS = [", *methods, "] as const;"],
    ]


def maps() -> list[list[str]]:
    """What belongs to each channel and to each method."""
    data = [*comment("What `data` is, by channel and type of message."), "export interface StreamData {"]
    for channel in (*CHANNELS, *PRIVATE_CHANNELS):
        kinds = (f"{kind}: {DATA_TYPES[channel, kind].__name__}" for kind in ("snapshot", "update"))
        data.append(f"  {channel}: {{ {'; '.join(kinds)} }};")
    params = [*comment("The parameters of each method."), "export interface Params {"]
    results = [*comment("The result of each method."), "export interface Results {"]
    for method, (kind, *_) in ALL_METHODS.items():
        summary = comment(DESCRIBED[method].summary + ".", "  ")
        params += [*summary, f"  {quoted(method)}: {kind.__name__};"]
        result = RESULTS.get(method) or DESCRIBED[method].result.__name__
        results += [*summary, f"  {quoted(method)}: {result};"]
    control = ["Hello", "Heartbeat", "Drain", "Lagging", "Gap", "Skipped"]
    return [
        [*data, "}"],
        STREAM_MESSAGE.rstrip().split("\n"),
        [*comment("What the server says that is neither an answer nor of a stream."), *union("Control", control)],
        [
            *comment("Something of a stream was left out, or it goes on after its connection was lost."),
            *union("Notice", ["Gap", "Skipped", "Lost", "Resumed"]),
        ],
        [*params, "}"],
        [*results, "}"],
        [*comment("A method's name."), *union("Method", ["keyof Results"])],
    ]


def generated() -> str:
    """The whole file."""
    blocks = [HEAD.rstrip().split("\n")]
    blocks += ([*comment(text), *union(name, variants(alias))] for name, (alias, text) in ALIASES.items())
    blocks.append([*comment("A channel's name."), *union("Channel", ["PublicChannel", "PrivateChannel"])])
    blocks.append([*comment("A level of a book."), "export type PriceSize = [price: Decimal, size: Decimal];"])
    row_type = "export type OrderRow = [order_id: string, price: Decimal, size: Decimal];"
    blocks.append([*comment("An order of a book."), row_type])
    blocks += map(interface, all_types())
    blocks += maps()
    blocks += tables()
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


if __name__ == "__main__":
    TARGET.write_text(generated())
