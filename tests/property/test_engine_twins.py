"""The fast matcher against its slow twin: every event, the whole book, and where every lot went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.book.l3 import L3Book
from tickwire.engine.digest import book_digest
from tickwire.engine.events import Canceled, EngineEvent, Matched, Reduced, Rejected, Rested
from tickwire.engine.matcher import Matcher
from tickwire.engine.reference import ReferenceMatcher
from tickwire.model.records import AmendOrder, CancelOrder, Command, OrderType, PlaceOrder, Side, TimeInForce

SIDES: tuple[Side, ...] = ("buy", "sell")
TYPES: tuple[OrderType, ...] = ("limit", "market")
IN_FORCE: tuple[TimeInForce, ...] = ("gtc", "ioc", "fok")


def apply(matcher: Matcher | ReferenceMatcher, order_id: int, command: Command) -> list[EngineEvent]:
    """Give a command to either twin; `order_id` is for a placement."""
    if isinstance(command, PlaceOrder):
        return matcher.place(
            order_id,
            command.account,
            command.side,
            command.size,
            price=command.price,
            order_type=command.type,
            time_in_force=command.time_in_force,
            post_only=command.post_only,
        )
    if isinstance(command, AmendOrder):
        return matcher.amend(command.order_id, price=command.price, size=command.size)
    return matcher.cancel(command.order_id)


class Lots:
    """Keeps account of every order's lots from the commands and events alone."""

    def __init__(self) -> None:
        self.entered: Counter[int] = Counter()
        self.matched: Counter[int] = Counter()
        self.canceled: Counter[int] = Counter()
        self.resting: dict[int, int] = {}

    def note(self, order_id: int, command: Command, events: list[EngineEvent]) -> None:
        if isinstance(events[0], Rejected):
            assert len(events) == 1, "a rejected command does nothing else"
            return
        if isinstance(command, PlaceOrder):
            self.entered[order_id] += command.size
        elif isinstance(command, AmendOrder) and not isinstance(events[0], Reduced):
            order_id = command.order_id
            self.entered[order_id] += self.resting[order_id] if command.size is None else command.size
        for event in events:
            match event:
                case Matched():
                    self.matched[event.taker_order_id] += event.size
                    self.matched[event.maker_order_id] += event.size
                    self.resting[event.maker_order_id] -= event.size
                    assert self.resting[event.maker_order_id] == event.maker_remaining
                    if event.maker_remaining == 0:
                        del self.resting[event.maker_order_id]
                case Rested():
                    assert event.order_id not in self.resting
                    self.resting[event.order_id] = event.size
                case Reduced():
                    self.canceled[event.order_id] += self.resting[event.order_id] - event.size
                    self.resting[event.order_id] = event.size
                case Canceled():
                    self.canceled[event.order_id] += event.size
                    if event.resting:
                        assert self.resting.pop(event.order_id) == event.size

    def check(self, book: L3Book) -> None:
        """Every lot that was entered is in exactly one place, and the book holds exactly what rests."""
        assert {order.order_id: order.size for order in book.orders.values()} == self.resting
        assert self.entered == self.matched + self.canceled + Counter(self.resting)


def check_book(book: L3Book, reference: ReferenceMatcher) -> None:
    """The book is the reference's book, and its levels are the sums of their queues, in order."""
    for side in SIDES:
        orders = book.listed(side)
        assert [(order.order_id, order.account, order.price, order.size) for order in orders] == reference.orders(side)
        assert {order.side for order in orders} <= {side}
        levels = book.ladder.side(side)
        assert levels.top() == reference.levels(side)
        prices = [price for price, _ in levels]
        assert prices == sorted(levels.sizes, reverse=side == "buy")
        for price, size in levels:
            assert sum(order.size for order in book.queue(side, price).values()) == size
    assert len(book.orders) == sum(len(reference.orders(side)) for side in SIDES)


def run(commands: Iterable[Command], *, check_every: int) -> tuple[Matcher, Counter[str]]:
    """Drive both twins, compare all they say, and count what was seen."""
    fast, reference, lots = Matcher(), ReferenceMatcher(), Lots()
    seen: Counter[str] = Counter()
    next_order_id = 1
    for number, command in enumerate(commands, 1):
        events = apply(fast, next_order_id, command)
        assert events == apply(reference, next_order_id, command), (number, command)
        assert not fast.book.ladder.crossed(), (number, command)
        lots.note(next_order_id, command, events)
        if isinstance(command, PlaceOrder):
            next_order_id += 1
        seen.update(event.code if isinstance(event, Rejected) else type(event).__name__ for event in events)
        if number % check_every == 0:
            check_book(fast.book, reference)
    check_book(fast.book, reference)
    lots.check(fast.book)
    assert fast.next_trade_id == reference.next_trade_id == seen["Matched"] + 1
    return fast, seen


def seeded(seed: int, count: int, *, spread: int) -> Iterator[Command]:
    """Commands of every kind around a wandering middle, most within `spread` ticks of it, some through it.

    Once in a thousand an order sweeps a whole side, which also keeps the book small enough for the reference.
    """
    random = Random(seed)
    middle, placed = 10_000, 0
    for _ in range(count):
        side = random.choice(SIDES)
        account = random.choice("abc")
        middle += random.choice((-1, 0, 0, 1))
        behind = random.randint(-spread // 3, spread)
        price = middle - behind if side == "buy" else middle + behind
        size = random.randint(1, 30)
        earlier = max(1, placed - random.randrange(100))
        kind = random.random()
        if kind < 0.50:
            command: Command = PlaceOrder("S", account, side, size, price, "limit", "gtc", random.random() < 0.3)
        elif kind < 0.56:
            time_in_force = random.choice(IN_FORCE[1:])
            command = PlaceOrder("S", account, side, 2 * size, price, "limit", time_in_force, random.random() < 0.1)
        elif kind < 0.59:
            time_in_force = random.choice(IN_FORCE)
            command = PlaceOrder("S", account, side, 2 * size, None, "market", time_in_force)
        elif kind < 0.591:
            command = PlaceOrder("S", account, side, 10_000_000, None, "market")
        elif kind < 0.60:
            bad_size, bad_price = random.choice(((0, price), (-1, price), (size, None), (size, 0), (size, -price)))
            command = PlaceOrder("S", account, side, bad_size, bad_price)
        elif kind < 0.602:
            command = PlaceOrder("S", account, side, size, price, "market")
        elif kind < 0.80:
            new_price = random.choice((None, None, None, price, price, 0))
            command = AmendOrder(account, earlier, new_price, random.choice((None, size, size // 2)))
        else:
            command = CancelOrder(account, earlier)
        placed += isinstance(command, PlaceOrder)
        yield command


# What 100,000 seeded commands come to. A change of these values is a change of the rules of matching.
@pytest.mark.parametrize(
    ("spread", "trades", "digest"),
    [(4, 42_675, "27349dd18b2c5d331717f2ec9cb9e286"), (500, 41_175, "7342f49f395612a64e1333a3b27d88bc")],
    ids=("narrow", "wide"),
)
def test_seeded_commands(spread: int, trades: int, digest: str) -> None:
    fast, seen = run(seeded(1, 100_000, spread=spread), check_every=500)
    assert min(seen[kind] for kind in ("Matched", "Rested", "Reduced", "Canceled")) > 1_000, seen
    rejections = ("unknown_order", "invalid_price", "invalid_size", "would_take", "would_not_fill", "no_change")
    assert min(seen[code] for code in rejections) > 100, seen
    assert (seen["Matched"], book_digest(fast.book)) == (trades, digest)


def _placements(*, plain: bool) -> st.SearchStrategy[PlaceOrder]:
    """Placements in a range so narrow that most meet another; the plain ones are `gtc` limit orders."""
    prices = st.integers(0, 6)
    return st.builds(
        PlaceOrder,
        symbol=st.just("S"),
        account=st.sampled_from("ab"),
        side=st.sampled_from(SIDES),
        size=st.integers(0, 9),
        price=prices if plain else st.none() | prices,
        type=st.just(TYPES[0]) if plain else st.sampled_from(TYPES),
        time_in_force=st.just(IN_FORCE[0]) if plain else st.sampled_from(IN_FORCE),
        post_only=st.just(False) if plain else st.booleans(),
    )


def _commands() -> st.SearchStrategy[list[Command]]:
    ids = st.integers(1, 12)
    changes = st.none() | st.integers(0, 9)
    amend = st.builds(AmendOrder, st.just("S"), st.just("a"), ids, changes, changes)
    cancel = st.builds(CancelOrder, st.just("S"), st.just("a"), ids)
    return st.lists(st.one_of(_placements(plain=True), _placements(plain=False), amend, cancel), max_size=40)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(_commands())
def test_any_commands(commands: list[Command]) -> None:
    run(commands, check_every=1)
