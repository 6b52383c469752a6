"""The fan-out of many streams: each client has to get all of its own, and nothing else."""

from __future__ import annotations

from argparse import ArgumentParser

import pytest

from benchmarks import streams
from benchmarks.fanout import Case, Run, run
from benchmarks.results import Wrong


def test_a_lost_message_fails_the_run() -> None:
    parser = ArgumentParser()
    streams.options(parser)
    # 33 belongs to stream 33, which client 0 reads as its fourth, so that it is the fourth message of stream 0 to 33
    given = parser.parse_args(["--only", "socketify", "--lose", "33"])
    given.smoke = True
    with pytest.raises(Wrong, match=r"socketify, 5 clients: message 3 was to come, but this came: .*000000000044"):
        streams.measure(given)


def test_all_runs_take_about_as_long() -> None:
    assert streams.messages_of(Case(2_000, 256, "websockets"), 100_000) == 1_024  # not 500: at least 4 turns
    assert streams.messages_of(Case(2_000, 256, "socketify"), 100_000) == 7_936
    assert streams.messages_of(Case(200, 1024, "tickwire"), 100_000) == 275_456


def test_what_is_sent_again_is_checked_too() -> None:
    assert run(Case(5, 1024, "tickwire"), 58 * 1024, streams=100).rate > 0
    with pytest.raises(Wrong, match="socketify, 5 clients: message 3 was to come"):
        run(Case(5, 1024, "socketify"), 30 * 1024, lose=33, streams=100)


def test_the_table_has_the_ratio_to_tickwire() -> None:
    medians = {
        Case(200, 256, "tickwire"): Run(6e6, 1.0, 0.5, 0.0),
        Case(200, 256, "nats"): Run(2e6, 0.98, 0.2, 0.01),
        Case(200, 1024, "nats"): Run(3e6, 1.0, 0.2, 0.0),
    }
    assert streams.table(200, 256, medians).rows == [
        ["tickwire", 6.0, 1.0, 100, 50, 0],
        ["nats", 2.0, 3.0, 98, 20, 1],
    ]
