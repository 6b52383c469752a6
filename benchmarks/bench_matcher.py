"""How many operations a second does one matcher do, and does the length of a queue matter to it?

    commands ──┬──► Matcher ───────────► events ──┐
               └──► ReferenceMatcher ──► events ──┴── must be equal

One process, one core, nothing but the engine: no tape, no streams, no socket. A wrong answer is an error.

    python benchmarks/bench_matcher.py [--commands N]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from random import Random
from time import perf_counter

from tickwire.engine.events import EngineEvent, Matched
from tickwire.engine.matcher import Matcher
from tickwire.engine.reference import ReferenceMatcher
from tickwire.model.records import AmendOrder, CancelOrder, Command, PlaceOrder, Side

SEED = 1
REPEATS = 5
SIDES: tuple[Side, ...] = ("buy", "sell")

Answers = list[list[EngineEvent]]


def apply(matcher: Matcher | ReferenceMatcher, order_id: int, command: Command) -> list[EngineEvent]:
    """Give a command to a matcher; `order_id` is for a placement."""
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
    if isinstance(command, CancelOrder):
        return matcher.cancel(command.order_id)
    assert isinstance(command, AmendOrder)
    return matcher.amend(command.order_id, price=command.price, size=command.size)


def run(matcher: Matcher | ReferenceMatcher, commands: list[Command]) -> tuple[float, Answers]:
    """Operations per second over all commands, and what each of them came to."""
    answers: Answers = []
    order_id = 1
    started = perf_counter()
    for command in commands:
        answers.append(apply(matcher, order_id, command))
        order_id += isinstance(command, PlaceOrder)
    return len(commands) / (perf_counter() - started), answers


def fastest(commands: list[Command]) -> tuple[float, Answers]:
    """The best of some runs of the fast matcher, each from an empty book."""
    return max((run(Matcher(), commands) for _ in range(REPEATS)), key=lambda result: result[0])


def mixed(count: int) -> tuple[list[Command], Matcher]:
    """Half of the commands rest near a wandering price, a tenth take, the others cancel and amend.

    Cancels and amends name orders that rest at that moment, so a matcher plays along; it is returned too.
    """
    random = Random(SEED)
    shadow = Matcher()
    commands: list[Command] = []
    middle, order_id = 10_000, 1
    while len(commands) < count:
        side = random.choice(SIDES)
        away = -1 if side == "buy" else 1
        middle += random.choice((-1, 0, 0, 0, 0, 0, 1))
        tried = random.sample(range(order_id - 3_000, order_id), 20)
        recent = [known for known in tried if known in shadow.book.orders]
        kind = random.random()
        command: Command
        if kind < 0.48:
            behind = 1 + int(random.expovariate(1 / 12))
            command = PlaceOrder("S", side, side, random.randint(1, 50), middle + away * behind)
        elif kind < 0.58:
            command = PlaceOrder("S", side, side, random.randint(1, 80), middle - away * 2, "limit", "ioc")
        elif not recent:
            continue
        elif kind < 0.96:
            command = CancelOrder("a", recent[0])
        else:
            command = AmendOrder("a", recent[0], size=random.randint(1, 50))
        commands.append(command)
        apply(shadow, order_id, command)
        order_id += isinstance(command, PlaceOrder)
    return commands, shadow


def long_queue(length: int) -> tuple[list[Command], Answers]:
    """Orders that all rest at one price, then as many takers of one order each; and the trades that come of it."""
    makers: list[Command] = [PlaceOrder("S", "a", "sell", 1, 100) for _ in range(length)]
    takers: list[Command] = [PlaceOrder("S", "b", "buy", 1, None, "market") for _ in range(length)]
    trades: Answers = [[Matched(n, 100, 1, "buy", length + n, n, 0)] for n in range(1, length + 1)]
    return makers + takers, trades


def main(argv: list[str]) -> int:
    """Run both workloads, print what they measured, and return 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description="operations per second of the matching engine")
    parser.add_argument("--commands", type=int, default=20_000, metavar="N", help="commands per workload (%(default)s)")
    count = max(2, parser.parse_args(argv).commands)

    commands, shadow = mixed(count)
    fast, answers = fastest(commands)
    slow, expected = run(ReferenceMatcher(), commands)
    kinds = Counter(type(event).__name__ for events in answers for event in events)
    print(f"mixed: {count:,} commands, {len(shadow.book.orders):,} orders left on the book; events: {dict(kinds)}")
    print(f"  matcher    {fast:>12,.0f} operations/s")
    print(f"  reference  {slow:>12,.0f} operations/s")
    print(f"  ratio      {fast / slow:>12,.1f}")

    queue, trades = long_queue(count // 2)
    fast, queue_answers = fastest(queue)
    print(f"long queue: {count // 2:,} orders at one price, taken one by one")
    print(f"  matcher    {fast:>12,.0f} operations/s")

    right = answers == expected and queue_answers[count // 2 :] == trades
    print("every event as expected" if right else "WRONG: the events are not those expected")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
