"""The golden vectors in clients/vectors, which the TypeScript client is tested with, too: what all clients agree on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from tickwire.book.checksum import book_checksum
from tickwire.book.ladder import Ladder
from tickwire.client.backoff import backoff_seconds
from tickwire.client.books import Live, LiveBook, LiveOrders
from tickwire.client.fills import FillSequence
from tickwire.client.keeper import Keeper, Settings
from tickwire.client.link import Link, Receiver
from tickwire.errors import BookInvalid, ConnectionLost, InvalidInput, InvalidNumber
from tickwire.keyfile import KeyFile
from tickwire.model.channel import StreamKey
from tickwire.model.units import Scale
from tickwire.protocol.client_outcomes import (
    Answered,
    Broken,
    ClientStats,
    Delivered,
    Ended,
    Interrupted,
    Lost,
    Noticed,
    Outcome,
    Refused,
    Resumed,
)
from tickwire.protocol.client_session import ClientSession
from tickwire.protocol.client_streams import Places
from tickwire.protocol.messages import (
    DATA_TYPES,
    Drain,
    FillData,
    Gap,
    Heartbeat,
    Hello,
    InstrumentInfo,
    Lagging,
    Limits,
    Reply,
    Skipped,
    StatusData,
    StreamMessage,
)

FOLDER = Path(__file__).parents[2] / "clients" / "vectors"
ENCODINGS: tuple[Literal["json", "msgpack"], ...] = ("json", "msgpack")
CONTROL = {kind.__struct_config__.tag: kind for kind in (Hello, Heartbeat, Drain, Lagging, Gap, Skipped)}
COUNTERS = {"checksumMismatches": "checksum_mismatches"}
"""Counters of the vectors that have another name here."""


def vectors(name: str, part: str | None = None) -> pytest.MarkDecorator:
    """The parameters of a test: each vector of a file, called what it shows."""
    found = json.loads((FOLDER / f"{name}.json").read_text())
    rows = found if part is None else found[part]
    return pytest.mark.parametrize("vector", [pytest.param(row, id=row["shows"]) for row in rows])


# ---- numbers, checksums, signatures, waits --------------------------------------------------------


@vectors("numbers", "parsed")
def test_numbers_are_parsed_and_formatted(vector: dict[str, Any]) -> None:
    scale = Scale(vector["step"])
    assert scale.parse(vector["text"]) == int(vector["steps"])
    assert scale.format(int(vector["steps"])) == vector["formatted"]


@vectors("numbers", "refused")
def test_wrong_numbers_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(InvalidNumber) as error:
        Scale(vector["step"]).parse(vector["text"], vector["field"])
    assert (error.value.message, error.value.field) == (vector["error"], vector["field"])


@vectors("numbers", "steps")
def test_steps(vector: dict[str, Any]) -> None:
    if "error" in vector:
        with pytest.raises(InvalidNumber) as error:
            Scale(vector["step"])
        assert (error.value.message, error.value.field) == (vector["error"], "step")
    else:
        scale = Scale(vector["step"])
        assert (str(scale.units), scale.decimals) == (vector["units"], vector["decimals"])


@vectors("checksums")
def test_checksums(vector: dict[str, Any]) -> None:
    price, size = Scale(vector["tick_size"]), Scale(vector["lot_size"])
    ladder = Ladder()
    for side, levels in ((ladder.bids, vector["bids"]), (ladder.asks, vector["asks"])):
        for level in levels:
            side.set(price.parse(level[0]), size.parse(level[1]))
    text = ladder.asks.top_text(price.units, size.units) + ladder.bids.top_text(price.units, size.units)
    assert text == vector["text"]
    assert book_checksum(ladder, price_units=price.units, size_units=size.units) == vector["checksum"]


@vectors("logins", "signed")
def test_signatures(vector: dict[str, Any]) -> None:
    key = msgspec.convert(vector["key_file"], KeyFile)
    assert key.sign(vector["challenge"]) == vector["signature"]


@vectors("logins", "refused")
def test_challenges_of_false_servers_are_not_signed(vector: dict[str, Any]) -> None:
    key = msgspec.convert(vector["key_file"], KeyFile)
    with pytest.raises(InvalidInput) as error:
        key.sign(vector["challenge"])
    assert (error.value.message, error.value.field) == (vector["error"], "challenge")


@vectors("reconnecting", "waits")
def test_waits(vector: dict[str, Any]) -> None:
    assert backoff_seconds(vector["attempt"], lambda: vector["random"]) * 1000 == pytest.approx(vector["wait_ms"])


# ---- messages ------------------------------------------------------------------------------------


@vectors("messages")
def test_messages_are_the_same_in_both_encodings(vector: dict[str, Any]) -> None:
    text, packed = vector["json"].encode(), bytes.fromhex(vector["msgpack"])
    kind = type_of(json.loads(text))
    message = msgspec.json.decode(text, type=kind)
    assert msgspec.msgpack.decode(packed, type=kind) == message
    assert msgspec.msgpack.decode(packed) == msgspec.json.decode(text)
    assert msgspec.json.encode(message) == text
    assert msgspec.msgpack.encode(message) == packed


def test_every_kind_of_message_has_a_vector() -> None:
    messages = [json.loads(row["json"]) for row in json.loads((FOLDER / "messages.json").read_text())]
    assert {m["type"] for m in messages if "type" in m} - {"snapshot", "update"} == set(CONTROL)
    assert {(m["channel"], m["type"]) for m in messages if m.get("type") in ("snapshot", "update")} == set(DATA_TYPES)


def type_of(message: dict[str, Any]) -> Any:
    """The type of a message that the server says, `data` typed."""
    kind = message.get("type")
    if kind in CONTROL:
        return CONTROL[kind]
    if "id" in message:
        return Reply
    data = DATA_TYPES[message["channel"], message["type"]] | None
    fields = [(f.name, data if f.name == "data" else f.type, f.default) for f in msgspec.structs.fields(StreamMessage)]
    required = [field[:2] for field in fields if field[2] is msgspec.NODEFAULT]
    rest = [field for field in fields if field[2] is not msgspec.NODEFAULT]
    return msgspec.defstruct("Message", [*required, *rest], frozen=True, omit_defaults=True)


def stream_message(message: dict[str, Any]) -> StreamMessage:
    """A message of a stream, `data` typed."""
    typed = msgspec.convert(message, type_of(message))
    return StreamMessage(**{name: getattr(typed, name) for name in typed.__struct_fields__})


# ---- sessions ------------------------------------------------------------------------------------


def key_of(stream: dict[str, Any]) -> StreamKey:
    """The stream that a vector names."""
    return StreamKey(**stream)


def named(key: StreamKey) -> dict[str, Any]:
    """A stream as vectors name it."""
    return {name: value for name, value in key._asdict().items() if value}


def told(outcome: Outcome) -> dict[str, Any]:
    """An outcome as vectors have it."""
    match outcome:
        case Hello():
            return {"kind": "hello", "epoch": outcome.epoch}
        case Heartbeat():
            return {"kind": "heartbeat", "time": outcome.time}
        case Drain():
            return {"kind": "drain", "deadline": outcome.deadline}
        case Lagging():
            return {"kind": "lagging", "messages": outcome.messages}
        case Delivered():
            message = msgspec.json.decode(msgspec.json.encode(outcome.message))
            return {"kind": "delivered", "stream": named(outcome.key), "message": message}
        case Noticed():
            return {"kind": "noticed", "stream": named(outcome.key), "notice": msgspec.to_builtins(outcome.notice)}
        case Interrupted():
            return {"kind": "interrupted", "stream": named(outcome.key), "reason": outcome.reason}
        case Answered():
            return {"kind": "answered", "id": outcome.id}
        case Refused():
            return {"kind": "refused", "id": outcome.id, **refusal(outcome)}
        case Ended():
            return {"kind": "ended", "stream": named(outcome.key), **refusal(outcome)}
        case Broken():
            return {"kind": "broken", "code": outcome.close_code, "reason": outcome.reason}


def refusal(outcome: Refused | Ended) -> dict[str, Any]:
    """Why a request was refused."""
    error = outcome.error
    return {"code": error.code, "field": error.field, "retry": error.retry}


class Player:
    """Plays the script of a client over its connections."""

    def __init__(self, encoding: Literal["json", "msgpack"]) -> None:
        self.encoding: Literal["json", "msgpack"] = encoding
        self.codec: Any = msgspec.json if encoding == "json" else msgspec.msgpack
        self.stats = ClientStats()
        self.session = ClientSession(encoding=encoding, stats=self.stats)
        self.places = Places("", {})
        self.keys: dict[StreamKey, None] = {}

    def play(self, step: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Any]]:
        """A step's outcomes, and what is sent."""
        outcomes: list[Outcome] = []
        sent: list[bytes] = []
        match step["do"]:
            case "connect":
                self.places = self.session.places
                self.session = ClientSession(
                    encoding=self.encoding, opened_ns=step["at_ms"] * 1_000_000, stats=self.stats
                )
            case "receive":
                outcomes = self.session.received(self.wire(step), step["at_ms"] * 1_000_000)
            case "subscribe":
                keys = [key_of(stream) for stream in step["streams"]]
                self.keys.update(dict.fromkeys(keys))
                sent.append(self.session.subscribe(keys)[1])
            case "unsubscribe":
                keys = [key_of(stream) for stream in step["streams"]]
                for key in keys:
                    del self.keys[key]
                self.session.unsubscribe(keys)
            case "request":
                sent.append(self.session.request(step["method"], step["params"])[1])
            case "lose":
                outcomes = self.session.lost(key_of(step["stream"]), step["reason"])
            case "close":
                outcomes = self.session.closed(step["reason"])
            case "resume":
                outcomes = self.session.take_up(list(self.keys), self.places)
                self.session.resume()
        for outcome in outcomes:
            if isinstance(outcome, Ended):
                del self.keys[outcome.key]
        sent += self.session.to_send()
        return [told(outcome) for outcome in outcomes], [self.codec.decode(data) for data in sent]

    def wire(self, step: dict[str, Any]) -> bytes:
        """What is received in a step: a message, or what may be none, given in both encodings."""
        if "message" in step:
            data: bytes = self.codec.encode(step["message"])
            return data
        raw = step["raw"]
        return str(raw["json"]).encode() if self.encoding == "json" else bytes.fromhex(raw["msgpack"])


@pytest.mark.parametrize("encoding", ENCODINGS)
@vectors("sessions")
def test_sessions(vector: dict[str, Any], encoding: Literal["json", "msgpack"]) -> None:
    player = Player(encoding)
    for number, step in enumerate(vector["steps"]):
        outcomes, sent = player.play(step)
        expected = step.get("outcomes", [])
        where = f"step {number}, {step['do']}"
        for outcome, wanted in zip(outcomes, expected, strict=True):
            if wanted["kind"] == "delivered":
                wanted = {**wanted, "message": step["message"]}
            # why a message is malformed every language says in its own words
            assert {name: outcome[name] for name in wanted} == wanted, where
        assert sent == step.get("sent", []), where
        if "deadline_ms" in step:
            assert player.session.deadline == step["deadline_ms"] * 1_000_000, where
        if "server_time" in step:
            assert player.session.server_time(step["at_ms"] * 1_000_000) == step["server_time"], where
    counted = {name: getattr(player.stats, COUNTERS.get(name, name)) for name in vector["stats"]}
    assert counted == vector["stats"]


# ---- books ---------------------------------------------------------------------------------------


class Nobody:
    """Owner of a book that nobody closes."""

    async def leave(self, consumer: object) -> None:
        raise AssertionError

    def flow(self, queue: object, full: bool) -> None:
        raise AssertionError


@vectors("books")
def test_books(vector: dict[str, Any]) -> None:
    stats = ClientStats()
    book = live(key_of(vector["stream"]), vector["tick_size"], vector["lot_size"], stats)
    for number, step in enumerate(vector["steps"]):
        if "take" in step:
            problem = book._take(stream_message(step["take"]), 100)
            assert problem == step.get("problem"), number
        elif "notice" in step:
            book._notice(msgspec.convert(step["notice"], Gap | Skipped | Lost | Resumed))
        else:
            book._interrupt(book.keys[0], step["interrupt"])
        assert_shows(book, step, number)
    assert stats.checksum_mismatches == vector["checksum_mismatches"]


def live(key: StreamKey, tick_size: str, lot_size: str, stats: ClientStats) -> LiveBook | LiveOrders:
    """A book of an instrument with these steps."""
    status = StatusData("open", "live", "")
    info = InstrumentInfo(key.symbol, "", "", "", "", "", tick_size, lot_size, [], status)
    kind: Callable[..., LiveBook | LiveOrders] = LiveOrders if key.channel == "book_l3" else LiveBook
    return kind(Nobody(), key, info, stats)


def assert_shows(book: Live, step: dict[str, Any], number: int) -> None:
    """A book shows what a step says, or can't be read for the reason that it says."""
    if "reason" in step:
        with pytest.raises(BookInvalid) as error:
            _ = book.seq
        assert str(error.value) == f"the book of {book.symbol} can't be read now: {step['reason']}", number
        return
    for side in ("bids", "asks"):
        assert [[str(price), str(size)] for price, size in getattr(book, side)()] == step[side], number
    assert (book.seq, book.ts, book.checksum) == (step["seq"], step["ts"], step["checksum"]), number
    if isinstance(book, LiveOrders):
        for side, orders in step["orders"].items():
            assert [[o.order_id, str(o.price), str(o.size)] for o in book.orders(side)] == orders, number


@vectors("fills")
def test_fills_come_once(vector: dict[str, Any]) -> None:
    epoch = ""
    sequence = FillSequence(lambda: epoch)
    for number, step in enumerate(vector["steps"]):
        epoch = step["epoch"]
        found = list(sequence.take(stream_message(step["take"])))
        lost = [msgspec.to_builtins(one) for one in found if isinstance(one, Lost)]
        assert lost == ([step["lost"]] if "lost" in step else []), number
        assert [fill.seq for fill in found[len(lost) :] if isinstance(fill, FillData)] == step["new"], number


# ---- from one connection to the next -------------------------------------------------------------


class _Server:
    """Accepts a connection and says hello; there is no other."""

    def __init__(self) -> None:
        self.dialled = 0

    async def dial(self, url: str, encoding: str, receiver: Receiver) -> Link:
        self.dialled += 1
        if self.dialled > 1:
            raise ConnectionLost("no more", code=4499)
        receiver.received(msgspec.json.encode(Hello("s", "e", 1, "0", 5000, "c", Limits(65_536, 50, 1024), False)))
        self.receiver = receiver
        return self

    def send(self, data: bytes) -> None:
        raise AssertionError

    def pause(self) -> None:
        raise AssertionError

    def resume(self) -> None:
        raise AssertionError

    def close(self, code: int, reason: str) -> None:
        self.receiver.link_lost(code, reason)


@vectors("reconnecting", "close_codes")
async def test_what_a_close_code_has_a_client_do(vector: dict[str, Any]) -> None:
    assert await dropped(vector["code"], "said so") == ((2, [0.05]) if vector["reconnect"] else (1, []))


@vectors("reconnecting", "retry_after")
async def test_a_close_reason_can_say_how_long_to_stay_away(vector: dict[str, Any]) -> None:
    assert await dropped(vector["code"], vector["reason"]) == (2, [vector["wait_ms"] / 1000])


async def dropped(code: int, reason: str) -> tuple[int, list[float]]:
    """How often a client dials when its first connection is closed, and how long it waits in between."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    server = _Server()
    keeper = Keeper(Settings("ws://x", "json", True, False, 1.0, server.dial, sleep, lambda: 0.5))
    await keeper.start()
    server.close(code, reason)
    assert keeper._task is not None
    await keeper._task
    return server.dialled, waits
