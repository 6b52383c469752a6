"""python-binance against a server: sockets, depth cache, orders over both APIs, and the account's events."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from clients.peer import ClientError, peer
from clients.venue import NAME, SYMBOL, Book, amounts, best, candles, levels, text, venue

STREAM = NAME.lower()


async def test_every_state_of_the_depth_cache_is_our_book(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("python-binance", ours.binance()) as client:
        await ours.trade(100)
        await client.call("watch_depth", symbol=NAME)
        await ours.trade_until(client.seen("depth", count=10))
        await client.seen("depth", id=await ours.settle())
        for one in (await client.seen("depth"))[
            1:
        ]:  # it may apply to its snapshot what is older than that, and is right again with the next
            assert Book(levels(one["bids"]), levels(one["asks"])) == ours.seen.books[one["id"]], one["id"]


async def test_trades_candles_and_several_streams_on_one_socket(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("python-binance", ours.binance()) as client:
        await client.call("watch", socket="trade_socket", arguments=[NAME])
        await client.call("watch", socket="kline_socket", arguments=[NAME, "1m"])
        streams = [f"{STREAM}@{name}" for name in ("aggTrade", "bookTicker", "miniTicker")]
        await client.call("watch", socket="multiplex_socket", arguments=[streams])
        await ours.trade_until(client.seen("trade_socket", count=20))
        seq = await ours.settle()
        trades = ours.seen.trades

        await client.seen("trade_socket", t=max(trades))
        told = await client.seen("trade_socket")
        assert [one["t"] for one in told] == list(range(1, max(trades) + 1))
        for one in told:
            trade = trades[one["t"]]
            assert (one["e"], one["s"], one["T"]) == ("trade", NAME, trade.ts_event // 10**6)
            assert (one["p"], one["q"]) == (text(Decimal(trade.price)), text(Decimal(trade.size)))
            assert one["m"] == (trade.side == "sell")

        start, *prices, size, count = candles(ours.seen)[-1]
        candle = (await client.last("kline_socket", **{"k.t": int(start), "k.n": int(count)}))["k"]
        assert [candle[key] for key in "ohlc"] == [text(price) for price in prices]
        assert (candle["v"], candle["i"], candle["L"]) == (text(size), "1m", max(trades))

        ticker = (await ours.maker.snapshot("ticker", SYMBOL)).data
        volume = text(Decimal(ticker.volume))
        told = await client.last("multiplex_socket", **{"stream": f"{STREAM}@miniTicker", "data.v": volume})
        assert [told["data"][key] for key in "ohlc"] == [
            text(Decimal(price)) for price in (ticker.open, ticker.high, ticker.low, ticker.last)
        ]
        told = await client.seen("multiplex_socket", stream=f"{STREAM}@bookTicker")
        for one in [one["data"] for one in told]:
            book = ours.seen.books[one["u"]]
            assert [Decimal(one["b"]), Decimal(one["B"])] == best(book.bids)
            assert [Decimal(one["a"]), Decimal(one["A"])] == best(book.asks)
        assert told[-1]["data"]["u"] > seq - 20
        told = await client.seen("multiplex_socket", stream=f"{STREAM}@aggTrade")
        aggregated = [one["data"] for one in told]
        assert [number for one in aggregated for number in range(one["f"], one["l"] + 1)] == list(
            range(1, max(trades) + 1)
        )
        for one in aggregated:
            parts = [trades[number] for number in range(one["f"], one["l"] + 1)]
            assert {Decimal(part.price) for part in parts} == {Decimal(one["p"])}
            assert sum(Decimal(part.size) for part in parts) == Decimal(one["q"])


async def test_orders_fills_and_balances_are_those_of_the_ledger(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("python-binance", ours.binance()) as client:
        await client.call("watch", socket="user_socket", arguments=[])
        sale = await client.call(
            "do", method="order_limit_sell", symbol=NAME, quantity="0.5", price="100.50", newClientOrderId="mine-1"
        )
        assert (sale["status"], sale["clientOrderId"], sale["fills"]) == ("NEW", "mine-1", [])
        order = await ours.customer.order(str(sale["orderId"]))
        assert (order.status, order.data.price, order.data.size) == ("open", "100.50", "0.500")
        told = await client.last("user_socket", e="executionReport", x="NEW", i=sale["orderId"])
        assert (told["c"], told["p"], told["q"]) == ("mine-1", "100.50000000", "0.50000000")

        await ours.taker.place(SYMBOL, "buy", "0.2", "101")
        [report] = await client.seen("user_socket", x="TRADE")
        await ours.settle()
        fill = ours.seen.fills[str(report["t"])]
        assert (report["X"], report["l"], report["z"]) == ("PARTIALLY_FILLED", "0.20000000", "0.20000000")
        assert (Decimal(report["L"]), Decimal(report["n"]), report["N"], report["m"]) == (
            Decimal(fill.price), Decimal(fill.fee), fill.fee_asset, fill.liquidity == "maker",
        )  # fmt: skip

        canceled = await client.call("do", method="cancel_order", symbol=NAME, orderId=sale["orderId"])
        assert (canceled["status"], canceled["origClientOrderId"], canceled["executedQty"]) == (
            "CANCELED", "mine-1", "0.20000000",
        )  # fmt: skip
        assert (await ours.customer.order(str(sale["orderId"]))).status == "canceled"
        await client.seen("user_socket", x="CANCELED", i=sale["orderId"])

        await ours.maker.place(SYMBOL, "sell", "1", "100.10")
        bought = await client.call(
            "do", method="ws_create_order", symbol=NAME, side="BUY", type="MARKET", quantity="0.3"
        )
        assert (bought["status"], bought["executedQty"], bought["cummulativeQuoteQty"]) == (
            "FILLED", "0.30000000", "30.03000000",
        )  # fmt: skip
        [part] = bought["fills"]
        await client.seen("user_socket", x="TRADE", i=bought["orderId"])
        await ours.settle()
        fill = ours.seen.fills[str(part["tradeId"])]
        assert (Decimal(part["price"]), Decimal(part["qty"]), Decimal(part["commission"]), part["commissionAsset"]) == (
            Decimal(fill.price), Decimal(fill.size), Decimal(fill.fee), fill.fee_asset,
        )  # fmt: skip

        bid = await client.call(
            "do",
            method="ws_create_order",
            symbol=NAME,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity="2",
            price="80",
        )
        [listed] = await client.call("do", method="get_open_orders", symbol=NAME)
        assert (listed["orderId"], listed["price"], listed["status"]) == (bid["orderId"], "80.00000000", "NEW")
        await client.seen("user_socket", x="NEW", i=bid["orderId"])
        account = await client.call("do", method="get_account")
        balances = amounts(await ours.customer.balances())
        assert {row["asset"]: (Decimal(row["free"]), Decimal(row["locked"])) for row in account["balances"]} == balances
        locked = text(balances["USDT"][1])
        told = await client.last("user_socket", **{"e": "outboundAccountPosition", "B.0.l": locked})
        assert {row["a"]: Decimal(row["f"]) for row in told["B"]}["USDT"] == balances["USDT"][0]
        await client.call("do", method="ws_cancel_order", symbol=NAME, orderId=bid["orderId"])
        assert await client.call("do", method="get_open_orders", symbol=NAME) == []
        mine = await client.call("do", method="get_my_trades", symbol=NAME)
        assert [(str(one["id"]), str(one["orderId"]), Decimal(one["commission"])) for one in mine] == [
            (fill.trade_id, fill.order_id, Decimal(fill.fee)) for fill in ours.seen.fills.values()
        ]
        assert ours.server.market.ledger.imbalances() == []


async def test_refusals_have_the_venues_codes(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("python-binance", ours.binance()) as client:
        big = {
            "symbol": NAME,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "100000",
            "price": "100",
        }
        for method, params, code in (
            ("create_order", big, -2010),
            ("ws_create_order", big, -2010),
            ("cancel_order", {"symbol": NAME, "orderId": 123456789}, -2011),
            ("ws_cancel_order", {"symbol": NAME, "orderId": 123456789}, -2011),
            ("get_order", {"symbol": NAME, "orderId": 123456789}, -2013),
            ("create_order", {**big, "price": "100.001"}, -1013),
            ("get_order_book", {"symbol": "NOSUCH"}, -1121),
        ):
            with pytest.raises(ClientError, match=rf"code={code}\b"):
                await client.call("do", method=method, **params)
