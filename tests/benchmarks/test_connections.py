from __future__ import annotations

import mmap
import os
from argparse import Namespace

import pytest

from benchmarks import connections
from benchmarks.connections import Crowd, aims, crowd, grown, in_time
from benchmarks.latency.arrivals import Behind
from benchmarks.memory import resident, watched
from benchmarks.results import Wrong

MIB = 1024 * 1024
LATENCY = {"p50": 1.0, "p99": 2.0, "p99.9": 3.0, "max": 4.0}


def given(**more: object) -> Namespace:
    return Namespace(**{"counts": [10], "crowd": 3, "rate": 100, "seconds": 0.2, "lose": -1, **more})


def test_what_a_process_holds_is_what_it_has_touched() -> None:
    with mmap.mmap(-1, 64 * MIB) as memory:
        before = resident(os.getpid())
        memory[: 16 * MIB] = bytes(16 * MIB)
        assert 12 * MIB <= resident(os.getpid()) - before <= 20 * MIB


def test_a_watched_process_is_looked_at_until_the_end() -> None:
    with watched(os.getpid(), 60) as samples:
        pass
    ((_, size),) = samples
    assert size == pytest.approx(resident(os.getpid()), rel=0.2)


def test_a_message_that_a_subscriber_does_not_get_is_found() -> None:
    with pytest.raises(Wrong, match="message 3 was to come"):
        grown("tickwire", given(lose=3), asks=True)


def test_a_message_that_one_of_the_crowd_does_not_get_is_found() -> None:
    with pytest.raises((Wrong, Behind), match="message 3 was to come"):
        crowd("tickwire", given(lose=3))


def test_the_aims_are_of_the_most_connections_and_of_what_all_were_to_get() -> None:
    crowds = {"tickwire": Crowd(300.0, 0.9, {}, 0.0), "limit": Crowd(300.0, 0.925, {}, 0.0)}
    memory, rate = aims(given(counts=[10, 20]), {10: 9.0, 20: 7.5}, crowds)
    assert (memory.measured, memory.met) == (7.5, True)
    assert (rate.measured, rate.met) == (90.0, False)
    assert rate.why.endswith("with a C program that does nothing but send() it is 92.5")
    assert [aim.measured for aim in aims(given(), None, {})] == [None, None]


def test_a_message_is_in_time_if_it_came_within_half_a_second_of_when_it_was_due() -> None:
    assert in_time([0, 500_000_000, 500_000_001, 5_000_000_000]) == 0.5


def test_it_says_when_the_clients_are_the_bottleneck(monkeypatch: pytest.MonkeyPatch) -> None:
    crowds = {"tickwire": Crowd(300.0, 1.0, LATENCY, 0.95), "socketify": Crowd(300.0, 0.5, LATENCY, 0.94)}
    monkeypatch.setattr(connections, "CROWDED", list(crowds))
    monkeypatch.setattr(connections, "grown", lambda *_, asks: {10: 1.0})
    monkeypatch.setattr(connections, "crowd", lambda name, _: crowds[name])
    measured = connections.measure(given(only=["tickwire"], smoke=False))
    assert (
        measured.findings[0] == "With tickwire, the clients used 95% of their core: they are what is measured, not it."
    )
    assert "socketify" not in "".join(measured.findings)
    assert measured.tables[1].rows == [
        ["tickwire", 300.0, "100.0%", 1, 2, 4, "95%"],
        ["socketify", 300.0, "50.0%", 1, 2, 4, "94%"],
    ]
