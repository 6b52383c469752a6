"""Two bots trade with each other over real sockets, and in the end all books agree to the last unit.

`SECONDS` says how long; without it the bots do a number of things instead.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from contextlib import closing
from pathlib import Path
from time import monotonic

from bots.books import UNIT, Books, Position, Rules
from bots.bots import BTC, DEPOSITS, KINDS, Bot, Stream, prepare, serving
from tickwire import connect
from tickwire.engine.ledger import FEES
from tickwire.model.units import asset_units
from tickwire.protocol.messages import PortfolioResult, PositionData, TradeData
from tickwire.server.pipeline import restore
from tickwire.tape.sqlite import SqliteTape

SECONDS = int(os.environ.get("SECONDS", "0"))
THINGS = 10_000
"""That each bot does when no time is given: a few seconds' worth."""


def told(row: PositionData) -> Position:
    average = None if row.average_price is None else asset_units(row.average_price)
    assert row.unrealised is not None
    return Position(
        asset_units(row.size), average, asset_units(row.realised), asset_units(row.unrealised), asset_units(row.fees)
    )


def worth(bots: list[Bot], bot: Bot, last: int) -> tuple[int, dict[str, tuple[int, int]]]:
    """What the bot owns is worth in all, and (amount, value) of each asset: at the middle of both bots' best prices,
    or at the last where a side is empty."""
    prices: dict[str, list[int]] = {"buy": [], "sell": []}
    for entry in (entry for each in bots for entry in each.books.resting()):
        assert entry.told is not None
        assert entry.told.price is not None
        prices[entry.told.side].append(asset_units(entry.told.price))
    twice = max(prices["buy"]) + min(prices["sell"]) if all(prices.values()) else 2 * last
    base, quote = (bot.books.totals[asset] for asset in (BTC.base, BTC.quote))
    value = base * twice // (2 * UNIT)
    return value + quote, {BTC.base: (base, value), BTC.quote: (quote, quote)}


def shown(portfolio: PortfolioResult) -> tuple[int, dict[str, tuple[int, int]]]:
    holdings = {row.asset: (asset_units(row.amount), asset_units(row.value or "0")) for row in portfolio.holdings}
    return asset_units(portfolio.total), holdings


async def agree(bots: list[Bot], trades: list[TradeData]) -> None:
    """What each bot has counted is what the server says, whether asked or by its streams."""
    last = asset_units(trades[-1].price)
    for bot in bots:
        await bot.catch_up()
    for bot in bots:
        books, client = bot.books, bot.client
        balances = await client.balances()
        amounts = {row.asset: (asset_units(row.available), asset_units(row.held)) for row in balances.values()}
        assert amounts == books.balances()
        positions = await client.positions()
        assert {symbol: told(row) for symbol, row in positions.items()} == {BTC.symbol: books.position(last)}
        books.check_orders(await client.orders())
        assert shown(await client.portfolio(BTC.quote)) == worth(bots, bot, last)

        account = await client.account()
        assert (account.balances, account.positions) == (balances, positions)
        assert account.orders == {key: entry.told for key, entry in books.orders.items()}
        for order_id, order in bot.live.items():
            assert order.closed if order_id not in account.orders else order.data == account.orders[order_id]


def check_fills(bots: list[Bot], trades: list[TradeData]) -> None:
    """Each public trade is one fill of each bot, and no fill is anything else; replies told the same of them."""
    assert [trade.id for trade in trades] == [str(number + 1) for number in range(len(trades))]
    for bot in bots:
        assert [fill.trade_id for fill in bot.books.fills] == [trade.id for trade in trades]
        for seq, fill in bot.acknowledged.items():
            assert fill == bot.books.fills[seq - 1]
        for fill in bot.books.fills:  # a stop takes when it is woken, and nobody asked for that just then
            assert fill.liquidity == "maker" or fill.seq in bot.acknowledged or fill.client_order_id.startswith("stop")
    for trade, *fills in zip(trades, *(bot.books.fills for bot in bots), strict=True):
        [taker] = [fill for fill in fills if fill.liquidity == "taker"]
        [maker] = [fill for fill in fills if fill.liquidity == "maker"]
        buyer, seller = (taker, maker) if taker.side == "buy" else (maker, taker)
        assert (buyer.side, seller.side, trade.side) == ("buy", "sell", taker.side)
        assert (trade.buy_order_id, trade.sell_order_id) == (buyer.order_id, seller.order_id)
        for fill in fills:
            assert (fill.symbol, fill.price, fill.size) == (BTC.symbol, trade.price, trade.size)


def check_conserved(bots: list[Bot], mark: int, folder: Path) -> None:
    """What one bot has lost, the other has gained, but for the fees, which the tape shows where they belong."""
    one, other = (bot.books for bot in bots)
    assert one.orders == other.orders == {}
    assert one.position(mark).size == -other.position(mark).size
    fees = {"BTC": 0, "USDT": one.fees + other.fees}
    assert {asset: one.totals[asset] + other.totals[asset] + fees[asset] for asset in fees} == {
        asset: 2 * amount for asset, amount in DEPOSITS.items()
    }
    with closing(SqliteTape(folder)) as tape:
        ledger = restore(tape).ledger
    assert {asset: ledger.available(FEES, asset) for asset in fees} == fees


def check_enough_happened(bots: list[Bot], trades: int) -> str:
    """Every kind of order was filled, and everything that can be refused was; returns how often, in words."""
    done, refused, filled = (
        sum((getattr(bot, name) for bot in bots), Counter[str]()) for name in ("done", "refused", "filled")
    )
    assert trades > done.total() // 10
    assert set(filled) == set(KINDS) - {"too_large"}
    assert refused.keys() >= {"would_take", "would_not_fill", "would_trigger", "would_increase", "insufficient_balance"}
    assert min(done[kind] for kind in ("amend", "cancel", "cancel_all", "batch")) > 0
    lines = [f"{done.total()} requests, {trades} trades, {2 * trades} fills"]
    for name, counts in (("asked", done), ("refused", refused), ("filled", filled)):
        lines.append(f"{name}: {', '.join(f'{key} {count}' for key, count in counts.most_common())}")
    return "\n".join(lines)


async def test_the_books_of_two_bots_agree_with_the_server_and_with_each_other(tmp_path: Path) -> None:
    keys = prepare(tmp_path)
    trades: list[TradeData] = []
    async with (
        asyncio.timeout(SECONDS + 120),
        serving(tmp_path) as url,
        connect(url) as public,
        connect(url, key=keys[0]) as alice,
        connect(url, key=keys[1], encoding="msgpack") as bob,
        asyncio.TaskGroup() as tasks,
    ):
        [info] = await public.instruments()
        bots = [Bot(c, Books(Rules.of(info), DEPOSITS), random.Random(seed)) for seed, c in enumerate((alice, bob))]
        tape = Stream(await public.subscribe("trades", BTC.symbol), trades.append)
        tasks.create_task(tape.read())
        for bot in bots:
            await bot.listen(tasks)

        begin = monotonic()
        async with asyncio.TaskGroup() as trading:
            for bot in bots:
                trading.create_task(bot.trade(lambda n: monotonic() < begin + SECONDS if SECONDS else n < THINGS))
        took = monotonic() - begin

        for bot in bots:  # so that something is held, and listed, in any case
            await bot.client.place(BTC.symbol, "buy", "0.1234567890123456", "1.23")
        await tape.catch_up(public)
        await agree(bots, trades)
        for bot in bots:
            await bot.client.cancel_all()
        await agree(bots, trades)
        check_fills(bots, trades)
        await tape.close()
        for bot in bots:
            await bot.close()

    check_conserved(bots, asset_units(trades[-1].price), tmp_path)
    print(f"\n{took:.1f} s: {check_enough_happened(bots, len(trades))}")
