"""The fan-out of one stream: what is measured, how it is compared, and that a lost message fails the run."""

from __future__ import annotations

from argparse import ArgumentParser

import pytest

from benchmarks import fanout
from benchmarks.fanout import Case, Run
from benchmarks.peers import PEERS
from benchmarks.results import Wrong

MEDIANS = {
    Case(200, 64, "tickwire"): Run(10e6, 1.0, 0.5, 0.0),
    Case(200, 256, "tickwire"): Run(30e6, 1.0, 0.6, 0.0),
    Case(200, 64, "socketify"): Run(5e6, 0.99, 0.3, 0.02),
    Case(200, 256, "socketify"): Run(4e6, 1.0, 0.3, 0.0),
    Case(200, 64, "limit"): Run(20e6, 1.0, 0.7, 0.0),
    Case(200, 256, "limit"): Run(40e6, 1.0, 0.8, 0.0),
}


@pytest.mark.parametrize("name", ["tickwire", "nats"])
def test_a_lost_message_fails_the_run(name: str) -> None:
    if not PEERS[name].available:
        pytest.skip(PEERS[name].why_not)
    parser = ArgumentParser()
    fanout.options(parser)
    given = parser.parse_args(["--only", name, "--lose", "7"])
    given.smoke = True
    with pytest.raises(Wrong, match=f"{name}, 5 clients: message 7 was to come, but this came: .*000000000008"):
        fanout.measure(given)


def test_segments_larger_than_a_socket_arrive_whole() -> None:
    turn = 40_000  # 5 MB: no socket takes that at once, whether it is copied or the pages of a file
    assert fanout.run(Case(5, turn, "tickwire"), 3 * turn).rate > 0


def test_the_slow_are_measured_less() -> None:
    names = ("tickwire", "websockets")
    assert fanout.cases([10, 200], names) == [
        Case(10, 256, "tickwire"),
        Case(10, 256, "websockets"),
        Case(200, 64, "tickwire"),
        Case(200, 256, "tickwire"),
        Case(200, 256, "websockets"),
        Case(200, 1024, "tickwire"),
    ]
    assert fanout.cases([2_000, 10_000], ("websockets", "ws")) == [Case(2_000, 64, "websockets")]
    # 200,000 messages of the slowest are 1,000 for each of 200 clients, 4 turns of 256; of tickwire, 200 times as many
    assert fanout.messages_of(Case(200, 256, "websockets"), 200_000) == 1_024
    assert fanout.messages_of(Case(200, 256, "tickwire"), 200_000) == 199_936
    assert fanout.messages_of(Case(10, 256, "tickwire"), 200_000) == 999_936  # not 4,000,000
    assert fanout.messages_of(Case(10, 256, "limit"), 200_000) == 4_000_000
    assert fanout.messages_of(Case(2_000, 64, "websockets"), 200_000) == 256  # not 100, which are two turns
    assert fanout.messages_of(Case(10_000, 256, "tickwire"), 200_000) == 4_096


def test_each_is_compared_at_the_same_turn_and_at_its_best() -> None:
    table = fanout.table(200, MEDIANS)
    assert table.rows == [
        ["tickwire", 10.0, 30.0, 1.0, 1.0, 256, 1.0, 100, 60, 0],
        ["socketify", 5.0, 4.0, 2.0, 7.5, 64, 6.0, 99, 30, 2],
        ["limit", 20.0, 40.0, 0.5, 0.75, 256, 0.75, 100, 80, 0],
    ]
    assert len(table.columns) == 10


def test_the_aims_are_ratios_of_the_best() -> None:
    aims = {aim.text: (aim.measured, aim.target, aim.met) for aim in fanout.aims(MEDIANS)}
    assert aims == {
        "messages/s to 200 clients, as a multiple of socketify, each at its best turn, 256 and 64 messages": (
            6.0,
            8.0,
            False,
        ),
        "messages/s to 200 clients, as a share of send() in C of the same 256-message segments": (0.75, 0.7, True),
    }


def test_an_aim_that_is_nearly_reached_is_not_met() -> None:
    nearly = {**MEDIANS, Case(200, 64, "socketify"): Run(30e6 / 7.999, 1.0, 0.3, 0.0)}
    assert not fanout.aims(nearly)[0].met


def test_a_full_load_generator_is_told() -> None:
    assert fanout.findings(MEDIANS)[-1] == "The load generator used at most 80% of its core: it held nobody up."
    assert [aim.why for aim in fanout.aims(MEDIANS)] == ["", ""]
    full = {**MEDIANS, Case(200, 64, "socketify"): Run(5e6, 0.8, 0.95, 0.0)}
    assert "might have been delivered: socketify (200 clients, turn 64)." in fanout.findings(full)[-1]
    assert not any("held nobody up" in finding for finding in fanout.findings(full))
    why = "the load generator's core was full with socketify, which may deliver more"
    assert [aim.why for aim in fanout.aims(full)] == [why, ""]


def test_what_is_sent_again_is_checked_too() -> None:
    for name in ("tickwire", "limit", "pages"):
        assert fanout.run(Case(2, 256, name), 3 * fanout.PREPARED).rate > 0
    with pytest.raises(Wrong, match="tickwire, 2 clients: message 60000 was to come"):
        fanout.run(Case(2, 256, "tickwire"), 3 * fanout.PREPARED, lose=60_000)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "ws", PEERS["ws"]._replace(needs="no-such-node"))
    assert fanout.left_out(["tickwire", "ws"]) == ["ws is left out: there is no no-such-node here."]
