"""The venue's own client against a server. It has a type for every field of every answer, and says which are others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from clients.peer import ClientError, Peer, peer
from clients.venue import NAME, SYMBOL, Book, Venue, amounts, best, candles, levels, text, venue
from dialect_books import joined
from tickwire.keyfile import KeyFile, decode_base64url

STREAM = NAME.lower()


def private_key(key: KeyFile) -> str:
    """The private key of an Ed25519 key, in PEM as this client reads it."""
    private = Ed25519PrivateKey.from_private_bytes(decode_base64url(key.secret))
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def proof(ours: Venue, kind: str) -> dict[str, str]:
    """What the client is told of the server and of a key that is an hmac or an ed25519 one."""
    if kind == "hmac":
        return ours.binance()
    key = ours.keys["customer_ed25519"]
    return {**ours.binance(), "key": key.key, "secret": "", "private_key": private_key(key)}


@asynccontextmanager
async def sdk(ours: Venue, kind: str = "hmac") -> AsyncIterator[Peer]:
    """The client, which must have had nothing to complain of when the block ends."""
    async with peer("binance-sdk-spot", proof(ours, kind)) as client:
        yield client
        assert await client.call("warnings") == []


async def test_market_data_by_rest_and_by_the_websocket_api(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, sdk(ours) as client:
        await ours.trade(100)
        seq = await ours.settle()
        book = ours.seen.books[seq]
        by_rest = await client.call("rest", method="depth", symbol=NAME, limit=1000)
        by_socket = (await client.call("api", method="depth", symbol=NAME, limit=1000))["result"]
        for told in (by_rest, by_socket):
            assert told["lastUpdateId"] == seq
            assert Book(levels(told["bids"]), levels(told["asks"])) == book
        assert abs((await client.call("rest", method="time"))["serverTime"] - ours.seen.times[1] // 10**6) < 60_000
        answer = await client.call("api", method="time", id="mine")
        assert (answer["id"], answer["status"]) == ("mine", 200)
        assert {limit["rateLimitType"] for limit in answer["rateLimits"]} >= {"REQUEST_WEIGHT"}

        [listed] = (await client.call("rest", method="exchange_info", symbol=NAME))["symbols"]
        assert (listed["symbol"], listed["baseAsset"], listed["quoteAsset"]) == (NAME, "BTC", "USDT")
        rows = await client.call("rest", method="klines", symbol=NAME, interval="1m")
        assert [[Decimal(row[index]) for index in (0, 1, 2, 3, 4, 5, 8)] for row in rows] == candles(ours.seen)
        ticker = (await ours.maker.snapshot("ticker", SYMBOL)).data
        day = await client.call("rest", method="ticker24hr", symbol=NAME)
        assert (day["lastPrice"], day["volume"]) == (text(Decimal(ticker.last)), text(Decimal(ticker.volume)))
        recent = await client.call("rest", method="get_trades", symbol=NAME, limit=5)
        assert [(one["id"], one["price"]) for one in recent] == [
            (number, text(Decimal(trade.price))) for number, trade in list(ours.seen.trades.items())[-5:]
        ]


async def test_streams(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, sdk(ours) as client:
        await ours.trade(50)
        first = await ours.settle()
        await client.call("watch", method="diff_book_depth", symbol=STREAM, update_speed="100ms")
        await client.call("watch", method="partial_book_depth", symbol=STREAM, levels="5", update_speed="100ms")
        for method in ("trade", "agg_trade", "book_ticker", "ticker", "mini_ticker", "avg_price"):
            await client.call("watch", method=method, symbol=STREAM)
        await client.call("watch", method="kline", symbol=STREAM, interval="1m")
        await ours.trade_until(client.seen("diff_book_depth", count=10))
        seq = await ours.settle()
        trades = ours.seen.trades

        await client.seen("diff_book_depth", u=seq)
        diffs = await client.seen("diff_book_depth")
        assert diffs[0]["U"] == first + 1
        begun = {"lastUpdateId": first, **ours.seen.books[first]._asdict()}
        for now in joined(begun, diffs):
            assert now.ranked() == ours.seen.books[now.seq]
        bids, asks = ([[*map(text, level)] for level in side[:5]] for side in ours.seen.books[seq])
        await client.seen("partial_book_depth", bids=bids, asks=asks)
        for one in await client.seen("partial_book_depth"):
            book = ours.seen.books[one["lastUpdateId"]]
            assert Book(levels(one["bids"]), levels(one["asks"])) == Book(book.bids[:5], book.asks[:5])

        await client.seen("trade", t=max(trades))
        told = await client.seen("trade")
        assert [(one["t"], one["p"], one["q"]) for one in told] == [
            (number, text(Decimal(trades[number].price)), text(Decimal(trades[number].size)))
            for number in range(told[0]["t"], max(trades) + 1)
        ]
        start, *_, size, count = candles(ours.seen)[-1]
        candle = (await client.last("kline", **{"k.t": int(start), "k.n": int(count)}))["k"]
        assert candle["v"] == text(size)
        ticker = (await ours.maker.snapshot("ticker", SYMBOL)).data
        volume = text(Decimal(ticker.volume))
        one = await client.last("ticker", v=volume)
        assert (one["c"], one["h"], one["n"], one["L"]) == (
            text(Decimal(ticker.last)), text(Decimal(ticker.high)), ticker.trades, max(trades),
        )  # fmt: skip
        assert (await client.last("mini_ticker", v=volume))["c"] == one["c"]
        rows = [(Decimal(trade.price), Decimal(trade.size)) for trade in trades.values()]  # of the last five minutes
        average = text(Decimal(sum(price * size for price, size in rows)) / Decimal(sum(size for _, size in rows)))
        assert (await client.last("avg_price", w=average))["i"] == "5m"

        top = best(ours.seen.books[seq].bids) + best(ours.seen.books[seq].asks)
        fields: dict[str, Any] = dict(zip("bBaA", map(text, top), strict=True))
        await client.seen("book_ticker", **fields)
        for one in await client.seen("book_ticker"):
            book = ours.seen.books[one["u"]]
            assert [Decimal(one[key]) for key in "bBaA"] == best(book.bids) + best(book.asks)
        await client.seen("agg_trade", l=max(trades))
        aggregated = await client.seen("agg_trade")
        assert [number for one in aggregated for number in range(one["f"], one["l"] + 1)] == list(
            range(aggregated[0]["f"], max(trades) + 1)
        )
        for one in aggregated:
            parts = [trades[number] for number in range(one["f"], one["l"] + 1)]
            assert {text(Decimal(part.price)) for part in parts} == {one["p"]}
            assert text(sum((Decimal(part.size) for part in parts), Decimal(0))) == one["q"]
            assert (one["s"], one["a"], one["m"]) == (NAME, one["f"], parts[0].side == "sell")


async def place(client: Peer, part: str, **params: Any) -> Any:
    """The order that is placed by REST or by the WebSocket API."""
    if part == "rest":
        return await client.call("rest", method="new_order", symbol=NAME, **params)
    answer = await client.call("api", method="order_place", symbol=NAME, **params)
    assert "error" not in answer, answer
    return answer["result"]


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
async def test_orders_fills_and_balances_are_those_of_the_ledger(tmp_path: Path, kind: str) -> None:
    async with venue(tmp_path) as ours, sdk(ours, kind) as client:
        if kind == "ed25519":  # only such a key can log a session on
            session = (await client.call("api", method="session_logon"))["result"]
            assert session["apiKey"] == ours.keys["customer_ed25519"].key
            await client.call("watch_account", method="user_data_stream_subscribe")
            status = (await client.call("api", method="session_status"))["result"]
            assert (status["apiKey"], status["userDataStream"]) == (session["apiKey"], True)
        else:
            await client.call("watch_account", method="user_data_stream_subscribe_signature")
        for part in ("rest", "api"):
            sale = await place(client, part, side="SELL", type="LIMIT", time_in_force="GTC", quantity=0.5, price=100.5)
            assert (await ours.customer.order(str(sale["orderId"]))).data.price == "100.50"
            await ours.taker.place(SYMBOL, "buy", "0.2", "101")
            [report] = await client.seen("account", e="ExecutionReport", i=sale["orderId"], x="TRADE")
            await ours.settle()
            check_fill(ours, report["t"], report["L"], report["l"], report["n"], report["N"])
            assert (report["X"], report["z"], report["m"]) == ("PARTIALLY_FILLED", "0.20000000", True)

            await cancel(client, part, sale["orderId"])
            assert (await ours.customer.order(str(sale["orderId"]))).status == "canceled"
            await client.seen("account", e="ExecutionReport", i=sale["orderId"], x="CANCELED")

            await ours.maker.place(SYMBOL, "sell", "0.3", "100.10")
            bought = await place(client, part, side="BUY", type="MARKET", quantity=0.3)
            assert (bought["status"], bought["executedQty"], len(bought["fills"])) == ("FILLED", "0.30000000", 1)
            await client.seen("account", e="ExecutionReport", i=bought["orderId"], X="FILLED")
            await ours.settle()
            for fill in bought["fills"]:
                keys = ("tradeId", "price", "qty", "commission", "commissionAsset")
                check_fill(ours, *(fill[key] for key in keys))

        bid = await place(
            client, "api", side="BUY", type="LIMIT", time_in_force="GTC", quantity=2, price=80,
            new_client_order_id="mine:1/2",  # which this client signs in percent-encoding
        )  # fmt: skip
        assert (await ours.customer.order(str(bid["orderId"]))).client_order_id == bid["clientOrderId"] == "mine:1/2"
        balances = amounts(await ours.customer.balances())
        account = (await client.call("api", method="account_status"))["result"]
        for told in (account, await client.call("rest", method="get_account")):
            rows = told["balances"]
            assert {row["asset"]: (Decimal(row["free"]), Decimal(row["locked"])) for row in rows} == balances
        locked = text(balances["USDT"][1])
        told = await client.last("account", **{"e": "OutboundAccountPosition", "B.0.l": locked})
        assert levels([(told["B"][0]["f"], locked)]) == [balances["USDT"]]

        mine = await client.call("rest", method="my_trades", symbol=NAME)
        assert [str(one["id"]) for one in mine] == list(ours.seen.fills)
        for one in mine:
            check_fill(ours, one["id"], one["price"], one["qty"], one["commission"], one["commissionAsset"])
        await cancel(client, "api", bid["orderId"])
        assert await client.call("rest", method="get_open_orders", symbol=NAME) == []
        assert ours.server.market.ledger.imbalances() == []


async def cancel(client: Peer, part: str, order_id: int) -> None:
    """Cancel an order by REST or by the WebSocket API."""
    if part == "rest":
        canceled = await client.call("rest", method="delete_order", symbol=NAME, order_id=order_id)
    else:
        canceled = (await client.call("api", method="order_cancel", symbol=NAME, order_id=order_id))["result"]
    assert (canceled["orderId"], canceled["status"]) == (order_id, "CANCELED")


def check_fill(ours: Venue, trade_id: int, *told: str) -> None:
    """A fill as the client tells it (price, size, fee, fee's asset) is the customer's fill with that trade id."""
    fill = ours.seen.fills[str(trade_id)]
    price, size, fee, asset = told
    assert (Decimal(price), Decimal(size), Decimal(fee), asset) == (
        Decimal(fill.price), Decimal(fill.size), Decimal(fill.fee), fill.fee_asset,
    )  # fmt: skip


async def test_refusals_have_the_venues_codes(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("binance-sdk-spot", ours.binance()) as client:
        with pytest.raises(ClientError, match=r"^BadRequestError: .*insufficient balance"):
            await place(client, "rest", side="BUY", type="LIMIT", time_in_force="GTC", quantity=1e5, price=100)
        answer = await client.call(
            "api",
            method="order_place",
            symbol=NAME,
            side="BUY",
            type="MARKET",
            quantity=0.5,
            new_client_order_id="?" * 99,
        )
        assert answer["error"]["code"] == -1100
        answer = await client.call("api", method="session_logon")  # with an hmac key
        assert answer["error"]["code"] < 0
