"""Our matcher, and its slow twin, follow the steps of a workload."""

from __future__ import annotations

from hashlib import blake2b

from benchmarks.matcher.steps import Step
from tickwire.engine.events import EngineEvent, Matched
from tickwire.engine.matcher import Matcher
from tickwire.engine.reference import ReferenceMatcher
from tickwire.model.records import Side

Trade = tuple[int, int, int, int]
"""Price, size, order id of the maker, of the taker."""


class Nothing:
    """A matcher that does nothing: what the loop and its calls cost."""

    def place(
        self,
        order_id: int,
        account: str,
        side: Side,
        size: int,
        *,
        price: int,
        order_type: str,
        time_in_force: str,
        post_only: bool,
    ) -> None:
        """Nothing."""

    def cancel(self, order_id: int) -> None:
        """Nothing."""

    def amend(self, order_id: int, *, price: None, size: int) -> None:
        """Nothing."""


def follow(matcher: Matcher | Nothing, steps: list[Step]) -> None:
    """Do the steps, and drop what comes of them."""
    place, cancel, amend = matcher.place, matcher.cancel, matcher.amend
    for step in steps:
        if step[0] == 0:
            _, order_id, account, side, price, size, time_in_force = step
            place(
                order_id,
                account,
                side,
                size,
                price=price,
                order_type="limit",
                time_in_force=time_in_force,
                post_only=False,
            )
        elif step[0] == 1:
            cancel(step[1])
        else:
            amend(step[1], price=None, size=step[2])


def answers(matcher: Matcher | ReferenceMatcher, steps: list[Step]) -> list[list[EngineEvent]]:
    """Every event of every step."""
    return [_events(matcher, step) for step in steps]


def digest(answers: list[list[EngineEvent]]) -> str:
    """Equal for equal events in equal order."""
    return blake2b("\n".join(map(repr, answers)).encode(), digest_size=16).hexdigest()


def trades(matcher: Matcher, steps: list[Step]) -> list[Trade]:
    """The trades that come of the steps."""
    done: list[Trade] = []
    for step in steps:
        for event in _events(matcher, step):
            if isinstance(event, Matched):
                done.append((event.price, event.size, event.maker_order_id, event.taker_order_id))
    return done


def _events(matcher: Matcher | ReferenceMatcher, step: Step) -> list[EngineEvent]:
    if step[0] == 0:
        _, order_id, account, side, price, size, time_in_force = step
        return matcher.place(
            order_id,
            account,
            side,
            size,
            price=price,
            order_type="limit",
            time_in_force=time_in_force,
            post_only=False,
        )
    if step[0] == 1:
        return matcher.cancel(step[1])
    return matcher.amend(step[1], price=None, size=step[2])
