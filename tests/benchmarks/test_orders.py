"""What makes the order benchmark fail, and when its orders are due."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from threading import Thread

import pytest

from benchmarks.orders.load import Trader, at_rate, check, echoed, in_windows, one_by_one
from benchmarks.orders.trading import request, steps, wanted
from benchmarks.results import Wrong
from tickwire.model.records import CancelOrder, PlaceOrder
from tickwire.protocol.codec import JSON

HEARTBEAT = JSON.frame({"type": "heartbeat", "time": 1, "streams": []})


def acknowledgement(number: int, name: str, status: str, fills: int = 0, **other: str) -> bytes:
    named = {step.command.client_order_id: step.command for step in steps("account-0", 3)}
    command = named[name]
    assert isinstance(command, PlaceOrder)
    price, size = wanted(command)
    order = {"client_order_id": name, "status": status, "price": price, "size": size} | other
    return JSON.frame({"id": number, "result": {"order": order, "fills": [{}] * fills}})


@pytest.fixture
def trader() -> Iterator[Trader]:
    ours, server = socket.socketpair()
    with ours, server:
        result = Trader(ours, steps("account-0", 3))
        result.send(2)
        yield result


def test_an_account_rests_takes_and_cancels() -> None:
    planned = steps("account-0", 33)
    assert [step.status for step in planned[:4]] == ["open", "filled", "open", "filled"]
    assert [step.status for step in planned[20:26]] == ["open", "filled", "canceled"] * 2
    assert planned[22].command == CancelOrder("account-0", client_order_id="rest-0")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_orders_are_acknowledged_one_by_one(trader: Trader, size: int) -> None:
    data = acknowledgement(1, "rest-0", "open") + HEARTBEAT + acknowledgement(2, "take-0", "filled", 1)
    for at in range(0, len(data), size):
        trader.received(data[at : at + size])
    assert (trader.acknowledged, trader.complete) == (2, False)
    trader.send(3)
    trader.received(acknowledgement(3, "rest-1", "open"))
    assert trader.complete


@pytest.mark.parametrize(
    "data",
    [
        acknowledgement(2, "take-0", "filled", 1),
        acknowledgement(1, "rest-0", "open") * 2,
        acknowledgement(1, "rest-1", "open"),
        acknowledgement(1, "rest-0", "canceled"),
        acknowledgement(1, "rest-0", "open", 1),
        acknowledgement(1, "rest-0", "open", price="1"),
        acknowledgement(1, "rest-0", "open", size="1"),
        JSON.frame({"id": 1, "error": {"code": "busy", "message": ""}}),
    ],
    ids=["lost", "twice", "another order", "another status", "filled", "another price", "another size", "refused"],
)
def test_orders_fail_on_any_other_answer(trader: Trader, data: bytes) -> None:
    with pytest.raises(Wrong, match=r"was to be (open|filled), but this came"):
        trader.received(data)


def test_orders_fail_on_an_answer_to_nothing(trader: Trader) -> None:
    trader.received(acknowledgement(1, "rest-0", "open") + acknowledgement(2, "take-0", "filled", 1))
    with pytest.raises(Wrong, match="everything sent was acknowledged, and then this came"):
        trader.received(acknowledgement(3, "rest-1", "open"))


@pytest.mark.parametrize(
    "differing",
    [{"placed": 1}, {"canceled": 1}, {"open": 0}, {"taken": 0}, {"imbalances": ["USDT adds up to 1"]}],
    ids=lambda differing: next(iter(differing)),
)
def test_orders_fail_when_the_server_has_something_else(differing: dict[str, object]) -> None:
    right: dict[str, object] = {"placed": 2, "canceled": 0, "open": 1, "taken": 1, "imbalances": []}
    planned = steps("account-0", 2)
    check(right, planned)
    with pytest.raises(Wrong, match="the server should have"):
        check(right | differing, planned)


@pytest.fixture
def answered() -> Iterator[socket.socket]:
    """A socket behind which every request of the first three steps is answered as it must be, together."""
    ours, server = socket.socketpair()
    frames = [acknowledgement(1, "rest-0", "open"), acknowledgement(2, "take-0", "filled", 1)]
    sizes = [len(request(number, step)) for number, step in enumerate(steps("account-0", 2), 1)]

    def serve() -> None:
        for size, frame in zip(sizes, frames, strict=True):
            server.recv(size, socket.MSG_WAITALL)
            server.sendall(frame)

    with ours, server:
        serving = Thread(target=serve)
        serving.start()
        yield ours
        serving.join()


def test_a_window_is_filled_until_all_is_acknowledged(answered: socket.socket) -> None:
    trader = Trader(answered, steps("account-0", 2))
    seconds, _ = in_windows([trader], window=1)
    assert trader.acknowledged == 2
    assert seconds > 0


def test_one_order_is_under_way_at_a_time(answered: socket.socket) -> None:
    trader = Trader(answered, steps("account-0", 2))
    assert all(latency > 0 for latency in one_by_one(trader, 2))
    assert trader.acknowledged == 2


def test_an_order_is_not_sent_before_it_is_due_and_counts_from_then(answered: socket.socket) -> None:
    trader = Trader(answered, steps("account-0", 2))
    began = time.perf_counter_ns()
    first, second = at_rate([trader], 2, per_s=50)
    taken = time.perf_counter_ns() - began
    assert taken >= 20_000_000
    assert first > 0
    assert 0 < second <= taken - 20_000_000


def test_a_server_that_does_not_keep_up_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.orders.load.LATE_SECONDS_MAX", 0.01)
    ours, server = socket.socketpair()
    with ours, server, pytest.raises(Wrong, match="of 2 orders, 1000 a second, 0 were acknowledged in time"):
        at_rate([Trader(ours, steps("account-0", 2))], 2, per_s=1000)


def test_an_echo_of_something_else_is_wrong() -> None:
    ours, server = socket.socketpair()
    with ours, server:
        server.sendall(b"\x81\x02{}")
        with pytest.raises(Wrong, match="was to come back, but this came"):
            echoed(ours, steps("account-0", 1))
