"""ccxt.pro against a server: what it shows is what the native streams say, and what it trades is in our ledger."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clients.peer import ClientError, Peer, peer
from clients.venue import SYMBOL, Book, amounts, best, candles, levels, venue

PAIR = "BTC/USDT"


async def do(ccxt: Peer, method: str, *arguments: Any) -> Any:
    return await ccxt.call("do", method=method, arguments=arguments)


async def watch(ccxt: Peer, method: str, *arguments: Any) -> None:
    await ccxt.call("watch", method=method, arguments=arguments)


def book(told: Any) -> Book:
    return Book(levels(told["bids"]), levels(told["asks"]))


async def test_the_market_has_our_steps(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("ccxt", ours.binance()) as ccxt:
        market = (await do(ccxt, "load_markets"))[PAIR]
        assert (market["id"], market["type"], market["active"]) == ("BTCUSDT", "spot", True)
        assert (market["precision"]["price"], market["precision"]["amount"]) == (Decimal("0.01"), Decimal("0.001"))
        assert market["limits"]["amount"]["min"] == Decimal("0.001")
        assert {"LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT"} <= set(market["info"]["orderTypes"])


async def test_every_book_is_ours_at_its_nonce(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("ccxt", ours.binance()) as ccxt:
        await ours.trade(100)
        seq = await ours.settle()
        fetched = await do(ccxt, "fetch_order_book", PAIR)
        assert (fetched["nonce"], book(fetched)) == (seq, ours.seen.books[seq])

        await watch(ccxt, "watch_order_book", PAIR)
        await ours.trade_until(ccxt.seen("watch_order_book", count=10))
        await ccxt.seen("watch_order_book", nonce=await ours.settle())
        told = await ccxt.seen("watch_order_book")
        for one in told:
            assert book(one) == ours.seen.books[one["nonce"]], one["nonce"]
        assert len({one["nonce"] for one in told}) >= 10


async def test_trades_ticker_and_candles(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("ccxt", ours.binance()) as ccxt:
        await ours.trade(50)
        await watch(ccxt, "watch_trades", PAIR)
        await watch(ccxt, "watch_ticker", PAIR, {"name": "ticker"})  # else it takes the one without bid and ask
        await watch(ccxt, "watch_ohlcv", PAIR)
        await ours.trade_until(ccxt.seen("watch_trades", count=20))
        book_now = ours.seen.books[await ours.settle()]
        trades = ours.seen.trades

        await ccxt.seen("watch_trades", id=str(max(trades)))
        told = await ccxt.seen("watch_trades")
        assert [int(one["id"]) for one in told] == list(range(int(told[0]["id"]), max(trades) + 1))
        for one in told:
            trade = trades[int(one["id"])]
            expected = (Decimal(trade.price), Decimal(trade.size), trade.side, trade.ts_event // 10**6)
            assert (one["price"], one["amount"], one["side"], one["timestamp"]) == expected

        ticker = (await ours.maker.snapshot("ticker", SYMBOL)).data
        (bid, bid_size), (ask, ask_size) = best(book_now.bids), best(book_now.asks)
        wanted = {
            "baseVolume": float(ticker.volume),
            "bid": float(bid),
            "ask": float(ask),
            "bidVolume": float(bid_size),
        }
        last = await ccxt.last("watch_ticker", **wanted, askVolume=float(ask_size))
        assert {field: last[field] for field in ("last", "open", "high", "low", "change")} == {
            field: Decimal(getattr(ticker, field)) for field in ("last", "open", "high", "low", "change")
        }
        assert (last["baseVolume"], last["quoteVolume"]) == (Decimal(ticker.volume), Decimal(ticker.quote_volume))

        minutes = [row[:6] for row in candles(ours.seen)]
        assert await do(ccxt, "fetch_ohlcv", PAIR, "1m") == minutes
        start, *_, volume = minutes[-1]
        assert await ccxt.last("watch_ohlcv", **{"0": int(start), "5": float(volume)}) == minutes[-1]


async def test_orders_fills_and_balances_are_those_of_the_ledger(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("ccxt", ours.binance()) as ccxt:
        await do(ccxt, "authenticate")
        for method in ("watch_orders", "watch_my_trades", "watch_balance"):
            await watch(ccxt, method)

        sale = await do(ccxt, "create_order", PAIR, "limit", "sell", 0.5, 100.5)
        order = await ours.customer.order(sale["id"])
        assert (order.status, order.data.price, order.data.client_order_id) == ("open", "100.50", sale["clientOrderId"])
        assert (sale["status"], sale["remaining"]) == ("open", Decimal("0.5"))
        await ours.taker.place(SYMBOL, "buy", "0.2", "101")
        told = await ccxt.last("watch_orders", id=sale["id"], filled=0.2)
        assert (told["status"], told["average"], told["fee"]) == (
            "open", Decimal("100.5"), {"cost": Decimal("0.0201"), "currency": "USDT"},
        )  # fmt: skip

        canceled = await do(ccxt, "cancel_order", sale["id"], PAIR)
        assert (canceled["status"], canceled["filled"]) == ("canceled", Decimal("0.2"))
        assert (await ours.customer.order(sale["id"])).status == "canceled"
        told = await ccxt.last("watch_orders", id=sale["id"], status="canceled")
        assert (told["filled"], told["clientOrderId"]) == (Decimal("0.2"), sale["clientOrderId"])

        for size, price in (("0.1", "100.1"), ("0.5", "100.2")):
            await ours.maker.place(SYMBOL, "sell", size, price)
        bought = await do(ccxt, "create_order_ws", PAIR, "market", "buy", 0.3)
        assert (bought["status"], bought["filled"]) == ("closed", Decimal("0.3"))
        assert [(one["price"], one["amount"]) for one in bought["trades"]] == [
            (Decimal("100.1"), Decimal("0.1")),
            (Decimal("100.2"), Decimal("0.2")),
        ]
        bid = await do(ccxt, "create_order_ws", PAIR, "limit", "buy", 1, 90)
        assert (await ours.customer.order(bid["id"])).data.price == "90.00"
        assert (await do(ccxt, "cancel_order_ws", bid["id"], PAIR))["status"] == "canceled"
        held = await do(ccxt, "create_order", PAIR, "limit", "buy", 2, 80)

        await ours.settle()
        fills = [ours.seen.fills[trade_id] for trade_id in sorted(ours.seen.fills, key=int)]
        expected = [
            (fill.trade_id, fill.order_id, fill.side, fill.liquidity, Decimal(fill.price), Decimal(fill.size),
             Decimal(fill.fee), fill.fee_asset)
            for fill in fills
        ]  # fmt: skip
        assert len(expected) == 3
        told = await ccxt.seen("watch_my_trades", count=3)
        for mine in (told, await do(ccxt, "fetch_my_trades", PAIR)):
            assert [
                (one["id"], one["order"], one["side"], one["takerOrMaker"], one["price"], one["amount"],
                 one["fee"]["cost"], one["fee"]["currency"])
                for one in mine
            ] == expected  # fmt: skip

        told = await ccxt.last("watch_orders", id=held["id"])
        assert (told["status"], told["price"]) == ("open", Decimal("80"))
        balances = amounts(await ours.customer.balances())
        fetched = await do(ccxt, "fetch_balance")
        usdt = {f"USDT.{name}": float(amount) for name, amount in zip(("free", "used"), balances["USDT"], strict=True)}
        watched = await ccxt.last("watch_balance", **usdt)
        for balance in (fetched, watched):
            assert {asset: (balance[asset]["free"], balance[asset]["used"]) for asset in balances} == balances
        assert ours.server.market.ledger.imbalances() == []


async def test_refusals_are_the_errors_that_ccxt_knows(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours, peer("ccxt", ours.binance()) as ccxt:
        for method in ("create_order", "create_order_ws"):
            with pytest.raises(ClientError, match=r"^InsufficientFunds"):
                await do(ccxt, method, PAIR, "limit", "buy", 100_000, 100)
        for method in ("cancel_order", "cancel_order_ws"):
            with pytest.raises(ClientError, match=r"^OrderNotFound"):
                await do(ccxt, method, "123456789", PAIR)
        await ours.maker.place(SYMBOL, "sell", "1", "100")
        with pytest.raises(ClientError, match=r"^OrderImmediatelyFillable"):
            await do(ccxt, "create_order", PAIR, "limit", "buy", 1, 101, {"postOnly": True})
