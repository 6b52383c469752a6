"""Trading over real sockets and over HTTP: one server, its own keys, and what each party sees of the other's orders."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from msgspec.structs import replace

import support
from tickwire import connect
from tickwire.cli.doctor import examine
from tickwire.config import ServerSettings
from tickwire.errors import ConnectionLost, RequestRefused
from tickwire.keyfile import KeyFile
from tickwire.model.records import ListInstrument
from tickwire.server.app import Server

SYMBOL = "SIM:BTC-USDT"
BTC = replace(support.BTC, feed="", maker_fee="0.001", taker_fee="0.002")
WAIT_SECONDS = 20


class Venue(NamedTuple):
    server: Server
    alice: KeyFile
    bob: KeyFile
    operator: KeyFile

    async def deposit(self, account: str, asset: str, amount: str) -> None:
        async with connect(self.server.url, key=self.operator) as client:
            params = {"account": account, "asset": asset, "amount": amount, "transfer_id": f"{account}/{asset}"}
            assert await client.request("admin.deposit", params) == {}


def settings(folder: Path) -> ServerSettings:
    return ServerSettings(port=0, data_dir=folder, feeds=(), drain_seconds=0)


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[Venue]:
    """BTC/USDT with nobody in it; alice has 1,000 USDT, bob 2 BTC."""
    server = Server(settings(tmp_path / "data"))
    files = [
        server.keys.create("alice", scopes=("read", "trade"), kind="ed25519")[1],
        server.keys.create("bob", scopes=("read", "trade"), kind="hmac")[1],
        server.keys.create("operator", scopes=("admin",), kind="hmac")[1],
    ]
    async with asyncio.timeout(WAIT_SECONDS), server.running():
        server._gateway.submit([ListInstrument(BTC)], lambda _: None)
        venue = Venue(server, *files)
        await venue.deposit("alice", "USDT", "1000")
        await venue.deposit("bob", "BTC", "2")
        yield venue


def amounts(balances: Any) -> dict[str, tuple[str, str]]:
    return {asset: (balance.available, balance.held) for asset, balance in balances.items()}


async def test_two_traders_meet_and_each_learns_exactly_what_became_of_it(venue: Venue) -> None:
    url = venue.server.url
    async with connect(url, key=venue.alice) as alice, connect(url, key=venue.bob, encoding="msgpack") as bob:
        book = await alice.book_l3(SYMBOL)
        sale = await bob.place(SYMBOL, "sell", "1.5", "100.00", client_order_id="s1")
        assert (sale.status, sale.data.remaining) == ("open", "1.500")
        assert amounts(await bob.balances()) == {"BTC": ("0.5", "1.5")}
        await book.until(lambda _: book.best_ask is not None)
        assert [(row.order_id, str(row.price), str(row.size)) for row in book.orders("sell")] == [
            (sale.order_id, "100.00", "1.500")
        ]

        purchase = await alice.place(SYMBOL, "buy", "1", "101.00")
        assert (purchase.status, purchase.data.average_price, purchase.data.fee) == ("filled", "100.00", "0.2")
        await sale.until(lambda order: order.data.filled == "1.000")
        assert (sale.status, sale.data.remaining, sale.data.fee) == ("open", "0.500", "0.1")
        assert amounts(await alice.balances()) == {"USDT": ("899.8", "0"), "BTC": ("1", "0")}
        assert amounts(await bob.balances()) == {"BTC": ("0.5", "0.5"), "USDT": ("99.9", "0")}
        position = (await alice.positions())[SYMBOL]
        assert (position.size, position.average_price, position.fees) == ("1.000", "100.00", "0.2")

        await sale.cancel()
        assert amounts(await bob.balances()) == {"BTC": ("1", "0"), "USDT": ("99.9", "0")}
    assert venue.server.market.ledger.imbalances() == []


async def test_an_order_repeated_under_its_id_is_placed_once(venue: Venue) -> None:
    params = {"symbol": SYMBOL, "side": "buy", "size": "1", "price": "90", "client_order_id": "once"}
    async with connect(venue.server.url, key=venue.alice) as first:
        answer = await first.request("order.place", params)
    async with connect(venue.server.url, key=venue.alice) as second:
        assert await second.request("order.place", params) == answer
        with pytest.raises(RequestRefused) as refused:
            await second.request("order.place", {**params, "size": "2"})
        assert (refused.value.code, refused.value.field) == ("duplicate_id", "client_order_id")
        assert [order.order_id for order in await second.orders()] == [answer["order"]["order_id"]]


async def test_an_unknown_order_is_an_answer_and_the_socket_stays(venue: Venue) -> None:
    async with connect(venue.server.url, key=venue.alice) as alice:
        session = alice.hello.session
        with pytest.raises(RequestRefused) as refused:
            await alice.request("order.get", {"client_order_id": "never"})
        assert (refused.value.code, refused.value.field) == ("unknown_order", "client_order_id")
        assert "rate" in await alice.request("ping")
        assert alice.hello.session == session


async def test_a_lost_connection_cancels_only_what_was_asked_and_a_logout_nothing(venue: Venue) -> None:
    url = venue.server.url
    async with connect(url, key=venue.alice) as watcher:
        await watcher.place(SYMBOL, "buy", "1", "80")
        async with connect(url, key=venue.alice) as calm:
            await calm.cancel_on_disconnect("connection")
            kept = await calm.place(SYMBOL, "buy", "1", "81")
            await calm.logout()
        guarded = connect(url, key=venue.alice)
        async with guarded:
            await guarded.cancel_on_disconnect("connection")
            gone = await guarded.place(SYMBOL, "buy", "1", "82")
        canceled = await watcher.order(gone.order_id)
        await canceled.done()
        assert (canceled.status, canceled.data.reason) == ("canceled", "disconnected")
        assert [order.price for order in await watcher.orders()] == ["80.00", "81.00"]
        assert (await watcher.order(kept.order_id)).status == "open"


async def test_a_revoked_key_closes_its_sockets(venue: Venue) -> None:
    async with connect(venue.server.url, key=venue.alice) as client:
        fills = await client.fills()
        venue.server.keys.revoke(venue.alice.key)
        with pytest.raises(ConnectionLost) as lost:
            await anext(aiter(fills))
        assert lost.value.code == 4403


async def test_what_was_acknowledged_is_there_after_a_restart(venue: Venue, tmp_path: Path) -> None:
    async with connect(venue.server.url, key=venue.alice) as client:
        order = await client.place(SYMBOL, "buy", "1", "90", client_order_id="kept")
        before = amounts(await client.balances())
    copy = tmp_path / "copy"  # the files as a killed process leaves them
    copy.mkdir()
    for path in (tmp_path / "data").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert all(healthy for healthy, _ in examine(copy))
    server = Server(settings(copy))
    async with server.running(), connect(server.url, key=venue.alice) as client:
        assert await client.orders() == [order.data]
        assert amounts(await client.balances()) == before


def http(server: Server, method: str, path: str, key: KeyFile | None, body: Any = None) -> tuple[int, Any]:
    """A request over HTTP, in a thread of its own."""
    headers = {} if key is None else {"Authorization": f"Bearer {key.token(int(server._now() // 10**9))}"}
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"http://127.0.0.1:{server.port}/api/v1{path}", data, headers, method=method)
    try:
        with urlopen(request, timeout=WAIT_SECONDS) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        return error.code, json.load(error)


async def test_the_same_operations_over_http(venue: Venue) -> None:
    async def call(method: str, path: str, key: KeyFile | None = venue.alice, body: Any = None) -> tuple[int, Any]:
        return await asyncio.to_thread(http, venue.server, method, path, key, body)

    params = {"symbol": SYMBOL, "side": "buy", "size": "1", "price": "90", "client_order_id": "web"}
    status, placed = await call("POST", "/orders", body=params)
    order_id = placed["order"]["order_id"]
    assert (status, placed["order"]["status"], placed["fills"]) == (200, "open", [])
    assert await call("GET", "/orders/client:web") == (200, placed)
    status, amended = await call("PATCH", f"/orders/{order_id}", body={"price": "91"})
    assert (status, amended["order"]["price"], amended["order"]["order_id"]) == (200, "91.00", order_id)
    epoch = venue.server.tape.epoch
    assert await call("GET", f"/orders?symbol={SYMBOL}") == (
        200,
        {"orders": [amended["order"]], "epoch": epoch, "seq": 2},
    )
    status, balances = await call("GET", "/account/balances")
    rows = [{"asset": "USDT", "available": "908.818", "held": "91.182"}]
    assert balances == {"balances": rows, "epoch": epoch, "seq": 3}
    assert await call("DELETE", f"/orders?symbol={SYMBOL}") == (200, {"order_ids": [order_id]})
    status, error = await call("DELETE", f"/orders/{order_id}")
    assert (status, error["error"]["code"]) == (409, "order_closed")
    batch = [{"method": "place", "params": {**params, "client_order_id": "w2"}}, {"method": "cancel", "params": {}}]
    status, answer = await call("POST", "/orders/batch", body={"operations": batch})
    assert (status, [*answer["results"][0]], answer["results"][1]["error"]["field"]) == (
        200,
        ["result"],
        "operations[1].params.order_id",
    )

    assert (await call("GET", "/orders", None))[0] == 401
    status, error = await call("GET", "/orders", venue.operator)
    assert (status, error["error"]["code"]) == (403, "not_permitted")
    status, error = await call("POST", "/orders", body={**params, "size": "0.0001"})
    assert (status, error["error"]["field"]) == (400, "size")
