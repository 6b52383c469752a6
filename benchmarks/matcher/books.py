"""Books and matchers of others, each as its own documentation uses it. Needs nothing but the one that is named.

    python benchmarks/matcher/books.py NAME

For each line that it is told, `{"steps": [steps]}`, it follows them from an empty book and says how long that took and
which trades came of it. A step is a list: 0, order id, account, side, price, size, time in force; or 1, order id.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from time import process_time
from typing import Any

Steps = list[list[Any]]
Played = tuple[float, list[tuple[int, int, int, int]]]
"""Seconds, and the trades: price, size, order id of the maker, of the taker."""


def lightmatchingengine(steps: Steps) -> Played:
    """Pure Python. It numbers orders from 1, as the steps do; what an `ioc` order leaves is canceled."""
    from lightmatchingengine.lightmatchingengine import LightMatchingEngine  # type: ignore[import-not-found]

    trades = []
    engine = LightMatchingEngine()
    began = process_time()
    for step in steps:
        if step[0] == 0:
            _, order_id, _, side, price, size, time_in_force = step
            order, done = engine.add_order("S", price, size, 1 if side == "buy" else 2)
            for trade in done:
                if trade.order_id != order_id:  # the taker's trades are listed as well, one for each price
                    trades.append((trade.trade_price, trade.trade_qty, trade.order_id, order_id))
            if time_in_force == "ioc" and order.leaves_qty:
                engine.cancel_order(order_id, "S")
        else:
            engine.cancel_order(step[1], "S")
    return process_time() - began, trades


def liquibook(steps: Steps) -> Played:
    """C++ behind SWIG. A listener hears of fills; what an `ioc` order leaves is canceled: its flag leaves it there."""
    import liquibook  # type: ignore[import-not-found]

    trades = []

    class Listener(liquibook.OrderListener):  # type: ignore[misc]
        def on_accept(self, order: Any) -> None:
            pass

        def on_cancel(self, order: Any) -> None:
            pass

        def on_fill(self, taker: Any, maker: Any, size: int, price: int) -> None:
            taker.fill(size, price, 0)
            maker.fill(size, price, 0)
            trades.append((price, size, maker.order_id_, taker.order_id_))

    listener = Listener()
    orders = {}
    book = liquibook.DepthOrderBook()
    book.set_order_listener(listener)
    began = process_time()
    for step in steps:
        if step[0] == 0:
            _, order_id, _, side, price, size, time_in_force = step
            order = orders[order_id] = liquibook.SimpleOrder(side == "buy", price, size)
            book.add(order)
            if time_in_force == "ioc" and order.open_qty():
                book.cancel(order)
        else:
            book.cancel(orders[step[1]])
    seconds = process_time() - began
    ours = {order.order_id_: order_id for order_id, order in orders.items()}
    return seconds, [(price, size, ours[maker], ours[taker]) for price, size, maker, taker in trades]


def nanobook(steps: Steps) -> Played:
    """Rust behind PyO3. The result of an order holds its trades."""
    from nanobook import Exchange  # type: ignore[import-not-found]

    trades = []
    ids = {}
    exchange = Exchange()
    began = process_time()
    for step in steps:
        if step[0] == 0:
            _, order_id, _, side, price, size, time_in_force = step
            result = exchange.submit_limit(side, price, size, time_in_force)
            ids[order_id] = result.order_id
            if result.filled_quantity:
                for trade in result.trades:
                    trades.append((trade.price, trade.quantity, trade.passive_order_id, trade.aggressor_order_id))
        else:
            exchange.cancel(ids[step[1]])
    return process_time() - began, _named(trades, ids)


def obook(steps: Steps) -> Played:
    """A C library behind ctypes. Its events are drained after each command."""
    from obook import GTC, IOC, LIMIT, Book, EventKind  # type: ignore[import-not-found]

    trades = []
    ids, users = {}, {}
    book = Book(max_orders=1_000_000)
    began = process_time()
    for step in steps:
        if step[0] == 0:
            _, order_id, _, side, price, size, time_in_force = step
            users[order_id] = user = 1 if side == "buy" else 2
            result = book.submit(user, user - 1, price, size, LIMIT, IOC if time_in_force == "ioc" else GTC)
            ids[order_id] = result.order_id
        else:
            book.cancel(ids[step[1]], users[step[1]])
        for event in book.events():
            if event.kind == EventKind.TRADE:
                trades.append((event.price, event.qty, event.maker_id, event.taker_id))
    return process_time() - began, _named(trades, ids)


BOOKS = {play.__name__: play for play in (lightmatchingengine, liquibook, nanobook, obook)}


def _named(trades: list[tuple[int, int, int, int]], ids: dict[int, int]) -> list[tuple[int, int, int, int]]:
    """The trades with the order ids of the steps; `ids` has the book's own for them."""
    ours = {own: order_id for order_id, own in ids.items()}
    return [(price, size, ours[maker], ours[taker]) for price, size, maker, taker in trades]


def main(name: str) -> None:
    """Say which version it is, then answer."""
    print(json.dumps({"version": version(name)}), flush=True)
    for line in sys.stdin:
        seconds, trades = BOOKS[name](json.loads(line)["steps"])
        print(json.dumps({"seconds": seconds, "trades": trades}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
