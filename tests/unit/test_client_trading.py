"""Trading through the client on real loopback sockets, against a server that says what each test scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from client_peer import FakeServer, Peer, hello, quick, start, went_on
from tickwire.client import Client, LiveAccount, LiveOrder, Lost, Reconciled, connect_blocking
from tickwire.client.orders import decimal_text
from tickwire.errors import (
    ClientError,
    ConfigError,
    ConnectionLost,
    InvalidInput,
    OrderNotPlaced,
    OutcomeUnknown,
    RequestRefused,
)
from tickwire.keyfile import KeyFile, encode_base64url
from tickwire.protocol.messages import (
    BalanceData,
    BalancesData,
    BatchItem,
    BatchResult,
    ErrorBody,
    FillData,
    FillsSnapshot,
    LoginResult,
    OpenOrdersData,
    OrderData,
    OrderParams,
    OrderResult,
    OrdersResult,
    PlaceParams,
    PositionData,
    PositionsData,
    StreamMessage,
)

BTC = "SIM:BTC-USDT"
KEY = KeyFile("k1", "hmac", encode_base64url(bytes(32)), "alice", ("read", "trade"))
LOGIN = LoginResult("alice", ["read", "trade"])
UNKNOWN = ErrorBody("unknown_order", "no such order", "client_order_id")


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    """A test that would wait forever fails instead."""
    timer = asyncio.get_running_loop().call_later(10, lambda: [task.cancel() for task in asyncio.all_tasks()])
    yield
    timer.cancel()


def order(order_id: str = "7", client_order_id: str = "c1", **changes: Any) -> OrderData:
    data = OrderData(
        order_id, client_order_id, BTC, "buy", "limit", "open", "gtc", "100.00", None, "3.000", "3.000", "0.000", None,
        "0", False, False, None, "cancel_newest", None, "", 1, 1,
    )  # fmt: skip
    return msgspec.structs.replace(data, **changes)


def fill(seq: int, size: str = "1.000", order_id: str = "7", client_order_id: str = "c1") -> FillData:
    return FillData(BTC, f"t{seq}", order_id, client_order_id, "buy", "100.00", size, "0", "USDT", "maker", seq, 5)


def private(channel: str, kind: Any, seq: int, data: object) -> StreamMessage:
    return StreamMessage(channel, "alice", kind, seq, 9, data)


def fills_snapshot(seq: int, *fills: FillData) -> StreamMessage:
    return private("fills", "snapshot", seq, FillsSnapshot(list(fills)))


def balances(seq: int, kind: Any = "snapshot", **amounts: str) -> StreamMessage:
    rows = [BalanceData(asset, amount, "0") for asset, amount in amounts.items()]
    return private("balances", kind, seq, BalancesData(rows))


def open_orders(seq: int, *orders: OrderData) -> StreamMessage:
    return private("orders", "snapshot", seq, OpenOrdersData(list(orders)))


NO_POSITIONS = private("positions", "snapshot", 0, PositionsData([]))


async def logged_in(server: FakeServer, *, again: bool = False) -> Peer:
    """The next connection, logged in; one that is made `again` ends the session before it."""
    peer = await server.peer()
    request = await peer.answer("auth.login", LOGIN)
    takeover = {"takeover": "s1"} if again else {}
    assert request["params"] == {"key": "k1", "signature": KEY.sign("c"), **takeover}
    return peer


PLACES = {"fills": 0, "balances": 3, "positions": 0, "orders": 2}
"""Where the streams of an account stand that has been opened."""


async def account_opens(peer: Peer, *orders: OrderData) -> None:
    """The four private streams of a live account, none of which names a symbol."""
    streams = [fills_snapshot(0), balances(3, USDT="500"), NO_POSITIONS, open_orders(2, *orders)]
    for message in streams:
        asked = await peer.answer("subscribe", {"streams": []}, message)
        assert asked["params"] == {"channel": message.channel}


async def account_goes_on(peer: Peer, *missed: StreamMessage, places: dict[str, int] = PLACES) -> None:
    """The four streams again, from where they stood, each with what it missed."""
    for channel, place in places.items():
        messages = [message for message in missed if message.channel == channel]
        asked = await peer.answer("subscribe", went_on(channel, place + len(messages), "alice"), *messages)
        assert asked["params"] == {"channel": channel, "from": {"epoch": "e1", "seq": place}}


async def account_begins_anew(peer: Peer, *snapshots: StreamMessage) -> None:
    for message in snapshots:
        result = went_on(message.channel, message.seq, "alice", "too long ago")
        assert (await peer.answer("subscribe", result, message))["params"]["channel"] == message.channel


async def traded(client: Client, peer: Peer, *known: OrderData) -> LiveAccount:
    task = start(client.account())
    await account_opens(peer, *known)
    account: LiveAccount = await task
    return account


async def placed(client: Client, peer: Peer) -> LiveOrder:
    task = start(client.place(BTC, "buy", "3", "100", client_order_id="c1"))
    await peer.answer("order.place", OrderResult(order(), []))
    placed: LiveOrder = await task
    return placed


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as server:
        yield server


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[Client]:
    client = quick(server.url, key=KEY, new_id=lambda: "made")
    opening = start(client.__aenter__())
    server.first = await logged_in(server)  # type: ignore[attr-defined]
    await opening
    yield client
    await client.close()


@pytest.fixture
def peer(server: FakeServer, client: Client) -> Peer:
    first: Peer = server.first  # type: ignore[attr-defined]
    return first


# ---- login -------------------------------------------------------------------------------------------


async def test_a_refused_login_ends_the_client_and_says_why(server: FakeServer) -> None:
    client = quick(server.url, key=KEY, keep_trying=True)
    opening = start(client.__aenter__())
    await (await server.peer()).refuse("auth.login", ErrorBody("login_failed", "revoked"))
    with pytest.raises(ConnectionLost, match="refused the login: login_failed: revoked") as caught:
        await opening
    assert (caught.value.code, client.stats.connections) == (4401, 0)


async def test_a_login_that_may_work_later_is_repeated(server: FakeServer) -> None:
    client = quick(server.url, key=KEY, keep_trying=True)
    opening = start(client.__aenter__())
    await (await server.peer()).refuse("auth.login", ErrorBody("busy", "later", retry=True))
    await logged_in(server)
    await opening
    assert client.connected
    await client.close()


async def test_a_close_reason_during_the_login_can_say_how_long_to_stay_away(server: FakeServer) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if seconds == 1:  # what the server has to say comes first
            await asyncio.Event().wait()

    client = quick(server.url, key=KEY, keep_trying=True, sleep=sleep, random=lambda: 0.5)
    opening = start(client.__aenter__())
    peer = await server.peer()
    await peer.refuse("auth.login", ErrorBody("too_many_connections", "later", retry=True))
    await peer.ws.close(4102, "too many connections of this key; retry_after=10")
    await logged_in(server)
    await opening
    assert waits == [1, 10]
    await client.close()


async def test_a_close_code_during_the_login_can_forbid_another(server: FakeServer) -> None:
    client = quick(server.url, key=KEY, keep_trying=True)
    opening = start(client.__aenter__())
    peer = await server.peer()
    await peer.asked("auth.login")
    await peer.ws.close(4403, "the session's key was revoked")
    with pytest.raises(ConnectionLost, match="4403: the session's key was revoked") as caught:
        await opening
    assert caught.value.code == 4403


async def test_after_a_reconnection_login_comes_first_then_the_guards_then_the_streams(
    server: FakeServer, client: Client, peer: Peer
) -> None:
    await traded(client, peer)
    for call, method, params in (
        (client.cancel_on_disconnect("connection"), "session.cancel_on_disconnect", {"scope": "connection"}),
        (client.dead_man(5000), "session.dead_man", {"timeout_ms": 5000}),
    ):
        task = start(call)
        assert (await peer.answer(method, {}))["params"] == params
        await task
    peer.ws.transport.abort()
    peer = await logged_in(server, again=True)
    assert (await peer.answer("session.cancel_on_disconnect", {}))["params"] == {"scope": "connection"}
    assert (await peer.answer("session.dead_man", {}))["params"] == {"timeout_ms": 5000}
    await account_goes_on(peer)


async def test_logout_ends_private_streams_and_no_later_connection_logs_in(
    server: FakeServer, client: Client, peer: Peer
) -> None:
    account = await traded(client, peer)
    live = await placed(client, peer)
    task = start(client.logout())
    await peer.answer("auth.logout", {})
    await task
    with pytest.raises(ClientError, match="closed"):
        account.balances  # noqa: B018
    with pytest.raises(ConnectionLost):
        await live.done()
    with pytest.raises(InvalidInput, match="needs a key"):
        await client.fills()
    peer.ws.transport.abort()
    peer = await server.peer()
    time = start(again(client))
    await peer.answer("time", {"time": 4})
    assert await time == 4


async def test_a_logout_holds_also_without_a_connection(server: FakeServer, client: Client, peer: Peer) -> None:
    account = await traded(client, peer)
    peer.ws.transport.abort()
    while client.connected:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await client.logout()
    with pytest.raises(ClientError, match="closed"):
        account.balances  # noqa: B018
    peer = await server.peer()
    time = start(again(client))
    await peer.answer("time", {"time": 4})
    assert await time == 4


async def again(client: Client) -> int:
    await client._keeper._up.wait()
    while not client.connected:  # noqa: ASYNC110
        await asyncio.sleep(0)
    return await client.time()


def test_a_key_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"alice\.key"):
        Client("ws://127.0.0.1/ws", key=tmp_path / "alice.key")


# ---- orders ------------------------------------------------------------------------------------------


def test_numbers_go_out_as_plain_decimals() -> None:
    assert [decimal_text(n, "size") for n in ("0.10", Decimal("1E+3"), 7)] == ["0.10", "1000", "7"]
    for wrong, why in ((0.1, "not a float"), (True, "not a bool"), ("x", "decimal such as"), ("nan", "finite")):
        with pytest.raises(InvalidInput, match=why) as caught:
            decimal_text(wrong, "size")  # type: ignore[arg-type]
        assert caught.value.field == "size"


async def test_an_order_is_placed_and_follows_the_streams_to_its_end(client: Client, peer: Peer) -> None:
    await traded(client, peer)
    task = start(client.place(BTC, "buy", Decimal(3), "100.00", post_only=True, display_size=1))
    request = await peer.asked("order.place")
    assert request["params"] == {
        "symbol": BTC, "side": "buy", "size": "3", "price": "100.00", "post_only": True, "display_size": "1",
        "client_order_id": "made",
    }  # fmt: skip
    # the stream is ahead of the reply
    first = order(client_order_id="made", updated=2, filled="1.000", remaining="2.000", average_price="100.00")
    await peer.say(
        private("orders", "update", 3, order(client_order_id="made")),
        private("orders", "update", 4, first),
        private("fills", "update", 1, fill(1, client_order_id="made")),
        {"id": request["id"], "time_in": 1, "time_out": 2, "result": OrderResult(order(client_order_id="made"), [])},
    )
    live: LiveOrder = await task
    assert (live.status, live.filled, live.remaining, live.average_price) == (
        "open",
        Decimal(1),
        Decimal(2),
        Decimal(100),
    )
    assert [f.seq for f in live.fills] == [1]
    last = order(client_order_id="made", updated=3, status="filled", filled="3.000", remaining="0.000")
    await peer.say(private("orders", "update", 5, last), private("fills", "update", 2, fill(2, "2.000")))
    assert (await live.done()) == last
    await live.until(lambda o: o.complete)
    assert [f.size for f in live.fills] == ["1.000", "2.000"]
    assert (await client.account()).orders == {}


async def test_amend_and_cancel_of_a_live_order(client: Client, peer: Peer) -> None:
    await traded(client, peer)
    live = await placed(client, peer)
    task = start(live.amend(price="101", size=2))
    changed = order(price="101.00", size="2.000", remaining="2.000", updated=2)
    assert (await peer.answer("order.amend", OrderResult(changed, [])))["params"] == {
        "order_id": "7", "price": "101", "size": "2",
    }  # fmt: skip
    assert await task == changed
    task = start(live.cancel())
    await peer.answer("order.cancel", OrderResult(order(status="canceled", updated=3), []))
    assert (await task).status == "canceled"
    assert live.closed
    await peer.say(private("orders", "update", 3, order(updated=3)))  # of the same instant, and behind the reply
    heard = start(client.time())
    await peer.answer("time", {"time": 1})
    await heard
    with pytest.raises(InvalidInput, match="not a float"):
        await live.amend(price=1.5)  # type: ignore[arg-type]
    assert live.status == "canceled"


@pytest.mark.parametrize(
    "news", [{"status": "canceled", "remaining": "0.000"}, {"filled": "1.000", "remaining": "1.000"}]
)
async def test_a_reply_never_comes_after_what_the_streams_said_behind_it(
    client: Client, peer: Peer, news: dict[str, str]
) -> None:
    account = await traded(client, peer, order())
    task = start(client.amend("7", size="2"))
    amended = order(size="2.000", remaining="2.000", updated=5)  # and then, in the same transaction
    now = msgspec.structs.replace(amended, **news)
    await peer.answer("order.amend", OrderResult(amended, []), private("orders", "update", 3, now))
    live = await task
    await account.until(lambda _: account.orders != {"7": order()})
    assert live.data == now


async def test_the_other_requests_of_trading_are_typed(client: Client, peer: Peer) -> None:
    listed = start(client.orders(BTC))
    assert (await peer.answer("order.list", OrdersResult([order()], epoch="e", seq=1)))["params"] == {"symbol": BTC}
    assert await listed == [order()]
    canceled = start(client.cancel_all())
    await peer.answer("order.cancel_all", {"order_ids": ["7"]})
    assert await canceled == ["7"]
    batch = start(client.batch([PlaceParams(BTC, "buy", "1", price="2"), OrderParams("8")]))
    items = [BatchItem(OrderResult(order(), [])), BatchItem(error=UNKNOWN)]
    asked = (await peer.answer("order.batch", BatchResult(items)))["params"]["operations"]
    assert asked[1] == {"method": "cancel", "params": {"order_id": "8"}}
    assert asked[0] == {"method": "place", "params": {"symbol": BTC, "side": "buy", "size": "1", "price": "2"}}
    good, bad = await batch
    assert good == OrderResult(order(), [])
    assert isinstance(bad, RequestRefused)
    assert (bad.code, bad.field) == ("unknown_order", "client_order_id")
    held = start(client.balances())
    await peer.answer("account.balances", BalancesData([BalanceData("USDT", "5", "1")]))
    assert await held == {"USDT": BalanceData("USDT", "5", "1")}
    position = PositionData(BTC, "1", "100", "0", None, "0", None)
    positions = start(client.positions())
    await peer.answer("account.positions", PositionsData([position]))
    assert await positions == {BTC: position}
    portfolio = start(client.portfolio("USDT"))
    await peer.answer("account.portfolio", {"currency": "USDT", "total": "5", "holdings": [], "epoch": "e", "seq": 1})
    assert (await portfolio).total == "5"


# ---- outcomes ----------------------------------------------------------------------------------------


async def placing(client: Client, peer: Peer, **options: Any) -> asyncio.Task[Any]:
    """An order whose connection is cut before the reply."""
    await traded(client, peer)
    task = start(client.place(BTC, "buy", 3, 100, client_order_id="c1", **options))
    await peer.asked("order.place")
    peer.ws.transport.abort()
    return task


async def asked_for(peer: Peer, *known: OrderData, error: ErrorBody | None = None) -> None:
    """Take the four re-subscriptions, and the question for the order wherever it comes among them."""
    open_: list[StreamMessage] = [fills_snapshot(0), balances(3, USDT="5"), NO_POSITIONS, open_orders(2, *known)]
    for _ in range(5):
        request = peer.codec.decode(await peer.ws.recv())
        reply = {"id": request["id"], "time_in": 1, "time_out": 2}
        if request["method"] == "order.get":
            assert request["params"] == {"client_order_id": "c1"}
            await peer.say(reply | ({"error": error} if error else {"result": OrderResult(order(updated=5), [])}))
        else:
            [message] = [m for m in open_ if m.channel == request["params"]["channel"]]
            await peer.say(reply | {"result": {"streams": []}}, message)


async def test_an_order_whose_reply_was_lost_is_found_again(server: FakeServer, client: Client, peer: Peer) -> None:
    task = await placing(client, peer)
    await asked_for(await logged_in(server, again=True), order(updated=5))
    live: LiveOrder = await task
    assert (live.order_id, live.data.updated) == ("7", 5)


async def test_an_order_that_the_server_does_not_know_was_not_placed(
    server: FakeServer, client: Client, peer: Peer
) -> None:
    task = await placing(client, peer)
    await asked_for(await logged_in(server, again=True), error=UNKNOWN)
    with pytest.raises(OrderNotPlaced, match="order c1 was not placed"):
        await task


async def test_another_epoch_leaves_the_outcome_unknown(client: Client, server: FakeServer, peer: Peer) -> None:
    server._hellos.append(hello(epoch="e2"))
    task = await placing(client, peer)
    await logged_in(server, again=True)
    with pytest.raises(OutcomeUnknown, match=r"c1 was placed is unknown.*new epoch"):
        await task


async def test_no_connection_in_time_leaves_the_outcome_unknown(client: Client, server: FakeServer, peer: Peer) -> None:
    task = await placing(client, peer, timeout=0.05)
    with pytest.raises(OutcomeUnknown, match=r"no reply to order\.place in time"):
        await task


async def test_an_order_that_was_not_sent_says_so(client: Client, peer: Peer) -> None:
    await traded(client, peer)
    others = [start(client.request("time")) for _ in range(32)]
    for _ in others:
        await peer.asked("time")
    task = start(client.place(BTC, "buy", 3, 100))
    await asyncio.sleep(0)
    peer.ws.transport.abort()
    with pytest.raises(ConnectionLost, match=r"order\.place was not sent") as error:
        await task
    assert not error.value.sent
    for one in others:
        with pytest.raises(ConnectionLost) as error:
            await one
        assert error.value.sent


async def test_a_refusal_is_no_unknown_outcome(client: Client, peer: Peer) -> None:
    await traded(client, peer)
    task = start(client.place(BTC, "buy", 3, 100))
    await peer.refuse("order.place", ErrorBody("insufficient_balance", "too little", "size"))
    with pytest.raises(RequestRefused, match="insufficient_balance"):
        await task


# ---- reconciliation ----------------------------------------------------------------------------------


async def lost_with_an_order(
    server: FakeServer, client: Client, peer: Peer
) -> tuple[Peer, LiveAccount, LiveOrder, asyncio.Future[Reconciled]]:
    """An account with orders 5 and 7, of which the client follows 7, and its next connection."""
    account = await traded(client, peer, order("5", "other"))
    live = await placed(client, peer)
    await peer.say(private("orders", "update", 3, order()))
    await account.until(lambda a: "7" in a.orders)
    seen: asyncio.Future[Reconciled] = asyncio.get_running_loop().create_future()
    account.on_reconciled = seen.set_result
    peer.ws.transport.abort()
    peer = await logged_in(server, again=True)
    with pytest.raises(ClientError, match=r"orders of alice can't be read now: the connection is lost"):
        account.orders  # noqa: B018
    return peer, account, live, seen


CHANGED = order("5", "other", price="99.00", updated=4)
FILLED = order(status="filled", filled="3.000", remaining="0.000", updated=4)


async def test_an_account_that_is_opened_in_part_leaves_its_streams(client: Client, peer: Peer) -> None:
    task = start(client.account())
    begun = [(await peer.answer("subscribe", {"streams": []}))["params"] for _ in range(2)]
    await peer.refuse("subscribe", ErrorBody("rate_limited", "later", retry=True))
    assert [(await peer.answer("unsubscribe", {}))["params"] for _ in range(2)] == begun
    with pytest.raises(RequestRefused, match="rate_limited"):
        await task
    pinging = start(client.ping())
    await peer.answer("ping", {})
    await pinging


async def test_after_a_reconnection_the_account_goes_on_with_what_it_missed(
    server: FakeServer, client: Client, peer: Peer
) -> None:
    peer, account, live, seen = await lost_with_an_order(server, client, peer)
    places = PLACES | {"orders": 3}
    missed = [private("orders", "update", 4, CHANGED), private("orders", "update", 5, FILLED)]
    filled = [private("fills", "update", seq, fill(seq, "1.500")) for seq in (1, 2)]
    await account_goes_on(peer, *filled, balances(4, "update", USDT="200"), *missed, places=places)
    assert await seen == Reconciled([CHANGED, FILLED], 2)
    assert (live.data, live.fills, live.complete) == (FILLED, [fill(1, "1.500"), fill(2, "1.500")], True)
    assert account.orders == {"5": CHANGED}
    assert account.balances == {"USDT": BalanceData("USDT", "200", "0")}
    assert client.stats.lost == 0


async def test_an_account_that_catches_up_is_not_valid_yet(server: FakeServer, client: Client, peer: Peer) -> None:
    peer, account, live, seen = await lost_with_an_order(server, client, peer)
    for channel, seq in (PLACES | {"orders": 5, "fills": 1}).items():
        await peer.answer("subscribe", went_on(channel, seq, "alice"))
    await peer.say(private("orders", "update", 4, CHANGED))
    await turns_until(lambda: account._seqs["orders"] == 4)
    with pytest.raises(ClientError, match="orders of alice can't be read now: it catches up with the 2 messages"):
        account.orders  # noqa: B018
    await peer.say(private("orders", "update", 5, FILLED))
    await turns_until(lambda: account._seqs["orders"] == 5)
    assert account.orders == {"5": CHANGED}  # all that is missing are fills
    assert not account.valid
    assert not seen.done()
    await peer.say(private("fills", "update", 1, fill(1, "3.000")))
    assert await seen == Reconciled([CHANGED, FILLED], 1)
    assert account.valid
    assert live.complete


async def turns_until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_an_account_that_begins_anew_has_nothing_to_catch_up_with(
    server: FakeServer, client: Client, peer: Peer
) -> None:
    peer, account, _, seen = await lost_with_an_order(server, client, peer)
    for channel in PLACES:
        await peer.answer("subscribe", went_on(channel, 90, "alice"))
    server._hellos.append(hello(epoch="e2"))
    peer.ws.transport.abort()
    peer = await logged_in(server, again=True)
    for snapshot in (fills_snapshot(1), balances(1, USDT="7"), NO_POSITIONS, open_orders(1, order())):
        await peer.answer("subscribe", {}, snapshot)
    assert (await seen).fills == 0
    assert account.balances == {"USDT": BalanceData("USDT", "7", "0")}


async def test_after_a_loss_every_order_is_what_the_server_says(server: FakeServer, client: Client, peer: Peer) -> None:
    peer, account, live, seen = await lost_with_an_order(server, client, peer)
    snapshots = balances(9, USDT="200"), NO_POSITIONS, open_orders(9, CHANGED)
    await account_begins_anew(peer, fills_snapshot(1, fill(1, "3.000")), *snapshots)
    assert (await peer.answer("order.get", OrderResult(FILLED, [fill(1, "3.000")])))["params"] == {"order_id": "7"}
    assert await seen == Reconciled([CHANGED, FILLED], 1)
    assert (live.data, live.complete) == (FILLED, True)
    assert account.orders == {"5": CHANGED}
    assert account.balances == {"USDT": BalanceData("USDT", "200", "0")}


async def test_an_order_that_was_open_when_it_was_asked_for_is_followed_on(
    server: FakeServer, client: Client, peer: Peer
) -> None:
    peer, _, live, seen = await lost_with_an_order(server, client, peer)
    await account_begins_anew(peer, fills_snapshot(0), balances(9), NO_POSITIONS, open_orders(9))
    await peer.answer("order.get", OrderResult(order(updated=5), []))  # as of one placed behind that snapshot
    await seen
    canceled = order(status="canceled", remaining="0.000", updated=6)
    await peer.say(private("orders", "update", 10, canceled))
    assert await live.done() == canceled


async def test_an_order_that_is_forgotten_meanwhile_is_unknown(server: FakeServer, client: Client, peer: Peer) -> None:
    await traded(client, peer)
    live = await placed(client, peer)
    peer.ws.transport.abort()
    peer = await logged_in(server, again=True)
    await account_begins_anew(peer, fills_snapshot(0), balances(3), NO_POSITIONS, open_orders(2))
    await peer.refuse("order.get", ErrorBody("rate_limited", "slower", retry=True))
    await peer.refuse("order.get", UNKNOWN)
    with pytest.raises(OutcomeUnknown, match="can't tell what became of 7"):
        await live.done()


async def test_balances_follow_their_updates(client: Client, peer: Peer) -> None:
    account = await traded(client, peer)
    await peer.say(balances(4, "update", BTC="2"))
    await account.until(lambda a: "BTC" in a.balances)
    assert account.balances == {"USDT": BalanceData("USDT", "500", "0"), "BTC": BalanceData("BTC", "2", "0")}


# ---- fills -------------------------------------------------------------------------------------------


async def fills_of(client: Client, peer: Peer) -> Any:
    task = start(client.fills())
    asked = await peer.answer("subscribe", {"streams": []}, fills_snapshot(4, fill(3), fill(4)))
    assert asked["params"] == {"channel": "fills"}
    await peer.say(private("fills", "update", 5, fill(5)))
    return aiter(await task)


@pytest.mark.parametrize("recovered", [True, False])
async def test_fills_are_neither_missed_nor_repeated_over_a_reconnection(
    server: FakeServer, client: Client, peer: Peer, recovered: bool
) -> None:
    fills = await fills_of(client, peer)
    assert await anext(fills) == fill(5)
    peer.ws.transport.abort()
    peer = await logged_in(server, again=True)
    missing = [private("fills", "update", seq, fill(seq)) for seq in (6, 7)]
    if not recovered:
        missing = [fills_snapshot(7, *[fill(seq) for seq in (4, 5, 6, 7)])]
    result = went_on("fills", 7, "alice", "" if recovered else "too long ago")
    asked = await peer.answer("subscribe", result, *missing, private("fills", "update", 8, fill(8)))
    assert asked["params"] == {"channel": "fills", "from": {"epoch": "e1", "seq": 5}}
    assert [await anext(fills) for _ in range(3)] == [fill(6), fill(7), fill(8)]


async def test_fills_that_can_not_be_had_any_more_are_told(server: FakeServer, client: Client, peer: Peer) -> None:
    fills = await fills_of(client, peer)
    assert await anext(fills) == fill(5)
    await peer.say(private("fills", "update", 9, fill(9)))  # a hole on the way
    asked = await peer.answer("subscribe", {}, fills_snapshot(9, fill(8), fill(9)))
    assert asked["params"] == {"channel": "fills"}
    lost = await anext(fills)
    assert lost == Lost("fills", "alice", 5, "2 fills happened that the server does not keep any more")
    assert [await anext(fills) for _ in range(2)] == [fill(8), fill(9)]


async def test_a_new_epoch_is_told_and_its_fills_follow(server: FakeServer, client: Client, peer: Peer) -> None:
    fills = await fills_of(client, peer)
    await anext(fills)
    server._hellos.append(hello(epoch="e2"))
    peer.ws.transport.abort()
    peer = await logged_in(server, again=True)
    await peer.answer("subscribe", {}, fills_snapshot(2, fill(1), fill(2)))
    await peer.say(private("fills", "update", 3, fill(3)))
    lost = await anext(fills)
    assert (lost.after, "began anew" in lost.reason) == (5, True)
    assert await anext(fills) == fill(3)


# ---- blocking ----------------------------------------------------------------------------------------


async def test_the_blocking_twin_trades(server: FakeServer) -> None:
    def script() -> list[Any]:
        with connect_blocking(server.url, reconnect=False, key=KEY) as client:
            live = client.place(BTC, "buy", "3", "100", client_order_id="c1")
            return [live.status, live.cancel().status, live.status, client.account().balances["USDT"].available]

    running = start(asyncio.to_thread(script))
    peer = await logged_in(server)
    await account_opens(peer)
    await peer.answer("order.place", OrderResult(order(), []))
    await peer.answer("order.cancel", OrderResult(order(status="canceled", updated=2), []))
    assert await running == ["open", "canceled", "canceled", "500"]
