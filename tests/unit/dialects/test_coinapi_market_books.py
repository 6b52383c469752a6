"""The CoinAPI dialect: who follows its messages has the market's book, by level and by order, at every step."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from coinapi_market import Server
from support import BTC, order
from tickwire.dialects.coinapi.ids import order_guid
from tickwire.model.records import AmendOrder, CancelOrder, Record


class Book:
    """What a client knows of a book.

    Attributes:
        sides: (price -> size) of asks and bids. orders: the same as id -> (price, size).
    """

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, int]] = {"asks": {}, "bids": {}}
        self.orders: dict[str, dict[str, tuple[str, int]]] = {"asks": {}, "bids": {}}
        self.sequences: dict[str, int] = {}

    def take(self, message: Any) -> None:
        kind, sequence = message["type"], message["sequence"]
        if message["is_snapshot"]:
            by_level = kind == "book"
            for side in ("asks", "bids"):
                (self.sides if by_level else self.orders)[side].clear()
        else:
            assert sequence == self.sequences[kind] + 1
        self.sequences[kind] = sequence
        for side in ("asks", "bids"):
            for level in message[side]:
                if kind == "book":
                    self._level(side, level["price"], lots(level["size"]))
                else:
                    self._order(side, level)

    def _level(self, side: str, price: str, size: int) -> None:
        if size:
            self.sides[side][price] = size
        else:
            del self.sides[side][price]  # it must have been there

    def _order(self, side: str, level: Any) -> None:
        orders, order_id, size = self.orders[side], level["id"], lots(level["size"])
        match level.get("update_type"):
            case "DELETE":
                del orders[order_id]
            case "MATCH":
                price, before = orders[order_id]
                assert price == level["price"]
                assert before >= size
                orders[order_id] = price, before - size
                if before == size:
                    del orders[order_id]
            case "UPDATE":
                assert orders[order_id][0] == level["price"]
                orders[order_id] = level["price"], size
            case "ADD" | None:
                assert order_id not in orders
                orders[order_id] = level["price"], size
            case other:
                raise AssertionError(other)


def lots(size: str | int) -> int:
    whole, _, fraction = str(size).partition(".")
    return int(whole + fraction.ljust(3, "0"))


def step(random: Random, server: Server) -> Record:
    live = [
        (account, each) for account in ("a", "b") for each in server.market.open_orders(BTC.symbol, account).values()
    ]
    if live and random.random() < 0.4:
        account, resting = random.choice(live)
        if random.random() < 0.5:
            return CancelOrder(account, int(resting.order_id))
        return AmendOrder(account, int(resting.order_id), None, random.randint(1, 9))
    side = random.choice(("buy", "sell"))
    return order("buy" if side == "buy" else "sell", 10_000 + random.randint(-6, 6), random.randint(1, 9))


@pytest.mark.parametrize("seed", range(5))
def test_a_client_has_the_markets_book(seed: int) -> None:
    random, server, book = Random(seed), Server(), Book()
    for _ in range(20):
        server.do(step(random, server))
    client, best = server.open(), server.open()
    for message in client.hello("book", "book_l3"):
        book.take(message)
    (shown,) = best.hello("book5")
    ladder, price = server.market.book(BTC.symbol).ladder, BTC.price.format
    for number in range(200):
        server.do(*(step(random, server) for _ in range(random.randint(1, 3))))
        if number == 100:
            client.sink.fill()
        if number == 110:
            server.hub.catch_up(client.sink)
        for message in client.said():
            book.take(message)
        if 100 <= number < 110:
            continue
        for name, side, words in (("asks", ladder.asks, "sell"), ("bids", ladder.bids, "buy")):
            assert book.sides[name] == {price(p): s for p, s in side.top()}
            assert book.orders[name] == {
                order_guid(BTC.symbol, str(each.order_id)): (price(each.price), each.size)
                for each in server.market.book(BTC.symbol).listed(words)
            }
        for message in best.said():
            shown = message
        for name, side in (("asks", ladder.asks), ("bids", ladder.bids)):
            assert [(level["price"], lots(level["size"])) for level in shown[name]] == [
                (price(p), s) for p, s in side.top(5)
            ]
