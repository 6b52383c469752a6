"""What the fold's benchmark checks."""

from __future__ import annotations

import pytest

from benchmarks.fold import expect_same
from benchmarks.fold.run import check, run
from benchmarks.fold.workloads import START_NS, STEP_NS, WORKLOADS, reported, transactions
from benchmarks.peers.workload import framed
from benchmarks.results import Wrong
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.records import Clock, VenueBookUpdate, VenueTrade
from tickwire.tape.memory import MemoryTape


@pytest.mark.parametrize(("workload", "channel"), [("built-in market", "book_l3"), ("feed", "book")])
def test_a_missing_message_is_noticed(workload: str, channel: str) -> None:
    opening, inputs = WORKLOADS[workload](300)
    _, _, last, sent = run(MemoryTape(), opening, transactions(inputs, 1))
    assert check(sent, last)[1] == ""
    named = b'"channel":"%b"' % channel.encode()
    of_channel = [at for at, each in enumerate(sent) if named in each and b"interval_ms" not in each]
    lost = of_channel[len(of_channel) // 2]
    assert f"channel='{channel}'" in check(sent[:lost] + sent[lost + 1 :], last)[1]
    lost = of_channel[-1]
    assert "was to come last, but" in check(sent[:lost] + sent[lost + 1 :], last)[1]


def test_a_stream_that_stops_or_says_nothing_is_noticed() -> None:
    key = StreamKey("trades", "SIM:A-B")
    body = b'{"channel":"trades","symbol":"SIM:A-B","type":"%b","seq":%d}'
    sent = [framed(body % (b"snapshot" if seq == 1 else b"update", seq)) for seq in range(1, 10)]
    assert check(sent, {key: 9}) == (9, "")
    assert check(sent[:2], {key: 9}) == (2, f"{key}: 9 was to come last, but 2 came")
    other = key._replace(channel="book")
    assert check(sent, {key: 9, other: 1}) == (9, f"{other}: 1 was to come last, but None came")


def test_another_state_is_noticed() -> None:
    right = {"feed 1": {"state": "a", "bytes": 5}}
    expect_same({"interpreted": right, "compiled": right})
    with pytest.raises(Wrong, match="feed 1: state b when compiled, a otherwise"):
        expect_same({"interpreted": right, "compiled": {"feed 1": {"state": "b", "bytes": 5}}})


def test_each_report_of_a_feed_counts() -> None:
    opening, reports = reported(200)
    assert {type(record) for _, record in reports} == {VenueBookUpdate, VenueTrade}
    assert [at for at, _ in reports] == [START_NS + n * STEP_NS for n in range(1, 201)]
    market = Market()
    for record in opening:
        market.apply(record)
    events = [event for _, record in reports for event in market.apply(record)]
    said = [event for event in events if event.channel in ("book", "trades")]
    # a change to what was so already is no news
    assert len(reports) - 10 < len(said) <= len(reports)


def test_a_transaction_has_the_clock_of_its_last_input() -> None:
    _, inputs = reported(5)
    grouped = transactions(inputs, 2)
    assert [group[0] for group in grouped] == [Clock(START_NS + n * STEP_NS) for n in (2, 4, 5)]
    assert [record for group in grouped for record in group[1:]] == [record for _, record in inputs]
