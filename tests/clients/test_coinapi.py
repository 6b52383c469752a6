"""The vendor's example against a server: market data as it asks for it, order entry, and REST."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any

import jwt
import pytest

from clients.peer import ClientError, Peer, peer
from clients.venue import SYMBOL, Book, Venue, amounts, best, candles, venue
from dialect_books import Levels, book, side
from tickwire.clock import wall_clock_ns
from tickwire.keyfile import api_key, decode_base64url

SYMBOL_ID = "SIM_SPOT_BTC_USDT"
EXACTLY = [f"{SYMBOL_ID}$"]
ENDED = {"FILLED", "CANCELED", "REJECTED"}


def guid(ours: Venue) -> str:
    """The customer's API key."""
    return api_key(decode_base64url(ours.keys["customer"].secret))


def of_type(told: list[Any], kind: str) -> list[Any]:
    return [one for one in told if one["type"] == kind]


def milliseconds(time: str) -> Decimal:
    return Decimal(int(datetime.fromisoformat(time).timestamp() * 1000))


async def test_the_vendors_example(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("coinapi", {}) as client:
        hello = {
            "type": "hello",
            "apikey": guid(ours),
            "heartbeat": True,
            "subscribe_data_type": ["trade", "quote", "book20"],
        }
        await ours.trade(50)
        before = max(ours.seen.trades)
        await client.call("open", name="ws", url=ours.url("ws", "coinapi/v1/"), header={}, first=[hello])
        await client.seen("ws", type="book20")
        await ours.trade_until(client.seen("ws", type="trade", count=20))
        seq = await ours.settle()
        book, trades = ours.seen.books[seq], ours.seen.trades

        top: dict[str, Any] = {
            name: [{"price": float(price), "size": float(size)} for price, size in levels[:20]]
            for name, levels in (("bids", book.bids), ("asks", book.asks))
        }
        await client.seen("ws", type="book20", **top)
        for one in await client.seen("ws", type="book20"):
            shown = ours.seen.books[one["sequence"]]
            assert (side(one["bids"]), side(one["asks"])) == (shown.bids[:20], shown.asks[:20])
        await client.seen("ws", type="hearbeat")  # spelled like this
        rows = [
            (one["sequence"], one["symbol_id"], one["price"], one["size"], one["taker_side"])
            for one in await client.seen("ws", type="trade")
        ]
        assert rows == [
            (
                number,
                SYMBOL_ID,
                Decimal(trades[number].price),
                Decimal(trades[number].size),
                str(trades[number].side).upper(),
            )
            for number in range(rows[0][0], max(trades) + 1)
        ]
        assert rows[0][0] > before
        bid_price, bid_size, ask_price, ask_size = map(float, best(book.bids) + best(book.asks))
        await client.seen(
            "ws", type="quote", bid_price=bid_price, bid_size=bid_size, ask_price=ask_price, ask_size=ask_size
        )


async def test_every_book_is_ours_at_its_sequence_and_so_are_orders_candles_and_rates(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("coinapi", {}) as client:
        await ours.trade(50)
        hello = {
            "type": "hello",
            "heartbeat": False,
            "subscribe_data_type": ["book", "book_l3", "ohlcv"],
            "subscribe_filter_symbol_id": EXACTLY,
            "subscribe_filter_period_id": ["1MIN"],
        }
        exrates = {"type": "subscribe", "subscribe_data_type": ["exrate"], "subscribe_filter_asset_id": ["BTC/USDT"]}
        header = {"X-CoinAPI-Key": guid(ours)}
        await client.call("open", name="ws", url=ours.url("ws", "coinapi/"), header=header, first=[hello, exrates])
        await client.seen("ws", type="book")
        await ours.trade_until(client.seen("ws", type="book", count=200))
        seq = await ours.settle()

        await client.seen("ws", type="book", sequence=seq)
        check_books(ours, await client.seen("ws", type="book"))
        live = await ours.maker.book_l3(SYMBOL)
        await client.seen("ws", type="book_l3", sequence=live.seq)
        queues = orders_of(await client.seen("ws", type="book_l3"))
        for name, ours_says in (("bids", live.orders("buy")), ("asks", live.orders("sell"))):
            assert queues[name] == [(order.price, order.size) for order in ours_says]

        start, *prices, volume, count = candles(ours.seen)[-1]
        candle = await client.last("ws", type="ohlcv", trades_count=int(count), volume_traded=float(volume))
        assert milliseconds(candle["time_period_start"]) == start
        assert [candle[f"price_{name}"] for name in ("open", "high", "low", "close")] == prices
        day = (await ours.maker.snapshot("ticker", SYMBOL)).data
        rate = Context(15, ROUND_HALF_UP).divide(Decimal(day.quote_volume), Decimal(day.volume))
        exrate = await client.last("ws", type="exrate", rate=float(rate))
        assert (exrate["asset_id_base"], exrate["asset_id_quote"]) == ("BTC", "USDT")


def check_books(ours: Venue, told: list[Any]) -> None:
    """A snapshot, then every change, +1 each; the book is ours after each."""
    assert told[0]["is_snapshot"]
    first = told[0]["sequence"]
    assert [one["sequence"] for one in told] == list(range(first, first + len(told)))
    now = book(first, (), ())
    for one in told:
        now.change(side(one["bids"]), side(one["asks"]))
        assert now.ranked() == ours.seen.books[one["sequence"]], one["sequence"]


def orders_of(told: list[Any]) -> dict[str, Levels]:
    """(price, size) of every order in the order of its turn, after a snapshot and all changes since."""
    assert told[0]["is_snapshot"]
    books: dict[str, dict[str, tuple[Decimal, Decimal]]] = {"bids": {}, "asks": {}}
    for one in told:
        for name, orders in books.items():
            for row in one[name]:
                price, size, order_id = Decimal(row["price"]), Decimal(row["size"]), row["id"]
                match row.get("update_type", "ADD"):
                    case "ADD":
                        orders[order_id] = price, size
                    case "UPDATE":
                        orders[order_id] = price, size
                    case "MATCH":
                        orders[order_id] = price, orders[order_id][1] - size
                        if not orders[order_id][1]:
                            del orders[order_id]
                    case "DELETE":
                        orders.pop(order_id, None)
    return {
        "bids": sorted(books["bids"].values(), key=lambda order: -order[0]),
        "asks": sorted(books["asks"].values(), key=lambda order: order[0]),
    }


async def test_order_entry(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("coinapi", {}) as client:
        url = f"{ours.url('ws', 'coinapi')}/ems?apikey={guid(ours)}"
        await client.call("open", name="ems", url=url, header={}, first=[])
        await client.seen("ems", type="SERVER_INFO")
        [listed] = await client.seen("ems", type="SYMBOLS_SNAPSHOT")
        assert [row["symbol_id_coinapi"] for row in listed["data"]] == [SYMBOL_ID]
        [balances] = await client.seen("ems", type="BALANCE_SNAPSHOT")
        assert {row["asset_id_coinapi"]: Decimal(row["balance"]) for row in balances["data"]} == {
            "BTC": Decimal(1000), "USDT": Decimal(1000000),
        }  # fmt: skip

        await place(client, "one", "SELL", 0.5, 100.5)
        report = await client.last("ems", client_order_id="one", status="NEW")
        order_id = report["exchange_order_id"]
        assert [status for status, _ in report["status_history"]] == ["RECEIVED", "ROUTING", "ROUTED", "NEW"]
        assert (await ours.customer.order(order_id)).data.price == "100.50"

        await ours.taker.place(SYMBOL, "buy", "0.2", "101")
        report = await client.last("ems", client_order_id="one", status="PARTIALLY_FILLED")
        await ours.settle()
        [fill] = report["fills"]
        ledgers = ours.seen.fills[fill["id"]]
        assert (fill["price"], fill["amount"]) == (Decimal(ledgers.price), Decimal(ledgers.size))
        assert (report["amount_open"], report["amount_filled"], report["avg_px"]) == (
            Decimal("0.3"), Decimal("0.2"), Decimal("100.5"),
        )  # fmt: skip

        cancel = {"type": "ORDER_CANCEL_SINGLE_REQUEST", "exchange_id": "SIM", "exchange_order_id": order_id}
        await client.call("send", name="ems", message=cancel)
        report = await client.last("ems", client_order_id="one", status="CANCELED")
        assert [status for status, _ in report["status_history"]][-3:] == [
            "PARTIALLY_FILLED", "PENDING_CANCEL", "CANCELED",
        ]  # fmt: skip
        assert (await ours.customer.order(order_id)).status == "canceled"

        await ours.maker.place(SYMBOL, "sell", "1", "100.10")
        await place(client, "two", "BUY", 0.3, 100.2)
        report = await client.last("ems", client_order_id="two", status="FILLED")
        assert [(one["price"], one["amount"]) for one in report["fills"]] == [(Decimal("100.1"), Decimal("0.3"))]
        await place(client, "two", "BUY", 0.4, 100.2)  # the id is taken by another order
        await client.seen("ems", type="MESSAGE_REJECT")
        cancel = {"type": "ORDER_CANCEL_SINGLE_REQUEST", "exchange_id": "SIM", "client_order_id": "never"}
        await client.call("send", name="ems", message=cancel)
        await client.seen("ems", type="MESSAGE_REJECT", reject_reason="ORDER_ID_NOT_FOUND")

        await place(client, "rests", "BUY", 2, 80)
        wanted = amounts(await ours.customer.balances())
        for asset, (available, held) in wanted.items():
            update = {"type": "BALANCE_UPDATE", "asset_id_coinapi": asset, "available": float(available)}
            assert (await client.last("ems", **update))["locked"] == held
        assert ours.server.market.ledger.imbalances() == []


async def place(client: Peer, name: str, side: str, amount: float, price: float) -> None:
    """Send the order that goes by this name."""
    message = {
        "type": "ORDER_NEW_SINGLE_REQUEST",
        "exchange_id": "SIM",
        "client_order_id": name,
        "symbol_id_coinapi": SYMBOL_ID,
        "amount_order": amount,
        "price": price,
        "side": side,
        "order_type": "LIMIT",
        "time_in_force": "GOOD_TILL_CANCEL",
    }
    await client.call("send", name="ems", message=message)


async def test_a_token_on_top_of_a_key(tmp_path: Path) -> None:
    async with venue(tmp_path, require_key=True) as ours, peer("coinapi", {}) as client:
        await ours.trade(50)
        await ours.settle()
        now, secret = wall_clock_ns() // 10**9, ours.keys["customer"].secret
        hello = {"type": "hello", "subscribe_data_type": ["quote"]}
        for name, key, until in (
            ("right", secret, now + 60),
            ("wrong", ours.keys["maker"].secret, now + 60),
            ("over", secret, now - 1),
        ):
            token = jwt.encode({"nbf": now - 60, "exp": until}, key, "HS256")
            header = {"X-CoinAPI-Key": guid(ours), "Authorization": f"Bearer {token}"}
            rest = {"url": ours.url("http", "coinapi/v1/symbols"), "method": "GET", "header": header, "body": None}
            await client.call("open", name=name, url=ours.url("ws", "coinapi/v1/"), header=header, first=[hello])
            told = await client.seen(name)
            if name == "right":
                assert (told[0]["type"], told[0]["symbol_id"]) == ("quote", SYMBOL_ID)
                assert [row["symbol_id"] for row in (await client.call("http", **rest))["body"]] == [SYMBOL_ID]
                continue
            assert told[0] == {"type": "error", "message": "Invalid API key"}
            assert (await client.last(name, type="closed"))["why"] == ["4401", "Invalid API key"]
            with pytest.raises(ClientError, match="HTTP Error 401"):
                await client.call("http", **rest)


async def test_rest(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("coinapi", {}) as client:
        await ours.trade(100)
        book = ours.seen.books[await ours.settle()]
        header = {"X-CoinAPI-Key": guid(ours)}

        async def get(path: str) -> Any:
            url = ours.url("http", f"coinapi/v1/{path}")
            answer = await client.call("http", url=url, method="GET", header=header, body=None)
            assert int(answer["headers"]["x-ratelimit-remaining"]) < int(answer["headers"]["x-ratelimit-limit"])
            return answer["body"]

        [listed] = await get("symbols")
        assert (listed["symbol_id"], listed["asset_id_base"], listed["asset_id_quote"]) == (SYMBOL_ID, "BTC", "USDT")
        shown = await get(f"orderbooks/{SYMBOL_ID}/current")
        assert Book(side(shown["bids"]), side(shown["asks"])) == book
        latest = await get(f"trades/{SYMBOL_ID}/latest?limit=5&include_id=true")
        assert [(one["id_trade"], one["price"], one["size"]) for one in latest] == [
            (trade.id, Decimal(trade.price), Decimal(trade.size)) for trade in list(ours.seen.trades.values())[:-6:-1]
        ]
        quote = await get(f"quotes/{SYMBOL_ID}/current")
        assert ((quote["bid_price"], quote["bid_size"]), (quote["ask_price"], quote["ask_size"])) == (
            book.bids[0], book.asks[0],
        )  # fmt: skip
        rows = await get(f"ohlcv/{SYMBOL_ID}/latest?period_id=1MIN")
        fields = ("price_open", "price_high", "price_low", "price_close", "volume_traded", "trades_count")
        assert [[milliseconds(row["time_period_start"]), *(row[field] for field in fields)] for row in rows] == (
            candles(ours.seen)[::-1]
        )
        day = (await ours.maker.snapshot("ticker", SYMBOL)).data
        rate = Context(15, ROUND_HALF_UP).divide(Decimal(day.quote_volume), Decimal(day.volume))
        assert (await get("exchangerate/BTC/USDT"))["rate"] == rate

        url = ours.url("http", "coinapi/ems/v1/orders")
        order = {
            "exchange_id": "SIM", "client_order_id": "rest", "symbol_id_coinapi": SYMBOL_ID, "amount_order": 2,
            "price": 80, "side": "BUY", "order_type": "LIMIT", "time_in_force": "GOOD_TILL_CANCEL",
        }  # fmt: skip
        placed = (await client.call("http", url=url, method="POST", header=header, body=order))["body"]
        assert (await ours.customer.order(placed["exchange_order_id"])).data.price == "80.00"
