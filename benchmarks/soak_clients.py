"""The clients of the soak: many in one process, who come and go, resume, sleep and trade, and check every message.

    python benchmarks/soak_clients.py PORT CLIENTS SEED KEY_FILE...

Each second it prints a `Totals` as a line of JSON. When stdin ends all leave, and the last line is printed.

What a client may be sent of a lossless stream is one more than the last, or a gap that begins there and a snapshot that
ends it; of a latest-class stream something newer. A heartbeat must name what the client has. After coming back it must
be told whether it is given what it missed or a snapshot, and then be given that.
"""

from __future__ import annotations

import base64
import json
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tickwire.keyfile import KeyFile

SYMBOLS = ("SIM:BTC-USDT", "SIM:ETH-USDT", "SIM:SOL-USDT", "SIM:EUR-USD", "SIM:GBP-USD", "SIM:ACME-USD")
PUBLIC: tuple[dict[str, Any], ...] = (
    {"channel": "trades"},
    {"channel": "book"},
    {"channel": "book_l3"},
    {"channel": "quotes"},
    {"channel": "ticker"},
    {"channel": "book", "depth": 10, "interval_ms": 250},
)
PRIVATE = ("orders", "fills", "balances")
STREAMS_EACH = 2
LIFE_SECONDS, PAUSE_SECONDS = 15.0, 2.0
"""Mean time that a client is there, and longest time that it is away."""
SLEEPS_PER_SECOND = 0.005
"""Of a client that is there: it reads nothing for a while."""
SLEEP_SECONDS = 4.0
ORDER_SECONDS = 0.5
RESUMES = 0.8
"""Of the clients that come back go on from where they were."""
READ_BYTES = 1 << 18
START_SECONDS = 8.0
"""Over which the first come, so that nobody is refused."""
PER_ADDRESS = 50
ACCEPTED = ("insufficient_balance", "unknown_order", "order_closed", "busy")
"""Errors that an honest trader may meet with."""


class Totals(msgspec.Struct):
    """What all clients together have met with since the start.

    Attributes:
        delivered: messages of streams.
        open: clients that are there now.
        lives: connections that were made; `resumed` streams were asked for from a place, `recovered` of them given from
            there on.
        polite, reset: how they ended.
        gaps, skipped: notices of what was dropped.
        heartbeats: that were compared with what the client has.
        orders: requests of traders that were answered.
        wrong: what must not be, the first of it.
    """

    delivered: int = 0
    open: int = 0
    lives: int = 0
    resumed: int = 0
    recovered: int = 0
    polite: int = 0
    reset: int = 0
    gaps: int = 0
    skipped: int = 0
    heartbeats: int = 0
    orders: int = 0
    wrong: list[str] = []

    def say(self, text: str) -> None:
        """Something is wrong."""
        if len(self.wrong) < 20:
            self.wrong.append(text[:300])


class Message(msgspec.Struct, rename={"from_": "from"}):
    """Whatever a server says."""

    id: Any = None
    error: Any = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    type: str = ""
    channel: str = ""
    symbol: str = ""
    seq: int = 0
    from_: int = 0
    to: int = 0
    epoch: str = ""
    streams: list[dict[str, Any]] = []


class Stream:
    """A client's place in one stream, kept from one connection to the next.

    Attributes:
        seq: of the last message, -1 before the first.
    """

    def __init__(self, params: dict[str, Any], symbol: str, totals: Totals) -> None:
        self.params = params
        self.symbol = symbol
        self.lossless = "depth" not in params and params["channel"] not in ("quotes", "ticker")
        self.seq = -1
        self._totals = totals
        self._anew = True
        self._gap_to = -1

    @property
    def key(self) -> tuple[str, str]:
        return self.params["channel"], self.symbol

    def asked(self, epoch: str, *, resume: bool) -> dict[str, Any]:
        """The parameters of a subscription, from where it was left if that is wanted and known."""
        symbols = {"symbols": [self.symbol]} if self.params["channel"] not in PRIVATE else {}
        self._gap_to = -1
        if not (resume and self.lossless and self.seq >= 0):
            self._anew = True
            return self.params | symbols
        self._totals.resumed += 1
        self._anew = False
        return self.params | symbols | {"from": {"epoch": epoch, "seq": self.seq}}

    def replied(self, result: dict[str, Any]) -> None:
        """The answer to the subscription."""
        if self._anew:
            return
        if result.get("recovered"):
            self._totals.recovered += 1
        else:
            self._anew = True

    def told(self, notice: Message) -> None:
        """A gap or something skipped."""
        if notice.type == "skipped":
            self._totals.skipped += 1
            return
        self._totals.gaps += 1
        if not self.lossless or notice.from_ != self.seq + 1 or notice.to < notice.from_:
            self._totals.say(f"{self.key}: a gap from {notice.from_} to {notice.to} after {self.seq}")
        self._gap_to = notice.to

    def took(self, kind: str, seq: int) -> None:
        """A snapshot or an update."""
        if self._gap_to >= 0:
            fits = kind == "snapshot" and seq == self._gap_to
        elif self._anew:
            fits = kind == "snapshot"
        else:
            fits = seq == self.seq + 1 if self.lossless else seq > self.seq
        if not fits:
            after = f"a gap to {self._gap_to}" if self._gap_to >= 0 else "nothing" if self._anew else str(self.seq)
            self._totals.say(f"{self.key}: {kind} {seq} after {after}")
        self.seq, self._anew, self._gap_to = seq, False, -1

    def compare(self, seq: int) -> None:
        """With the last message that a heartbeat names."""
        if self.lossless and (self._anew or seq != self.seq):
            self._totals.say(f"{self.key}: a heartbeat names {seq}, {self.seq} is the last that came")


class Client:
    """One client: connected, resting or away."""

    def __init__(self, number: int, port: int, totals: Totals, rng: random.Random, key: KeyFile | None) -> None:
        self.totals = totals
        self.socket: socket.socket | None = None
        self.asleep = False
        self._address = f"127.2.{1 + number // PER_ADDRESS // 250}.{1 + number // PER_ADDRESS % 250}"
        self._port = port
        self._rng = rng
        self._key = key
        self._decode = msgspec.json.Decoder(Message).decode
        picked = rng.sample([(params, symbol) for params in PUBLIC for symbol in SYMBOLS], 4 * STREAMS_EACH)
        streams = {each.key: each for each in (Stream(params, symbol, totals) for params, symbol in picked)}
        self._streams = dict(list(streams.items())[:STREAMS_EACH])
        if key is not None:
            for channel in PRIVATE:
                stream = Stream({"channel": channel}, key.account, totals)
                self._streams[stream.key] = stream
        self._begun = b""
        self._upgraded = self._leaving = False
        self._ids = 0
        self._waiting: dict[int, Stream | None] = {}
        self._orders = 0

    # ---- coming and going -----------------------------------------------------------------------------

    def connect(self) -> socket.socket:
        """Begin to."""
        self.socket = client = socket.socket()
        client.setblocking(False)
        client.bind((self._address, 0))
        client.connect_ex(("127.0.0.1", self._port))
        self._begun, self._upgraded, self._leaving = b"", False, False
        self._waiting.clear()
        return client

    def connected(self) -> None:
        """Ask for the upgrade, and log in with it."""
        lines = ["GET /ws HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
        if self._key is not None:
            proof = base64.b64encode(f"{self._key.key}:{self._key.secret}".encode()).decode()
            lines.append(f"Authorization: Basic {proof}")
        self._write("\r\n".join([*lines, "", ""]).encode())

    def leave(self, *, politely: bool) -> None:
        """Say goodbye, and read until the answer; or reset the connection."""
        if politely and self._upgraded:
            self.totals.polite += 1
            self._leaving = True
            self._frame(0x88, b"\x03\xe8")
        else:
            self.totals.reset += 1
            self.close(reset=True)

    def close(self, *, reset: bool = False) -> None:
        assert self.socket is not None
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.socket = None

    # ---- reading --------------------------------------------------------------------------------------

    def readable(self) -> None:
        """Read what is there."""
        assert self.socket is not None
        try:
            data = self.socket.recv(READ_BYTES)
        except OSError as error:
            data = b""
            self.totals.say(f"cut while {'leaving' if self._leaving else 'reading'}: {error}")
        if not data:
            if not self._leaving:
                self.totals.say(f"the server closed: {self._begun[:100]!r}")
            self.close()
            return
        data = self._begun + data
        if not self._upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._begun = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.totals.say(f"refused: {head[:100]!r}")
                self.close()
                return
            self._upgraded = True
            self.totals.lives += 1
        at, length = 0, len(data)
        while length - at >= 2:
            size, start = data[at + 1], at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                if start > length:
                    break
                size = int.from_bytes(data[at + 2 : start])
            if start + size > length:
                break
            self._take(data[at] & 0x0F, data[start : start + size])
            at = start + size
        self._begun = data[at:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if self._leaving:
            return
        if opcode == 9:
            self._frame(0x8A, payload)
        elif opcode == 8:
            self.totals.say(f"closed with {payload!r}")
            self._leaving = True
        else:
            self._heard(self._decode(payload))

    def _heard(self, message: Message) -> None:
        if message.channel:
            stream = self._streams.get((message.channel, message.symbol))
            if stream is None:
                self.totals.say(f"nobody asked for {message}")
            elif message.type in ("snapshot", "update"):
                self.totals.delivered += 1
                stream.took(message.type, message.seq)
            else:
                stream.told(message)
        elif message.id is not None:
            self._replied(message)
        elif message.type == "heartbeat":
            self.totals.heartbeats += 1
            for state in message.streams:
                self._streams[state["channel"], state["symbol"]].compare(state["seq"])
        elif message.type == "hello":
            resume = self._rng.random() < RESUMES
            for stream in self._streams.values():
                self._ask("subscribe", stream.asked(message.epoch, resume=resume), stream)
        elif message.type != "lagging":
            self.totals.say(f"told {message}")

    def _replied(self, message: Message) -> None:
        stream = self._waiting.pop(message.id, None)
        if stream is not None:
            if message.error is not None:
                self.totals.say(f"{stream.key}: {message.error}")
            else:
                stream.replied(msgspec.json.decode(message.result))
            return
        self.totals.orders += 1
        if message.error is not None and message.error["code"] not in ACCEPTED:
            self.totals.say(f"an order: {message.error}")

    # ---- asking ---------------------------------------------------------------------------------------

    def trade(self) -> None:
        """Place an order that rests and cancel it, or take something, in turn; of traders only."""
        if self._key is None or not self._upgraded or self._leaving:
            return
        self._orders += 1
        name, side = f"{time.time_ns():x}", self._rng.choice(("buy", "sell"))
        if self._orders % 2:
            order = {"symbol": "SIM:ETH-USDT", "side": side, "type": "market", "size": "0.01", "client_order_id": name}
            self._ask("order.place", order)
        else:
            order = {"symbol": "SIM:ACME-USD", "side": "buy", "type": "limit", "size": "1", "price": "160"}
            self._ask("order.place", order | {"client_order_id": name})
            self._ask("order.cancel", {"client_order_id": name})

    def _ask(self, method: str, params: dict[str, Any], stream: Stream | None = None) -> None:
        self._ids += 1
        self._waiting[self._ids] = stream
        self._frame(0x81, json.dumps({"id": self._ids, "method": method, "params": params}).encode())

    def _frame(self, first: int, payload: bytes) -> None:
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
        self._write(bytes([first]) + length + bytes(4) + payload)

    def _write(self, data: bytes) -> None:
        assert self.socket is not None
        try:
            self.socket.send(data)
        except OSError as error:  # what it is then will be seen when it is read
            if not self._leaving:
                self.totals.say(f"can't send: {error}")


class Soak:
    """All clients, and who does what when."""

    def __init__(self, port: int, count: int, seed: int, keys: list[KeyFile]) -> None:
        self.totals = Totals()
        self._rng = random.Random(seed)
        self._epoll = select.epoll()
        self._clients = [
            Client(number, port, self.totals, random.Random(f"{seed} {number}"), key)
            for number, key in enumerate([*keys, *[None] * (count - len(keys))])
        ]
        self._by_descriptor: dict[int, Client] = {}
        self._registered: dict[Client, int] = {}
        now = time.monotonic()
        self._due: list[tuple[float, Callable[[Client], None], Client]] = [
            (now + START_SECONDS * self._rng.random(), self._come, client) for client in self._clients
        ]
        self._next_order = now

    def run(self) -> None:
        """Until stdin ends."""
        stop, said = select.poll(), time.monotonic()
        stop.register(sys.stdin, select.POLLIN | select.POLLHUP)
        while not stop.poll(0):
            self._read(0.02)
            now = time.monotonic()
            ready = [each for each in self._due if each[0] <= now]
            if ready:
                self._due = [each for each in self._due if each[0] > now]
            for _, action, client in ready:
                action(client)
            if now >= self._next_order:
                self._next_order = now + ORDER_SECONDS
                for client in self._clients:
                    if client.socket is not None:
                        client.trade()
            if now >= said + 1:
                said = now
                self._say()
        for client in self._clients:
            if client.socket is not None:
                self._awake(client)
                client.leave(politely=True)
        end = time.monotonic() + 5
        while any(client.socket for client in self._clients) and time.monotonic() < end:
            self._read(0.02)
        self._say()

    def _say(self) -> None:
        self.totals.open = sum(client.socket is not None for client in self._clients)
        print(msgspec.json.encode(self.totals).decode(), flush=True)

    def _read(self, seconds: float) -> None:
        for descriptor, event in self._epoll.poll(seconds):
            client = self._by_descriptor[descriptor]
            if event & select.EPOLLOUT:
                self._epoll.modify(descriptor, select.EPOLLIN)
                client.connected()
            else:
                client.readable()
            if client.socket is None:
                self._gone(client)

    def _after(self, seconds: float, action: Callable[[Client], None], client: Client) -> None:
        self._due.append((time.monotonic() + seconds, action, client))

    def _come(self, client: Client) -> None:
        descriptor = client.connect().fileno()
        self._by_descriptor[descriptor] = client
        self._registered[client] = descriptor
        self._epoll.register(descriptor, select.EPOLLOUT)
        life = max(1.0, self._rng.expovariate(1 / LIFE_SECONDS))
        self._after(life, self._leave, client)
        if self._rng.random() < SLEEPS_PER_SECOND * life:
            self._after(life * self._rng.random(), self._sleep, client)

    def _sleep(self, client: Client) -> None:
        if client.socket is not None and not client.asleep:
            client.asleep = True
            self._epoll.unregister(self._registered[client])
            self._after(SLEEP_SECONDS, self._awake, client)

    def _awake(self, client: Client) -> None:
        if client.socket is not None and client.asleep:
            self._epoll.register(self._registered[client], select.EPOLLIN)
        client.asleep = False

    def _leave(self, client: Client) -> None:
        if client.socket is not None:
            self._awake(client)
            client.leave(politely=self._rng.random() < 0.5)
            if client.socket is None:
                self._gone(client)

    def _gone(self, client: Client) -> None:
        del self._registered[client]
        client.asleep = False
        self._after(PAUSE_SECONDS * self._rng.random(), self._come, client)


def main() -> None:
    """Run the clients."""
    port, count, seed = map(int, sys.argv[1:4])
    Soak(port, count, seed, [KeyFile.load(Path(name)) for name in sys.argv[4:]]).run()


if __name__ == "__main__":
    main()
