"""The workloads of the matchers."""

from __future__ import annotations

from random import Random

from benchmarks.matcher.play import follow
from benchmarks.matcher.steps import Step
from tickwire.engine.matcher import Matcher
from tickwire.model.records import Side

SEED = 1
SIDES: tuple[Side, ...] = ("buy", "sell")


def mixed(count: int, *, amends: bool = True) -> list[Step]:
    """Half of the steps rest near a wandering price, a tenth take, the others cancel and, if they may, amend.

    Cancels and amends name orders that rest at that moment, so a matcher plays along.
    """
    random = Random(SEED)
    shadow = Matcher()
    steps: list[Step] = []
    middle, order_id = 10_000, 1
    while len(steps) < count:
        side = random.choice(SIDES)
        away = -1 if side == "buy" else 1
        middle += random.choice((-1, 0, 0, 0, 0, 0, 1))
        tried = random.sample(range(order_id - 3_000, order_id), 20)
        recent = [known for known in tried if known in shadow.book.orders]
        kind = random.random()
        if kind < 0.48:
            behind = 1 + int(random.expovariate(1 / 12))
            steps.append((0, order_id, side, side, middle + away * behind, random.randint(1, 50), "gtc"))
        elif kind < 0.58:
            steps.append((0, order_id, side, side, middle - away * 2, random.randint(1, 80), "ioc"))
        elif not recent:
            continue
        elif kind < 0.96 or not amends:
            steps.append((1, recent[0]))
        else:
            steps.append((2, recent[0], random.randint(1, 50)))
        follow(shadow, steps[-1:])
        order_id += steps[-1][0] == 0
    return steps


def long_queue(length: int) -> list[Step]:
    """Orders that all rest at one price, then as many takers of one order each."""
    makers: list[Step] = [(0, n, "a", "sell", 100, 1, "gtc") for n in range(1, length + 1)]
    takers: list[Step] = [(0, length + n, "b", "buy", 100, 1, "ioc") for n in range(1, length + 1)]
    return makers + takers


def standing(levels: int, each: int, count: int) -> tuple[list[Step], list[Step]]:
    """A book of so many levels a side and orders at each of them, and steps that leave it as large as it is.

    One order is canceled anywhere, and another comes at its price; both cost what they cost at a level picked at
    random, which is the worst there is: in a market nearly all happens at the top.
    """
    random = Random(SEED)
    resting: dict[int, tuple[Side, int]] = {}
    for order_id in range(1, 2 * levels * each + 1):
        number = (order_id - 1) // 2 % levels
        resting[order_id] = ("buy", 100_000 - number) if order_id % 2 else ("sell", 100_001 + number)
    before: list[Step] = [(0, order_id, side, side, price, 5, "gtc") for order_id, (side, price) in resting.items()]
    ids = list(resting)
    steps: list[Step] = []
    for order_id in range(len(ids) + 1, len(ids) + 1 + count // 2):
        picked = random.randrange(len(ids))
        side, price = resting[order_id] = resting.pop(ids[picked])
        steps += [(1, ids[picked]), (0, order_id, side, side, price, 5, "gtc")]
        ids[picked] = order_id
    return before, steps
