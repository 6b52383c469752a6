"""The HTTP interface: what it shows is what the socket shows, to the same callers, within the same limits."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import connect as ws_connect

import support
from edge import WAIT_SECONDS, Answer, call, edge, http
from session_client import FX
from support import order
from tickwire.keyfile import KeyFile
from tickwire.limits import RECENT_TRADES_MAX
from tickwire.model.channel import CHANNELS
from tickwire.model.records import ListInstrument, Record, Transfer, VenueQuote
from tickwire.server.app import Server

BTC = replace(support.BTC, feed="")
S = BTC.symbol
TRADES = RECENT_TRADES_MAX + 20


def basic(key: KeyFile) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{key.key}:{key.secret}".encode()).decode()}


async def get(server: Server, path: str, status: int = 200, key: KeyFile | None = None) -> Any:
    answer = await http(server, "GET", f"/api/v1{path}", **(basic(key) if key else {}))
    assert answer.status == status, answer.body
    return json.loads(answer.body)


async def put(server: Server, *records: Record) -> None:
    """Put records on the tape, in one transaction, and wait."""
    done = asyncio.get_running_loop().create_future()
    server._gateway.submit(list(records), done.set_result)
    await done


@asynccontextmanager
async def venue(**settings: Any) -> AsyncIterator[Server]:
    """BTC/USDT with two orders on its book and many trades behind it, EUR/USD with a quote, and nobody at work."""
    async with edge(feeds=(), requests_per_second=10_000, **settings) as server:
        money = [Transfer(account, asset, "1000", account + asset) for account in "ab" for asset in ("BTC", "USDT")]
        trades: list[Record] = []
        for number in range(TRADES):
            trades += [order("sell", 100 + number % 3, 1), order("buy", 200, 1)]
        quote = VenueQuote(FX.symbol, 108_000, 10, 108_010, 20)
        await put(server, ListInstrument(BTC), ListInstrument(FX), *money, quote, *trades)
        await put(server, order("buy", 99, 5), order("sell", 101, 7))
        yield server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with venue() as server:
        yield server


async def test_every_snapshot_is_the_sockets(server: Server) -> None:
    async with ws_connect(server.url) as ws:
        hello = json.loads(await ws.recv())
        for channel in CHANNELS:
            symbol = FX.symbol if channel == "rates" else S
            over_socket = (await call(ws, "snapshot", channel=channel, symbol=symbol))["result"]
            over_http = await get(server, f"/instruments/{symbol}/{channel}")
            if channel != "quotes":  # which are as old as they are
                over_socket.pop("ts"), over_http.pop("ts")
            assert over_http == over_socket
            assert (over_http["epoch"], over_http["type"]) == (hello["epoch"], "snapshot")


async def test_a_book_says_where_in_the_stream_it_is(server: Server) -> None:
    async with ws_connect(server.url) as ws:
        await ws.recv()
        await ws.send(json.dumps({"id": 1, "method": "subscribe", "params": {"channel": "book", "symbols": [S]}}))
        await ws.recv()
        snapshot = json.loads(await ws.recv())
        await put(server, order("buy", 98, 3))
        update = json.loads(await ws.recv())
        book = await get(server, f"/instruments/{S}/book")
    assert book["seq"] == update["seq"] == snapshot["seq"] + 1
    assert book["epoch"] == server.tape.epoch
    assert book["data"]["checksum"] == update["data"]["checksum"]
    assert book["data"]["bids"] == [["0.99", "0.005"], ["0.98", "0.003"]]
    top = await get(server, f"/instruments/{S}/book?depth=1")
    assert (top["data"]["bids"], top["depth"], top["seq"]) == ([["0.99", "0.005"]], 1, book["seq"])
    assert top["data"]["checksum"] == book["data"]["checksum"]


async def test_instruments_one_and_all(server: Server) -> None:
    everything = (await get(server, "/instruments"))["instruments"]
    assert [row["symbol"] for row in everything] == [S, FX.symbol]
    assert await get(server, f"/instruments/{FX.symbol}") == everything[1]
    assert (await get(server, "/instruments?asset_class=fx&venue=FXCM"))["instruments"] == everything[1:]
    error = (await get(server, "/instruments/SIM:NO-NE", 404))["error"]
    assert (error["code"], error["field"]) == ("unknown_symbol", "symbol")


async def test_the_history_of_trades_goes_further_back_than_their_snapshot(server: Server) -> None:
    history = await get(server, f"/instruments/{S}/trades/history?limit=1000")
    assert (history["epoch"], history["channel"], history["symbol"], history["seq"]) == (
        server.tape.epoch, "trades", S, TRADES,
    )  # fmt: skip
    assert [message["seq"] for message in history["messages"]] == [*range(1, TRADES + 1)]
    shown = (await get(server, f"/instruments/{S}/trades"))["data"]["trades"]
    assert [message["data"] for message in history["messages"]][-RECENT_TRADES_MAX:] == shown
    ts = history["messages"][0]["ts"]
    assert (await get(server, f"/instruments/{S}/trades/history?start={ts + 1}"))["messages"] == []
    assert (await get(server, f"/instruments/{S}/trades/history?end={ts}"))["messages"] == []
    some = await get(server, f"/instruments/{S}/trades/history?start={ts}&end={ts + 1}&limit=2")
    assert some["messages"] == history["messages"][-2:]


async def test_the_history_of_candles_is_what_their_stream_has_said() -> None:
    async with edge(requests_per_second=10_000) as server, ws_connect(server.url) as ws:
        await ws.recv()
        params = {"channel": "candles", "symbols": [S], "interval": "1s"}
        await ws.send(json.dumps({"id": 1, "method": "subscribe", "params": params}))
        closed: list[Any] = []
        while len(closed) < 2:
            message = json.loads(await ws.recv())
            if "data" in message and message["data"] and message["data"]["closed"]:
                closed.append(message)
        first, second = closed
        end = second["data"]["start"] + 1
        found = await get(server, f"/instruments/{S}/candles/history?interval=1s&end={end}")
        over_socket = await call(ws, "history", channel="candles", symbol=S, interval="1s", end=end)
        assert found["messages"][-2:] == closed
        assert over_socket["result"]["messages"] == found["messages"]
        start = first["data"]["start"]
        page = await get(server, f"/instruments/{S}/candles/history?interval=1s&start={start}&end={end - 1}&limit=1")
        assert page["messages"] == [first]


async def test_the_history_outlives_a_restart(tmp_path: Path) -> None:
    async def messages(server: Server) -> list[Any]:
        found: list[Any] = (await get(server, f"/instruments/{S}/candles/history?interval=1s&limit=1000"))["messages"]
        return found

    async with asyncio.timeout(WAIT_SECONDS):
        async with edge(data_dir=tmp_path, requests_per_second=10_000) as server, ws_connect(server.url) as ws:
            await call(ws, "subscribe", channel="candles", symbols=[S], interval="1s")
            while len(before := await messages(server)) < 2:
                await ws.recv()
        async with edge(data_dir=tmp_path, feeds=()) as server:
            after = await messages(server)
    assert after[: len(before)] == before
    assert (tmp_path / "candles.db").exists()


async def test_accounts_are_lists_with_their_place_in_the_stream() -> None:
    async with venue() as server:
        key = server.keys.create("b", scopes=("read",), kind="hmac")[1]
        async with ws_connect(server.url, additional_headers=basic(key)) as ws:
            for path, channel, method in (
                ("/orders", "orders", "order.list"),
                ("/account/balances", "balances", "account.balances"),
                ("/account/positions", "positions", "account.positions"),
                ("/account/fills", "fills", "account.fills"),
            ):
                listed = await get(server, path, key=key)
                snapshot = (await call(ws, "snapshot", channel=channel))["result"]
                place = {"epoch": server.tape.epoch, "seq": snapshot["seq"]}
                assert listed == {**snapshot["data"], **place} == (await call(ws, method))["result"]
                assert (snapshot["epoch"], len(listed[channel])) == (
                    server.tape.epoch, {"orders": 1, "fills": 100}.get(channel, len(listed[channel])),
                )  # fmt: skip
        portfolio = await get(server, "/account/portfolio?currency=USDT", key=key)
        assert (portfolio["epoch"], portfolio["holdings"][0]["asset"]) == (server.tape.epoch, "BTC")


# ---- who may -------------------------------------------------------------------------------------


async def test_where_a_key_is_required_only_the_time_is_for_everybody() -> None:
    async with venue(require_key=True) as server:
        for path in ("/instruments", f"/instruments/{S}", f"/instruments/{S}/book", f"/instruments/{S}/trades/history"):
            answer = await http(server, "GET", f"/api/v1{path}")
            assert (answer.status, json.loads(answer.body)["error"]["code"]) == (401, "not_logged_in")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert [*await get(server, "/time")] == ["time"]
        key = server.keys.create("alice", scopes=("read",), kind="hmac")[1]
        assert (await get(server, f"/instruments/{S}/book", key=key))["data"]["bids"] == [["0.99", "0.005"]]


async def test_a_key_sees_what_it_is_entitled_to_and_no_more() -> None:
    async with venue() as server:
        narrow = {"channels": ("book", "trades"), "symbols": ("SIM:*",)}
        key = server.keys.create("alice", scopes=("read",), kind="hmac", **narrow)[1]  # type: ignore[arg-type]
        (row,) = (await get(server, "/instruments", key=key))["instruments"]
        assert (row["symbol"], row["channels"]) == (S, ["trades", "book"])
        assert (await get(server, f"/instruments/{S}", key=key)) == row
        await get(server, f"/instruments/{S}/book", key=key)
        await get(server, f"/instruments/{S}/trades/history", key=key)
        for path in (
            f"/instruments/{S}/quotes",
            f"/instruments/{S}/candles/history",
            f"/instruments/{FX.symbol}/trades",
        ):
            assert (await get(server, path, 403, key))["error"]["code"] == "not_entitled"
        assert (await get(server, f"/instruments/{FX.symbol}", 404, key))["error"]["code"] == "unknown_symbol"


async def test_requests_are_counted_by_key_and_without_one_by_address() -> None:
    def left(answer: Answer) -> tuple[int, str]:
        return answer.status, answer.headers["ratelimit-remaining"]

    async with edge(feeds=(), requests_per_second=1) as server:
        now = server._now()
        server._gateway.admission._anonymous._now = lambda: now
        server._gateway.admission.requests._now = lambda: now
        headers = [basic(server.keys.create(account, scopes=("read",), kind="hmac")[1]) for account in "ab"]
        for given in ({}, *headers):
            assert left(await http(server, "GET", "/api/v1/time", **given)) == (200, "0")
            refused = await http(server, "GET", "/api/v1/time", **given)
            assert left(refused) == (429, "0")
            assert (refused.headers["retry-after"], json.loads(refused.body)["error"]["code"]) == ("1", "rate_limited")
        assert (await http(server, "GET", "/api/v1/orders")).status == 429  # so is what is refused


async def test_long_histories_cost_more(server: Server) -> None:
    path = f"/api/v1/instruments/{S}/trades/history"
    now = server._now()
    server._gateway.admission._anonymous._now = lambda: now
    rest = [
        int((await http(server, "GET", f"{path}?limit={limit}")).headers["ratelimit-remaining"])
        for limit in (100, 101, 1_000, 1)
    ]
    assert rest == [9_999, 9_997, 9_987, 9_986]


# ---- what is wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "code", "field"),
    [
        (f"/instruments/{S}/book?depth=7", 400, "invalid_params", "depth"),
        (f"/instruments/{S}/book?depth=ten", 400, "invalid_params", "depth"),
        (f"/instruments/{S}/book?depth=5&depth=5", 400, "invalid_params", "depth"),
        (f"/instruments/{S}/book?symbol={S}", 400, "invalid_params", "symbol"),
        (f"/instruments/{S}/quotes?depth=5", 400, "invalid_params", "depth"),
        (f"/instruments/{S}/candles?interval=2m", 400, "invalid_params", "interval"),
        (f"/instruments/{S}/trades/history?interval=1m", 400, "invalid_params", "interval"),
        (f"/instruments/{S}/trades/history?limit=0", 400, "invalid_params", "limit"),
        (f"/instruments/{S}/trades/history?limit=1001", 400, "invalid_params", "limit"),
        (f"/instruments/{S}/trades/history?start=-1", 400, "invalid_params", "start"),
        (f"/instruments/{S}/trades/history?end=9223372036854775808", 400, "invalid_params", "end"),
        (f"/instruments/{S}/rates", 404, "not_available", "channel"),
        ("/instruments/NO:SU-CH/book", 404, "unknown_symbol", "symbol"),
        ("/time?now=1", 400, "invalid_params", "now"),
        ("/orders", 401, "not_logged_in", None),
    ],
)
async def test_a_wrong_request_names_what_is_wrong(
    server: Server, path: str, status: int, code: str, field: str | None
) -> None:
    error = (await get(server, path, status))["error"]
    assert (error["code"], error.get("field")) == (code, field)


async def test_a_path_takes_its_own_verbs_only(server: Server) -> None:
    for verb, path, allowed in (
        ("PATCH", "/orders/batch", "POST"),
        ("GET", "/orders/batch", "POST"),
        ("PUT", "/orders", "POST, GET, DELETE, HEAD"),
        ("DELETE", "/time", "GET, HEAD"),
    ):
        answer = await http(server, verb, f"/api/v1{path}")
        assert (answer.status, answer.headers["allow"]) == (405, allowed)
        assert json.loads(answer.body)["error"]["code"] == "unknown_method"
    assert (await http(server, "HEAD", "/api/v1/time")).status == 200


@pytest.mark.parametrize(
    ("path", "body", "code", "field"),
    [
        ("POST /orders", '{"symbol":"a","symbol":"b"}', "invalid_params", "symbol"),
        ("POST /orders", "\xff{", "invalid_json", None),
        ("POST /orders", "[]", "invalid_params", "params"),
        ("PATCH /orders/1", '{"order_id":"2","price":"1"}', "invalid_params", "order_id"),
        ("PATCH /orders/client:c", '{"client_order_id":"d","price":"1"}', "invalid_params", "client_order_id"),
    ],
)
async def test_a_wrong_body_names_what_is_wrong(
    server: Server, path: str, body: str, code: str, field: str | None
) -> None:
    key = server.keys.create("a", scopes=("trade",), kind="hmac")[1]
    verb, _, path = path.partition(" ")
    answer = await http(server, verb, f"/api/v1{path}", body, **basic(key))
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error.get("field")) == (400, code, field)
