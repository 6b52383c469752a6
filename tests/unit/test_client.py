"""The client on real loopback sockets, against a server that says what each test scripts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from zlib import crc32

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

import tickwire
from client_peer import FakeServer, Peer, connected, hello, let_run, quick, start, went_on
from tickwire.client import Client, Lost, Resumed, Subscription, connect, connect_blocking, queue
from tickwire.client.backoff import backoff_seconds
from tickwire.client.link import Link, Receiver, open_link
from tickwire.errors import BookInvalid, ClientError, ConnectionLost, InvalidInput, RequestRefused, UnknownSymbol
from tickwire.protocol.client_codec import Encoding
from tickwire.protocol.messages import (
    BookData,
    ErrorBody,
    Gap,
    Heartbeat,
    InstrumentInfo,
    OrdersData,
    QuoteData,
    Reply,
    StatusData,
    StreamMessage,
    StreamState,
    TradeData,
    TradesSnapshot,
)

BTC, ETH = "SIM:BTC-USDT", "SIM:ETH-USDT"
STATUS = StatusData("open", "live", "")
INFO = InstrumentInfo(BTC, "SIM", "BTC", "USDT", "crypto", "matched", "0.01", "0.001", ["book"], STATUS)


def trade(seq: int, symbol: str = BTC) -> StreamMessage:
    data = TradeData(f"t{seq}", f"{seq}.00", "0.001", "buy", 5, None, None)
    return StreamMessage("trades", symbol, "update", seq, 9, data)


def no_trades(seq: int, symbol: str = BTC) -> StreamMessage:
    return StreamMessage("trades", symbol, "snapshot", seq, 9, TradesSnapshot([]))


def book(kind: Any, seq: int, price: str, *, add: int = 0, symbol: str = BTC) -> StreamMessage:
    """A book of one bid; `add` falsifies the checksum."""
    text = price.replace(".", "").lstrip("0") + "1000"
    return StreamMessage("book", symbol, kind, seq, 9, BookData([(price, "1.000")], [], crc32(text.encode()) + add))


def quote(seq: int) -> StreamMessage:
    return StreamMessage("quotes", BTC, "update" if seq else "snapshot", seq, 9, QuoteData("1.0", "2", "1.1", "3", 5))


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    """A test that would wait forever fails instead."""
    timer = asyncio.get_running_loop().call_later(10, lambda: [task.cancel() for task in asyncio.all_tasks()])
    yield
    timer.cancel()


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as server:
        yield server


async def subscribed(client: Client, peer: Peer, *then: object, symbols: Any = BTC) -> Subscription:
    task = start(client.subscribe("trades", symbols))
    await peer.answer("subscribe", {"streams": []}, *then)
    subscription: Subscription = await task
    return subscription


async def take(subscription: Subscription, count: int) -> list[Any]:
    iterator = aiter(subscription)
    return [await anext(iterator) for _ in range(count)]


# ---- requests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_requests_are_typed(server: FakeServer, encoding: Encoding) -> None:
    async with connect(server.url, encoding=encoding) as client:
        peer = await server.peer()
        assert peer.ws.subprotocol == f"tickwire.v1.{encoding}"
        assert (client.hello, client.connected) == (hello(), True)

        rows = start(client.instruments(venue="SIM"))
        assert (await peer.answer("instruments", {"instruments": [INFO]}))["params"] == {"venue": "SIM"}
        assert await rows == [INFO]

        now = start(client.time())
        await peer.answer("time", {"time": 123})
        assert await now == 123

        state = StreamState("trades", BTC, 5)
        streams = start(client.subscriptions())
        await peer.answer("subscriptions", {"streams": [state]})
        assert await streams == [state]

        shown = start(client.snapshot("book", BTC, depth=5))
        asked = await peer.answer("snapshot", book("snapshot", 5, "1.00"))
        assert asked["params"] == {"channel": "book", "symbol": BTC, "depth": 5}
        assert await shown == book("snapshot", 5, "1.00")

        round_trip = start(client.ping())
        await peer.answer("ping", {})
        assert 0 < await round_trip < 5e9

        free = start(client.request("history", {"n": 1}))
        assert (await peer.answer("history", {"rows": [1]}))["params"] == {"n": 1}
        assert await free == {"rows": [1]}


async def test_a_refusal_is_raised_with_its_fields(server: FakeServer) -> None:
    async with connect(server.url) as client:
        task = start(client.subscribe("trades", "SIM:NO-NE"))
        await (await server.peer()).refuse("subscribe", ErrorBody("unknown_symbol", "no", "symbols[0]"))
        with pytest.raises(RequestRefused) as caught:
            await task
        assert (caught.value.code, caught.value.field, caught.value.retry) == ("unknown_symbol", "symbols[0]", False)


async def test_no_reply_in_time_says_that_the_outcome_is_unknown(server: FakeServer) -> None:
    async with connect(server.url, request_timeout=0.05) as client:
        peer = await server.peer()
        with pytest.raises(ClientError, match=r"no reply to ping within 0.05 s: it was sent, so whether .* unknown"):
            await client.ping()
        late = await peer.asked("ping")
        await peer.say(Reply(late["id"], 1, 2, {}))
        task = start(client.time())
        await peer.answer("time", {"time": 1})
        assert await task == 1
        assert client.stats.unexpected == 1


async def test_bad_arguments_are_refused_before_anything_is_sent(server: FakeServer) -> None:
    with pytest.raises(InvalidInput, match="json or msgpack"):
        connect(server.url, encoding="xml")  # type: ignore[arg-type]
    async with connect(server.url) as client:
        with pytest.raises(InvalidInput, match="symbols is empty"):
            await client.subscribe("trades", [])
        with pytest.raises(InvalidInput, match="depth belongs to the channel book"):
            await client.subscribe("trades", BTC, depth=5)
        task = start(client.book("SIM:NO-NE"))
        await (await server.peer()).answer("instruments", {"instruments": [INFO]})
        with pytest.raises(UnknownSymbol, match="SIM:NO-NE"):
            await task


# ---- subscriptions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_messages_arrive_in_order_and_typed(server: FakeServer, encoding: Encoding) -> None:
    async with connect(server.url, encoding=encoding) as client:
        peer = await server.peer()
        messages = [no_trades(4), no_trades(9, ETH), trade(5), trade(10, ETH), trade(6)]
        async with await subscribed(client, peer, *messages, symbols=[BTC, ETH]) as trades:
            assert trades.symbols == [BTC, ETH]
            assert await take(trades, 5) == messages
        assert (await peer.asked("unsubscribe"))["params"] == {"channel": "trades", "symbols": [BTC, ETH]}
        assert [message async for message in trades] == []


async def test_fragments_and_pings_in_their_midst(server: FakeServer) -> None:
    async with connect(server.url) as client:
        peer = await server.peer()
        trades = await subscribed(client, peer, no_trades(4))
        text = msgspec.json.encode(trade(5)).decode()

        async def parts() -> AsyncIterator[str]:
            yield text[:10]
            await (await peer.ws.ping())
            yield text[10:11]
            yield text[11:]

        await peer.ws.send(parts())
        await peer.say(trade(6))
        await peer.ws.send(parts_of(trade(7)))
        assert await take(trades, 4) == [no_trades(4), trade(5), trade(6), trade(7)]


def parts_of(message: StreamMessage) -> list[str]:
    text = msgspec.json.encode(message).decode()
    return [text[:30], text[30:]]


async def test_a_hole_is_told_and_mended(server: FakeServer) -> None:
    async with connect(server.url) as client:
        peer = await server.peer()
        trades = await subscribed(client, peer, no_trades(4), trade(6), trade(7))
        await peer.answer("subscribe", {"streams": []}, no_trades(7), trade(8))
        assert await take(trades, 4) == [
            no_trades(4),
            Lost("trades", BTC, 4, "seq 6 came after 4"),
            no_trades(7),
            trade(8),
        ]


async def test_a_gap_that_the_server_tells_is_yielded(server: FakeServer) -> None:
    async with connect(server.url) as client:
        peer = await server.peer()
        trades = await subscribed(client, peer, no_trades(4), Gap("trades", BTC, 5, 8), no_trades(8))
        assert await take(trades, 3) == [no_trades(4), Gap("trades", BTC, 5, 8), no_trades(8)]


async def test_two_readers_of_a_stream_share_it_until_both_have_closed(server: FakeServer) -> None:
    async with connect(server.url) as client:
        peer = await server.peer()
        one = await subscribed(client, peer, no_trades(4))
        two = await subscribed(client, peer, no_trades(4), trade(5))
        assert await take(one, 3) == [no_trades(4), no_trades(4), trade(5)]
        assert await take(two, 2) == [no_trades(4), trade(5)]
        await one.close()
        await peer.say(trade(6))
        assert await take(two, 1) == [trade(6)]
        await two.close()
        assert (await peer.asked("unsubscribe"))["params"]["symbols"] == [BTC]


async def test_closing_the_client_ends_iterations_and_closes_with_1000(server: FakeServer) -> None:
    async with connect(server.url) as client:
        peer = await server.peer()
        trades = await subscribed(client, peer, no_trades(4))
    assert [message async for message in trades] == [no_trades(4)]
    assert await peer.gone() == 1000
    assert client.connected is False
    with pytest.raises(ConnectionLost, match="the client is closed"):
        await client.ping()


# ---- live books --------------------------------------------------------------------------------------


async def live_book(client: Client, peer: Peer, *then: object) -> Any:
    task = start(client.book(BTC))
    await peer.answer("instruments", {"instruments": [INFO]})
    await peer.answer("subscribe", {"streams": []}, book("snapshot", 4, "1.00"), *then)
    return await task


async def test_a_book_is_valid_when_it_is_returned(server: FakeServer) -> None:
    async with connect(server.url) as client:
        live = await live_book(client, await server.peer())
        assert (live.seq, live.best_bid, live.best_ask) == (4, (Decimal("1.00"), Decimal("1.000")), None)


async def test_instruments_are_asked_for_once(server: FakeServer) -> None:
    async with connect(server.url) as client:
        peer = await server.peer()
        await live_book(client, peer)
        task = start(client.book_l3(BTC))
        l3 = StreamMessage("book_l3", BTC, "snapshot", 1, 1, OrdersData([("7", "2.00", "0.5")], []))
        await peer.answer("subscribe", {"streams": []}, l3)
        assert [tuple(order) for order in (await task).orders("buy")] == [("7", Decimal("2.00"), Decimal("0.500"))]


async def test_instruments_that_several_ask_for_at_once_are_one_request(server: FakeServer) -> None:
    async with connect(server.url) as client:
        peer = await server.peer()
        tasks = [start(client.book(BTC)) for _ in range(2)]
        await peer.answer("instruments", {"instruments": [INFO]})
        for _ in tasks:
            await peer.answer("subscribe", {"streams": []}, book("snapshot", 4, "1.00"))
        assert [live.seq for live in await asyncio.gather(*tasks)] == [4, 4]


async def test_a_wrong_checksum_is_counted_and_mended(server: FakeServer) -> None:
    async with connect(server.url) as client:
        peer = await server.peer()
        live = await live_book(client, peer)
        await peer.say(book("update", 5, "1.00", add=1))
        await peer.asked("subscribe")
        with pytest.raises(BookInvalid, match="its checksum is"):
            live.bids()
        await peer.say(book("snapshot", 5, "1.50"))
        await live.until(lambda b: b.seq == 5)
        assert live.best_bid == (Decimal("1.50"), Decimal("1.000"))
        assert (client.stats.checksum_mismatches, client.stats.lost, client.stats.connections) == (1, 1, 1)


async def test_a_snapshot_that_does_not_fit_begins_anew_with_fresh_instruments(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        live = await live_book(client, peer)
        await peer.say(book("snapshot", 9, "1.005"))
        assert await peer.gone() == 1002
        peer = await server.peer()
        await peer.answer("instruments", {"instruments": [msgspec.structs.replace(INFO, tick_size="0.001")]})
        await peer.answer("subscribe", {"streams": []}, book("snapshot", 9, "1.005"))
        await live.until(lambda b: b.seq == 9)
        assert live.best_bid == (Decimal("1.005"), Decimal("1.000"))


async def test_a_snapshot_that_does_not_fit_is_not_resumed_from(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        live = await live_book(client, peer)
        await peer.say(book("snapshot", 5, "1.00", add=1))
        assert await peer.gone() == 1002
        with pytest.raises(BookInvalid, match="snapshot 5 does not fit"):
            live.bids()
        peer = await server.peer()
        await peer.answer("instruments", {"instruments": [INFO]})
        asked = await peer.answer("subscribe", {"streams": []}, book("snapshot", 5, "1.50"))
        assert asked["params"] == {"channel": "book", "symbols": [BTC]}
        await live.until(lambda b: b.best_bid == (Decimal("1.50"), Decimal("1.000")))


async def test_a_book_without_a_snapshot_is_given_up(server: FakeServer) -> None:
    async with connect(server.url, request_timeout=0.05) as client:
        peer = await server.peer()
        task = start(client.book(BTC))
        await peer.answer("instruments", {"instruments": [INFO]})
        await peer.answer("subscribe", {"streams": []})
        with pytest.raises(ClientError, match=f"no snapshot of {BTC} within 0.05 s"):
            await task
        await peer.asked("unsubscribe")


# ---- connections: the first ------------------------------------------------------------------------------


async def test_a_first_connection_that_fails_says_what_to_check() -> None:
    async with FakeServer() as server:
        url = server.url
    with pytest.raises(ConnectionLost, match=f"can't connect to {url} .*is the server running"):
        await connect(url).__aenter__()
    for wrong in ("http://127.0.0.1/ws", "nonsense", "ws://127.0.0.1:99999/ws", "ws://127.0.0.1:x/ws"):
        with pytest.raises(ConnectionLost, match="it should read like ws://host:8000/ws"):
            await connect(wrong).__aenter__()


async def test_something_else_behind_the_address_is_named() -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(web, "127.0.0.1", 0) as other:
        url = f"ws://127.0.0.1:{other.sockets[0].getsockname()[1]}/"
        with pytest.raises(ConnectionLost, match=r"is no tickwire WebSocket .*404"):
            await connect(url).__aenter__()


async def test_a_connection_that_is_reset_in_the_upgrade_is_a_loss_like_others(server: FakeServer) -> None:
    resets = 0

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal resets
        resets += 1
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as other:
        url = f"ws://127.0.0.1:{other.sockets[0].getsockname()[1]}/ws"
        with pytest.raises(ConnectionLost, match="ended the connection without an answer"):
            await connect(url).__aenter__()
    assert resets == 1


async def test_a_server_without_the_encoding_is_refused() -> None:
    async def accept(ws: ServerConnection) -> None:
        await ws.wait_closed()

    async with serve(accept, "127.0.0.1", 0) as other:
        url = f"ws://127.0.0.1:{next(iter(other.sockets)).getsockname()[1]}/"
        with pytest.raises(ConnectionLost, match=r"does not speak tickwire\.v1\.msgpack"):
            await connect(url, encoding="msgpack").__aenter__()


async def test_keep_trying_waits_for_the_server() -> None:
    server = FakeServer()
    async with server:
        pass  # it has a port now, and is down
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            await server.__aenter__()

    async with quick(server.url, keep_trying=True, sleep=sleep, random=lambda: 1.0) as client:
        assert (client.connected, waits) == (True, [0.1, 0.2, 0.4])
    await server.__aexit__()


async def test_a_defect_leaves_nobody_waiting() -> None:
    async def dial(url: str, encoding: Encoding, receiver: Receiver) -> Link:
        raise RuntimeError("out of cheese")

    with pytest.raises(ConnectionLost, match=r"the client failed: RuntimeError.*out of cheese"):
        await Client("ws://x/", dial=dial).__aenter__()


# ---- connections: the next -------------------------------------------------------------------------------


async def test_everything_goes_on_after_a_lost_connection(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        live = await live_book(client, peer)
        trades = await subscribed(client, peer, no_trades(4), trade(5))
        peer.ws.transport.abort()
        peer = await server.peer()
        assert live.valid is False
        with pytest.raises(BookInvalid, match=r"the connection is lost \(1006.*it waits for another"):
            live.bids()
        await peer.answer("instruments", {"instruments": [INFO]})
        asked = await peer.answer("subscribe", went_on("book", 6, BTC), book("update", 5, "1.00"))
        assert asked["params"]["from"] == {"epoch": "e1", "seq": 4}
        asked = await peer.answer("subscribe", went_on("trades", 6, BTC), trade(6), trade(7))
        assert asked["params"]["from"] == {"epoch": "e1", "seq": 5}
        assert await take(trades, 5) == [no_trades(4), trade(5), Resumed("trades", BTC, 5, 1), trade(6), trade(7)]
        with pytest.raises(BookInvalid, match="it catches up with the 2 messages that it missed"):
            live.bids()
        await peer.say(book("update", 6, "1.00"))
        await live.until(lambda b: b.seq == 6)
        assert live.best_bid == (Decimal("1.00"), Decimal("1.000"))
        assert (client.stats.connections, client.stats.resumed, client.stats.lost) == (2, 2, 0)


async def test_what_can_not_go_on_says_why_and_begins_anew(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        live = await live_book(client, peer)
        trades = await subscribed(client, peer, no_trades(4), trade(5))
        peer.ws.transport.abort()
        peer = await server.peer()
        await peer.answer("instruments", {"instruments": [INFO]})
        await peer.answer("subscribe", went_on("book", 90, BTC, "too long ago"))
        await peer.answer("subscribe", went_on("trades", 80, BTC, "too long ago"), no_trades(80), trade(81))
        lost = Lost("trades", BTC, 5, "too long ago")
        assert await take(trades, 5) == [no_trades(4), trade(5), lost, no_trades(80), trade(81)]
        with pytest.raises(BookInvalid, match="too long ago; it waits for a snapshot"):
            live.bids()
        await peer.say(book("snapshot", 90, "2.00"))
        await live.until(lambda b: b.seq == 90)
        assert live.best_bid == (Decimal("2.00"), Decimal("1.000"))
        assert (client.stats.connections, client.stats.resumed, client.stats.lost) == (2, 0, 2)


async def test_a_server_that_resumes_with_the_wrong_message_is_not_believed(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        trades = await subscribed(client, peer, no_trades(4))
        peer.ws.transport.abort()
        peer = await server.peer()
        await peer.answer("subscribe", went_on("trades", 6, BTC), trade(6))
        asked = await peer.answer("subscribe", {}, no_trades(6), trade(7))
        assert asked["params"] == {"channel": "trades", "symbols": [BTC]}
        assert await take(trades, 5) == [
            no_trades(4),
            Resumed("trades", BTC, 4, 2),
            Lost("trades", BTC, 4, "seq 6 came after 4"),
            no_trades(6),
            trade(7),
        ]


async def test_a_book_whose_steps_have_changed_begins_anew(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        live = await live_book(client, peer)
        peer.ws.transport.abort()
        peer = await server.peer()
        await peer.answer("instruments", {"instruments": [msgspec.structs.replace(INFO, tick_size="0.001")]})
        asked = await peer.answer("subscribe", {}, book("snapshot", 4, "1.000"))
        assert "from" not in asked["params"]
        await live.until(lambda b: b.best_bid == (Decimal("1.000"), Decimal("1.000")))


async def test_a_mismatch_that_was_not_mended_before_the_cut_is_no_place_to_go_on_from(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        live = await live_book(client, peer)
        await peer.say(book("update", 5, "1.00", add=1))
        await peer.asked("subscribe")
        peer.ws.transport.abort()
        peer = await server.peer()
        await peer.answer("instruments", {"instruments": [INFO]})
        asked = await peer.answer("subscribe", {}, book("snapshot", 7, "2.00"))
        assert "from" not in asked["params"]
        await live.until(lambda b: b.best_bid == (Decimal("2.00"), Decimal("1.000")))


async def test_who_opens_a_book_while_the_streams_are_taken_up_sees_no_old_state(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        live = await live_book(client, peer)
        peer.ws.transport.abort()
        peer = await server.peer()
        rows = await peer.asked("instruments")
        await connected(client)
        opening = start(client.subscribe("book", BTC))
        await peer.answer("subscribe", {})
        assert not live.valid
        await peer.say(Reply(rows["id"], 1, 2, {"instruments": [INFO]}), book("snapshot", 9, "2.00"))
        other = await opening
        lost = Lost("book", BTC, 4, "a snapshot at seq 9 came after 4")
        assert await take(other, 2) == [lost, book("snapshot", 9, "2.00")]
        assert live.best_bid == (Decimal("2.00"), Decimal("1.000"))


async def test_how_long_the_server_has_been_silent_and_what_its_clock_shows(server: FakeServer) -> None:
    client = quick(server.url)
    assert client.silence == float("inf")
    with pytest.raises(ConnectionLost, match="not connected yet"):
        client.server_time()
    async with client:
        peer = await server.peer()
        assert 7 < client.server_time() < 7 + 5 * 10**9
        silent = client.silence
        assert 0 < silent < client.silence < 5
        trades = await subscribed(client, peer, no_trades(4), Heartbeat(10**15, [StreamState("trades", BTC, 4)]))
        await peer.say(trade(5))
        await take(trades, 2)
        assert 10**15 < client.server_time() < 10**15 + 5 * 10**9


async def test_requests_in_flight_fail_when_the_connection_is_lost(server: FakeServer) -> None:
    gate = asyncio.Event()

    async def sleep(_: float) -> None:
        await gate.wait()

    async with quick(server.url, sleep=sleep) as client:
        peer = await server.peer()
        task = start(client.ping())
        await peer.asked("ping")
        peer.ws.transport.abort()
        with pytest.raises(ConnectionLost, match="whether the request was carried out is unknown"):
            await task
        with pytest.raises(ConnectionLost, match=r"not connected to .* now; nothing was sent"):
            await client.ping()
        gate.set()
        peer = await server.peer()
        await client_answers(client, peer)


async def client_answers(client: Client, peer: Peer) -> None:
    await connected(client)
    task = start(client.time())
    await peer.answer("time", {"time": 3})
    assert await task == 3


async def test_the_waits_between_attempts_double_up_to_the_cap(server: FakeServer) -> None:
    waits: list[float] = []
    refusals = 9

    async def dial(url: str, encoding: Encoding, receiver: Receiver) -> Link:
        if 0 < len(waits) <= refusals:
            raise ConnectionLost("refused")
        return await open_link(url, encoding, receiver)

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with Client(server.url, dial=dial, sleep=sleep, random=lambda: 1.0) as client:
        (await server.peer()).ws.transport.abort()
        peer = await server.peer()
        assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0]
        await connected(client)
        # a connection counts as good from its first heartbeat on
        trades = await subscribed(client, peer, no_trades(4), Heartbeat(1, [StreamState("trades", BTC, 4)]), trade(5))
        await take(trades, 2)
        waits.clear()
        refusals = 0
        peer.ws.transport.abort()
        await server.peer()
        assert waits == [0.1]


def test_backoff_has_full_jitter() -> None:
    assert [backoff_seconds(attempt, lambda: 0.5) for attempt in (0, 1, 6, 7, 10_000)] == [0.05, 0.1, 3.2, 5.0, 5.0]
    assert backoff_seconds(5, lambda: 0.0) == 0.0


async def test_without_reconnection_everybody_gets_the_error(server: FakeServer) -> None:
    async with connect(server.url, reconnect=False) as client:
        peer = await server.peer()
        live = await live_book(client, peer)
        trades = await subscribed(client, peer, no_trades(4))
        waiting = start(live.until(lambda b: b.seq == 9))
        await peer.ws.close(1012, "restart")
        for waiter in (waiting, take(trades, 3)):
            with pytest.raises(ConnectionLost, match=r"the connection is lost \(1012: restart\)") as caught:
                await waiter
            assert caught.value.code == 1012
        with pytest.raises(BookInvalid, match="1012"):
            live.bids()
        with pytest.raises(ConnectionLost, match="1012"):
            await client.ping()


@pytest.mark.parametrize("code", [4400, 4409, 4499])
async def test_close_codes_that_forbid_it_are_never_followed_by_another_attempt(server: FakeServer, code: int) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        trades = await subscribed(client, peer)
        await peer.ws.close(code, "replaced")
        with pytest.raises(ConnectionLost) as caught:
            await take(trades, 1)
        assert caught.value.code == code
        assert client.stats.connections == 1


async def test_a_close_at_once_fails_the_first_connection() -> None:
    async def accept(ws: ServerConnection) -> None:
        await ws.close(4102, "too many connections")

    async with serve(accept, "127.0.0.1", 0, subprotocols=["tickwire.v1.json"]) as other:  # type: ignore[list-item]
        with pytest.raises(ConnectionLost, match="4102: too many connections"):
            await connect(f"ws://127.0.0.1:{next(iter(other.sockets)).getsockname()[1]}/").__aenter__()


async def test_a_silent_connection_is_cut_and_made_anew() -> None:
    async with FakeServer(hello(heartbeat_ms=20)) as server, quick(server.url) as client:
        peer = await server.peer()
        assert await peer.gone() == 1006
        await client_answers(client, await server.peer())


@pytest.mark.parametrize(("text", "code"), [("{", 1007), ('{"type":"gap"}', 1002)])
async def test_a_malformed_message_closes_with_a_code_and_reconnects(server: FakeServer, text: str, code: int) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        await peer.ws.send(text)
        assert await peer.gone() == code
        await client_answers(client, await server.peer())
        assert client.stats.malformed == 1


@pytest.mark.parametrize(
    "frame", [b"\x83\x01x", b"\x81\xff\x00", b"\x81\x7f\xff" + bytes(8), b"\x09\x00", b"\x88\x01x"]
)
async def test_malformed_frames_end_the_connection_and_no_more(server: FakeServer, frame: bytes) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        peer.ws.transport.write(frame)
        await client_answers(client, await server.peer())
        assert client.stats.connections == 2


async def test_a_stream_refused_on_resuming_ends_with_the_refusal_and_the_others_go_on(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        one = await subscribed(client, peer, symbols=BTC)
        two = await subscribed(client, peer, symbols=ETH)
        peer.ws.transport.abort()
        peer = await server.peer()
        await peer.refuse("subscribe", ErrorBody("unknown_symbol", "it is gone", "symbols[0]"))
        assert (await peer.answer("subscribe", {}, no_trades(3, ETH)))["params"]["symbols"] == [ETH]
        assert await take(two, 1) == [no_trades(3, ETH)]
        with pytest.raises(RequestRefused, match="it is gone"):
            await take(one, 1)


# ---- backpressure ----------------------------------------------------------------------------------------


def reading(client: Client) -> bool:
    link: Any = client._keeper.connection()._link
    return bool(link._transport.underlying_transport.is_reading())


async def test_a_full_subscription_stops_the_socket_until_it_is_half_empty(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "QUEUE_MAX", 8)
    async with connect(server.url, request_timeout=0.1) as client:
        peer = await server.peer()
        trades = await subscribed(client, peer, no_trades(0), *[trade(seq) for seq in range(1, 100)])
        with pytest.raises(ClientError, match=f"while these wait to be read: trades of {BTC}"):
            await client.ping()
        assert (trades.waiting, reading(client)) == (8, False)
        assert await take(trades, 3) == [no_trades(0), trade(1), trade(2)]
        await let_run()
        assert (trades.waiting, reading(client)) == (5, False)
        assert await take(trades, 97) == [trade(seq) for seq in range(3, 100)]
        await peer.answer("ping", {})  # the one that timed out
        task = start(client.ping())
        await peer.answer("ping", {})
        await task
        assert reading(client) is True


async def test_bytes_count_as_well_as_messages(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "QUEUE_BYTES_MAX", 400)
    async with connect(server.url, request_timeout=0.1) as client:
        peer = await server.peer()
        trades = await subscribed(client, peer, no_trades(0), *[trade(seq) for seq in range(1, 9)])
        with pytest.raises(ClientError, match="wait to be read"):
            await client.ping()
        assert trades.waiting == 3  # one of 98 bytes, two of more than 151
        assert await take(trades, 9) == [no_trades(0), *[trade(seq) for seq in range(1, 9)]]


async def test_a_full_subscription_that_is_closed_holds_nothing_back(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "QUEUE_MAX", 8)
    async with connect(server.url) as client:
        peer = await server.peer()
        trades = await subscribed(client, peer, no_trades(0), *[trade(seq) for seq in range(1, 100)])
        waiting = start(client.time())  # its reply is behind the trades
        await peer.answer("time", {"time": 5})
        await trades.close()
        assert await waiting == 5


async def test_a_connection_lost_while_stopped_is_made_anew_when_there_is_room(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "QUEUE_MAX", 8)
    async with quick(server.url) as client:
        peer = await server.peer()
        trades = await subscribed(client, peer, no_trades(0), *[trade(seq) for seq in range(1, 8)])
        assert (await take(trades, 1), trades.waiting) == ([no_trades(0)], 7)
        await peer.say(trade(8), trade(9))
        closing = start(peer.ws.close(1012))
        second = start(server.peer())
        assert await take(trades, 7) == [trade(seq) for seq in range(1, 8)]
        peer = await second
        asked = await peer.asked("subscribe")
        place = asked["params"]["from"]["seq"]  # what had been read from the socket may not have been taken
        missed = [trade(seq) for seq in range(place + 1, 10)]
        await peer.say(Reply(asked["id"], 1, 2, went_on("trades", 9, BTC)), *missed)
        taken = [trade(seq) for seq in range(8, place + 1)]
        assert await take(trades, 3) == [*taken, Resumed("trades", BTC, place, 9 - place), *missed]
        await closing


async def test_a_notice_that_fills_a_queue_puts_the_next_connection_off(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "QUEUE_MAX", 8)
    async with quick(server.url) as client:
        peer = await server.peer()
        opening = start(client.subscribe("quotes", BTC))
        await peer.answer("subscribe", {"streams": []}, *[quote(seq) for seq in range(7)])
        quotes = await opening
        task = start(client.time())
        await peer.answer("time", {"time": 1})
        await task
        assert quotes.waiting == 7
        peer.ws.transport.abort()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await server.peer()
        assert quotes.waiting == 8
        assert await take(quotes, 7) == [quote(seq) for seq in range(7)]
        peer = await server.peer()
        await peer.answer("subscribe", {"streams": []}, quote(0))
        lost, fresh = await take(quotes, 2)
        assert lost == Lost("quotes", BTC, 6, lost.reason)
        assert "the connection is lost (1006" in lost.reason
        assert fresh == quote(0)


# ---- the blocking twin -----------------------------------------------------------------------------------


async def test_the_blocking_twin_does_all_that_without_await(server: FakeServer) -> None:
    def script() -> list[Any]:
        with connect_blocking(server.url, reconnect=False, request_timeout=5) as client:
            seen: list[Any] = [client.time(), client.connected, client.hello.session]
            with client.subscribe("trades", BTC) as trades:
                for message in trades:
                    seen.append(message)
                    if message.seq == 5:
                        break
            live = client.book(BTC)
            live.until(lambda b: b.seq >= 5)
            seen += [
                live.best_bid,
                live.bids(depth=1),
                live.valid,
                [change.seq for change, _ in zip(live, "ab", strict=False)],
            ]
            with pytest.raises(RequestRefused, match="no_such"):
                client.request("nonsense")
            with pytest.raises(AttributeError, match="nonsense"):
                client.nonsense  # noqa: B018
            assert "subscribe" in dir(client)
            return seen

    running = start(asyncio.to_thread(script))
    peer = await server.peer()
    await peer.answer("time", {"time": 5})
    await peer.answer("subscribe", {}, no_trades(4), trade(5))
    await peer.asked("unsubscribe")
    await peer.answer("instruments", {"instruments": [INFO]})
    await peer.answer("subscribe", {}, book("snapshot", 4, "1.00"))
    updates = start(keep_saying(peer))
    await peer.refuse("nonsense", ErrorBody("no_such", "method"))
    seen = await running
    updates.cancel()
    assert seen[:6] == [5, True, "s1", no_trades(4), trade(5), (Decimal("1.00"), Decimal("1.000"))]
    assert seen[6:8] == [[(Decimal("1.00"), Decimal("1.000"))], True]
    first, second = seen[8]
    assert second == first + 1
    assert await peer.gone() == 1000


async def keep_saying(peer: Peer) -> None:
    seq = 4
    with contextlib.suppress(ConnectionClosed):
        while True:
            seq += 1
            await peer.say(book("update", seq, "1.00"))
            await asyncio.sleep(0.001)


def test_the_blocking_twin_raises_the_same_errors_and_ends_its_thread() -> None:
    import threading

    before = threading.active_count()
    with pytest.raises(ConnectionLost, match="should read like"), connect_blocking("nonsense"):
        raise AssertionError
    assert threading.active_count() == before
    with pytest.raises(AttributeError, match="with"):
        connect_blocking("ws://127.0.0.1/ws").ping()


# ---- the package -----------------------------------------------------------------------------------------


def test_the_package_offers_the_client_lazily() -> None:
    assert tickwire.connect is connect
    assert tickwire.connect_blocking is connect_blocking
    assert tickwire.Lost is Lost
    with pytest.raises(AttributeError, match="nothing"):
        tickwire.nothing  # noqa: B018
