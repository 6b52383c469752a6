"""The fast matcher and stop book against their slow twins: every event, the whole book, and where every lot went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from random import Random
from typing import NamedTuple, TypeAlias, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.engine.digest import book_digest
from tickwire.engine.events import Canceled, EngineEvent, Matched, Reduced, Rejected, Rested
from tickwire.engine.matcher import Matcher
from tickwire.engine.reference import ReferenceMatcher, ReferenceStops
from tickwire.engine.stops import StopBook, direction
from tickwire.model.records import WAITING_TYPES, OrderType, SelfTradePrevention, Side, TimeInForce

SIDES: tuple[Side, ...] = ("buy", "sell")
TYPES = get_args(OrderType)
IN_FORCE: tuple[TimeInForce, ...] = ("gtc", "ioc", "fok", "gtd")
MODES: tuple[SelfTradePrevention, ...] = ("cancel_newest", "cancel_oldest", "cancel_both", "decrement")


class Place(NamedTuple):
    account: str
    side: Side
    size: int
    price: int | None = None
    order_type: OrderType = "limit"
    time_in_force: TimeInForce = "gtc"
    post_only: bool = False
    display_size: int = 0
    mode: SelfTradePrevention = "cancel_newest"
    limit: int | None = None
    stop_price: int = 0


class Amend(NamedTuple):
    order_id: int
    price: int | None
    size: int | None
    post_only: bool
    mode: SelfTradePrevention


class Cancel(NamedTuple):
    order_id: int


class Reduce(NamedTuple):
    order_id: int
    size: int


Command: TypeAlias = Place | Amend | Cancel | Reduce


def apply(matcher: Matcher | ReferenceMatcher, order_id: int, command: Command) -> list[EngineEvent]:
    """Give a command to either twin; `order_id` is for a placement."""
    match command:
        case Place():
            return matcher.place(
                order_id,
                command.account,
                command.side,
                command.size,
                price=command.price,
                order_type=command.order_type,
                time_in_force=command.time_in_force,
                post_only=command.post_only,
                display_size=command.display_size,
                self_trade_prevention=command.mode,
                limit=command.limit,
            )
        case Amend(amended_id, price, size, post_only, mode):
            return matcher.amend(amended_id, price=price, size=size, post_only=post_only, self_trade_prevention=mode)
        case Reduce():
            return matcher.reduce(command.order_id, command.size)
        case Cancel():
            return matcher.cancel(command.order_id)


class Lots:
    """Keeps account of every order's lots from the commands and events alone."""

    def __init__(self) -> None:
        self.account: dict[int, str] = {}
        self.entered: Counter[int] = Counter()
        self.matched: Counter[int] = Counter()
        self.canceled: Counter[int] = Counter()
        self.shown: dict[int, int] = {}

    def left(self, order_id: int) -> int:
        return self.entered[order_id] - self.matched[order_id] - self.canceled[order_id]

    def note(self, order_id: int, command: Command, events: list[EngineEvent]) -> None:
        if isinstance(events[0], Rejected):
            assert len(events) == 1, "a rejected command does nothing else"
            return
        if isinstance(command, Place):
            self.account[order_id] = command.account
            self.entered[order_id] += command.size
        elif isinstance(command, Amend) and not isinstance(events[0], Reduced):
            self.entered[command.order_id] += self.left(command.order_id) if command.size is None else command.size
        for event in events:
            match event:
                case Matched():
                    maker, taker = event.maker_order_id, event.taker_order_id
                    assert self.account[maker] != self.account[taker]
                    self.matched[taker] += event.size
                    self.matched[maker] += event.size
                    self.shown[maker] -= event.size
                    assert self.shown[maker] == event.maker_remaining
                    if event.maker_remaining == 0:
                        del self.shown[maker]
                case Rested():
                    assert event.order_id not in self.shown
                    self.shown[event.order_id] = event.size
                case Reduced():
                    self.canceled[event.order_id] += event.removed
                    assert 0 < event.size <= self.shown[event.order_id]
                    self.shown[event.order_id] = event.size
                case Canceled():
                    self.canceled[event.order_id] += event.size
                    if event.resting:
                        del self.shown[event.order_id]

    def check(self, matcher: Matcher) -> None:
        """Every lot that was entered is in exactly one place, and the book holds exactly what is left."""
        orders = matcher.book.orders
        assert {order_id: order.size for order_id, order in orders.items()} == self.shown
        left = {order_id: self.left(order_id) for order_id in self.entered}
        rests = {order_id: order.size + order.hidden for order_id, order in orders.items()}
        assert {order_id: lots for order_id, lots in left.items() if lots} == rests


class Twins:
    """Both matchers and both stop books, driven together as the market drives one of each."""

    def __init__(self) -> None:
        self.fast, self.reference = Matcher(), ReferenceMatcher()
        self.stops, self.reference_stops = StopBook(), ReferenceStops()
        self.waiting: dict[int, Place] = {}
        self.lots = Lots()
        self.last_price: int | None = None
        self.seen: Counter[str] = Counter()

    def run(self, commands: Iterable[Command], *, check_every: int) -> None:
        """Run every command and the stops that it wakes, and those that these wake."""
        placed = 0
        for number, command in enumerate(commands, 1):
            placed += isinstance(command, Place)
            self.enter(placed, command)
            while self.last_price is not None and (woken := self.wake(self.last_price)):
                for order_id in woken:
                    stop = self.waiting.pop(order_id)
                    self.execute(order_id, stop._replace(order_type="market" if stop.price is None else "limit"))
            if number % check_every == 0:
                self.check()
        self.check()

    def enter(self, order_id: int, command: Command) -> None:
        """Let a stop wait, forget one that is canceled, give anything else to the matchers."""
        if isinstance(command, Place) and command.order_type in WAITING_TYPES:
            waits_for = direction(command.order_type, command.side)
            self.stops.add(order_id, waits_for, command.stop_price)
            self.reference_stops.add(order_id, waits_for, command.stop_price)
            self.waiting[order_id] = command
            return
        if isinstance(command, Cancel):
            removed = self.stops.remove(command.order_id)
            assert removed == self.reference_stops.remove(command.order_id) == (command.order_id in self.waiting)
            if removed:
                del self.waiting[command.order_id]
                self.seen["stop removed"] += 1
                return
        self.execute(order_id, command)

    def wake(self, last_price: int) -> list[int]:
        woken = self.stops.wake(last_price)
        assert woken == self.reference_stops.wake(last_price)
        self.seen["stop woken"] += len(woken)
        return woken

    def execute(self, order_id: int, command: Command) -> None:
        """Give a command to both matchers and compare all they say."""
        reach: tuple[int, int] | None = None
        if isinstance(command, Place) and command.size > 0 and order_id % 4 == 0:  # the reference's is slow
            reach = self.reach(command)
        events = apply(self.fast, order_id, command)
        assert events == apply(self.reference, order_id, command), command
        assert not self.fast.book.ladder.crossed(), command
        self.lots.note(order_id, command, events)
        trades = [event for event in events if isinstance(event, Matched)]
        if trades:
            self.last_price = trades[-1].price
        if isinstance(command, Place) and reach is not None and not isinstance(events[0], Rejected):
            filled = (sum(trade.size for trade in trades), sum(trade.size * trade.price for trade in trades))
            if command.mode == "decrement":
                assert filled <= reach, command
            else:
                assert filled == reach, command
            if command.time_in_force == "fok" and command.order_type == "limit":
                assert filled[0] == command.size, command
        self.count(command, events)

    def reach(self, command: Place) -> tuple[int, int]:
        worst = command.limit if command.order_type == "market" else command.price
        reach = self.fast.reach(command.account, command.side, command.size, worst, command.mode)
        assert reach == self.reference.reach(command.account, command.side, command.size, worst, command.mode), command
        return reach

    def count(self, command: Command, events: list[EngineEvent]) -> None:
        for event in events:
            if isinstance(event, Rejected):
                self.seen[event.code] += 1
            elif isinstance(event, Canceled):
                self.seen[f"Canceled {event.reason}{' resting' if event.resting else ''}"] += 1
                if event.reason == "self_trade" and isinstance(command, (Place, Amend)):
                    self.seen[command.mode] += 1
            else:
                self.seen[type(event).__name__] += 1
        for event, following in pairwise(events):
            if isinstance(event, Matched) and isinstance(following, Rested):
                self.seen["next slice"] += event.maker_order_id == following.order_id

    def check(self) -> None:
        """The book is the reference's book, and its levels are the sums of their queues, in order."""
        book = self.fast.book
        for side in SIDES:
            orders = book.listed(side)
            shown = [(order.order_id, order.account, order.price, order.size) for order in orders]
            assert shown == self.reference.orders(side)
            assert {order.side for order in orders} <= {side}
            levels = book.ladder.side(side)
            assert levels.top() == self.reference.levels(side)
            prices = [price for price, _ in levels]
            assert prices == sorted(levels.sizes, reverse=side == "buy")
            for price, size in levels:
                assert sum(order.size for order in book.queue(side, price).values()) == size
        assert len(book.orders) == sum(len(self.reference.orders(side)) for side in SIDES)
        icebergs = {order_id: (order.hidden, order.display) for order_id, order in book.orders.items() if order.display}
        assert icebergs == self.reference.hidden()
        assert all(order.hidden == 0 for order in book.orders.values() if not order.display)
        assert len(self.stops) == len(self.reference_stops) == len(self.waiting)
        assert all(order_id in self.stops and order_id in self.reference_stops for order_id in self.waiting)
        assert self.fast.next_trade_id == self.reference.next_trade_id == self.seen["Matched"] + 1
        self.lots.check(self.fast)


def seeded(seed: int, count: int, *, spread: int) -> Iterator[Command]:
    """Commands of every kind around a wandering middle, most within `spread` ticks of it, some through it.

    Once in some hundreds an order sweeps a whole side, which also keeps the book small enough for the reference.
    """
    random = Random(seed)
    middle, placed = 10_000, 0
    for _ in range(count):
        side = random.choice(SIDES)
        account = random.choice("abc")
        mode = random.choice(MODES)
        middle += random.choice((-1, 0, 0, 1))
        behind = random.randint(-spread // 3, spread)
        price = middle - behind if side == "buy" else middle + behind
        size = random.randint(1, 30)
        display = random.choice((0, 0, 0, 1, 4, 10, 40))
        earlier = max(1, placed - random.randrange(60))
        in_force = random.choice(IN_FORCE)
        kind = random.random()
        command: Command
        if kind < 0.42:
            rests, post_only = IN_FORCE[random.choice((0, -1))], random.random() < 0.3
            command = Place(account, side, size, price, "limit", rests, post_only, display, mode)
        elif kind < 0.50:
            post_only = random.random() < 0.1
            command = Place(account, side, 2 * size, price, "limit", in_force, post_only, display, mode)
        elif kind < 0.53:
            worst = random.choice((None, price, middle))
            command = Place(account, side, 2 * size, None, "market", in_force, False, display, mode, worst)
        elif kind < 0.56:
            waits: OrderType = random.choice(("stop", "take_profit"))
            away = random.randint(0, spread) * (1 if direction(waits, side) == "rise" else -1)
            command = Place(account, side, size, None, waits, in_force, False, 0, mode, stop_price=middle + away)
        elif kind < 0.59:
            waits = random.choice(("stop_limit", "take_profit_limit"))
            away = random.randint(0, spread) * (1 if direction(waits, side) == "rise" else -1)
            stop_price = middle + away
            limit_price = stop_price + random.randint(-3, 3)
            post_only = random.random() < 0.1
            command = Place(
                account, side, size, limit_price, waits, in_force, post_only, display, mode, None, stop_price
            )
        elif kind < 0.594:
            command = Place("sweeper", side, 10_000_000, None, "market")
        elif kind < 0.60:
            bad_size, bad_price = random.choice(((0, price), (-1, price), (size, None), (size, 0), (size, -price)))
            command = Place(account, side, bad_size, bad_price)
        elif kind < 0.602:
            command = Place(account, side, size, price, "market")
        elif kind < 0.78:
            new_price = random.choice((None, None, None, price, price, 0))
            new_size = random.choice((None, size, size // 2))
            command = Amend(earlier, new_price, new_size, random.random() < 0.3, mode)
        elif kind < 0.84:
            command = Reduce(earlier, size)
        else:
            command = Cancel(earlier)
        placed += isinstance(command, Place)
        yield command


OFTEN = (
    "Matched",
    "Rested",
    "Reduced",
    "Canceled requested resting",
    "Canceled not_filled",
    "Canceled self_trade",
    "Canceled self_trade resting",
    "next slice",
    "stop woken",
    *MODES,
)
AT_TIMES = (
    "unknown_order",
    "invalid_price",
    "invalid_size",
    "would_take",
    "would_not_fill",
    "no_change",
    "stop removed",
)


# What 100,000 seeded commands come to. A change of these values is a change of the rules of matching.
@pytest.mark.parametrize(
    ("spread", "trades", "digest"),
    [(4, 75_787, "1ef6bd7c665b4ce4800352eefb2b0f8c"), (500, 105_300, "0128d2028bbf99c6784e2b7e80dd7ad1")],
    ids=("narrow", "wide"),
)
def test_seeded_commands(spread: int, trades: int, digest: str) -> None:
    twins = Twins()
    twins.run(seeded(1, 100_000, spread=spread), check_every=1_000)
    seen = twins.seen
    assert min(seen[kind] for kind in OFTEN) > 1_000, seen
    assert min(seen[kind] for kind in AT_TIMES) > 100, seen
    assert (seen["Matched"], book_digest(twins.fast.book)) == (trades, digest)


def _places(*, plain: bool) -> st.SearchStrategy[Place]:
    """Placements in a range so narrow that most meet another; the plain ones are `gtc` limit orders."""
    prices = st.integers(0, 6)
    return st.builds(
        Place,
        account=st.sampled_from("ab"),
        side=st.sampled_from(SIDES),
        size=st.integers(0, 9),
        price=prices if plain else st.none() | prices,
        order_type=st.just(TYPES[0]) if plain else st.sampled_from(TYPES),
        time_in_force=st.just(IN_FORCE[0]) if plain else st.sampled_from(IN_FORCE),
        post_only=st.just(False) if plain else st.booleans(),
        display_size=st.sampled_from((0, 1, 3)),
        mode=st.sampled_from(MODES),
        limit=st.none() | prices,
        stop_price=prices,
    )


def _commands() -> st.SearchStrategy[list[Command]]:
    ids = st.integers(1, 12)
    changes = st.none() | st.integers(0, 9)
    amends = st.builds(Amend, ids, changes, changes, st.booleans(), st.sampled_from(MODES))
    reduces = st.builds(Reduce, ids, st.integers(1, 9))
    kinds = (_places(plain=True), _places(plain=False), amends, reduces, st.builds(Cancel, ids))
    return st.lists(st.one_of(*kinds), max_size=40)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(_commands())
def test_any_commands(commands: list[Command]) -> None:
    Twins().run(commands, check_every=1)
