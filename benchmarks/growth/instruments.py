"""What a server's work costs by number of its instruments, of which only one is asked for or trades."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from benchmarks.growth.curve import Curve, Family, cpu_us
from benchmarks.growth.market import Publisher, opened, symbol, trade
from benchmarks.results import Wrong
from tickwire.clock import NowNs
from tickwire.config import ServerSettings
from tickwire.dialects.base import HttpAnswer, HttpRequest
from tickwire.market.market import Market
from tickwire.model.outcome import Outcome
from tickwire.model.records import Clock, Record
from tickwire.protocol.codec import NativeCodec
from tickwire.protocol.deflate import WIRE_ENCODINGS
from tickwire.protocol.render import Renderer
from tickwire.server.auth import Authenticator
from tickwire.server.gateway import Gateway
from tickwire.server.keys import KeyStore
from tickwire.streams.hub import Hub
from tickwire.tape.candles import CandleStore

SECOND_NS, MINUTE_NS = 1_000_000_000, 60_000_000_000
INPUTS, ASKED = 400, 40


class Request(NamedTuple):
    """A request about one instrument, and what is in a right answer."""

    dialect: str
    path: str
    query: str
    right: str


REQUESTS = {
    "Binance: price of one": Request("binance", "/api/v3/ticker/price", "symbol=B00000USDT", '"price":"100.0'),
    "CoinAPI: quote of one": Request("coinapi", "/v1/quotes/SIM_SPOT_B00000_USDT/current", "", '"ask_price":100.01'),
    "CoinAPI: rate of one": Request("coinapi", "/v1/exchangerate/B00000/USDT", "", '"rate":100'),
    "CoinAPI: asset": Request("coinapi", "/v1/assets/B00000", "", '"asset_id":"B00000"'),
}
FIRST = {
    f"{name}, first of a {often}": REQUESTS[name]
    for name, often in (("CoinAPI: rate of one", "second"), ("CoinAPI: asset", "minute"))
}
"""Those for which a look at every instrument is taken once in a while."""


def instruments(counts: Iterable[int]) -> Family:
    """Inputs of one instrument while the others are still, the second's turn of all, requests, and the state."""
    names = ("input", "second", *REQUESTS, *FIRST, "snapshot", "restore", "memory")
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in names}
    for count in counts:
        tracemalloc.start()
        market = opened(count)
        found["memory"].append((count, tracemalloc.get_traced_memory()[0] / count))
        tracemalloc.stop()
        found["input"].append((count, _input(market)))
        found["second"].append((count, _second(market)))
        asking = Asking(market)
        for name, request in REQUESTS.items():
            asking.ask(request)
            found[name].append((count, cpu_us(partial(asking.ask_often, request)) / ASKED))
        for name, request in FIRST.items():
            found[name].append((count, cpu_us(partial(asking.ask, request), before=asking.next_minute)))
        body, digest = market.snapshot(), market.digest()
        found["snapshot"].append((count, cpu_us(market.snapshot)))
        found["restore"].append((count, cpu_us(partial(Market.restore, body), 2)))
        if Market.restore(body).digest() != digest:
            raise Wrong(f"of {count} instruments, a snapshot was restored to another state")
    unit = "µs of processor"
    return Family(
        "instruments",
        [
            Curve("an input of one instrument", unit, "flat", found["input"]),
            *(Curve(name, unit, "flat", found[name]) for name in REQUESTS),
            *(Curve(name, unit, "linear", found[name]) for name in FIRST),
            Curve("the clock enters a second", unit, "linear", found["second"]),
            Curve("a snapshot is made", unit, "linear", found["snapshot"]),
            Curve("a snapshot is restored", unit, "linear", found["restore"]),
            Curve("market, per instrument", "bytes of memory", "flat", found["memory"]),
        ],
    )


def _input(market: Market) -> float:
    """A trade in a transaction with its clock, within one second, nobody subscribed."""
    publisher = Publisher(market)
    before = market.listing(symbol(0)).seq["trades"]
    repeats = 3

    def work() -> None:
        for n in range(INPUTS // 10):
            publisher.transaction([trade(0, n) for n in range(10)], ms=0)

    took = cpu_us(work, repeats) / INPUTS
    if market.listing(symbol(0)).seq["trades"] != before + repeats * INPUTS:
        raise Wrong("trades were not counted")
    return took


def _second(market: Market) -> float:
    """The clock alone, when it enters a new second."""
    records = iter([Clock(market.now + n * SECOND_NS) for n in range(1, 6)])
    return cpu_us(lambda: market.apply(next(records)), 5)


class Asking:
    """Asks the dialects of a server over HTTP, without the socket."""

    def __init__(self, market: Market) -> None:
        renderer = Renderer(lambda name: market.listing(name).instrument)
        now: NowNs = lambda: market.now  # noqa: E731
        self._market = market
        self._asked = 0
        self._gateway = Gateway(
            market=market,
            hub=Hub(market, {name: NativeCodec(each, renderer) for name, each in WIRE_ENCODINGS.items()}),
            renderer=renderer,
            authenticator=Authenticator(KeyStore(None), now),
            epoch="benchmark",
            now=now,
            settings=ServerSettings(requests_per_second=1_000_000),
            welcome=lambda _: [],
            history=CandleStore(None),
        )
        self._gateway.submit = self._submit

    def _submit(self, records: list[Record], done: Callable[[list[Outcome | None] | None], None]) -> None:
        """A transaction without records: whoever looks something up in portions goes on in it."""
        self._market.apply(Clock(self._market.now + 1_000))
        done([])

    def next_minute(self) -> None:
        """Let a minute begin."""
        self._market.apply(Clock((self._market.now // MINUTE_NS + 1) * MINUTE_NS))

    def ask_often(self, request: Request) -> None:
        """`ASKED` requests at one time."""
        for _ in range(ASKED):
            self.ask(request)

    def ask(self, request: Request) -> None:
        """One request.

        Raises:
            Wrong: the answer is not the right one.
        """
        answers: list[HttpAnswer] = []
        ip = f"10.0.{self._asked // 200 % 250}.1"  # of which none asks too often
        self._asked += 1
        http = HttpRequest("GET", request.path, request.query, {}, b"", ip)
        self._gateway.dialects[request.dialect].http(self._gateway.services, http, answers.append)
        if [answer.status for answer in answers] != [200] or request.right not in answers[0].body.decode():
            raise Wrong(f"{request.path}?{request.query} was answered with {answers}")
