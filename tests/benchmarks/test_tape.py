"""What makes the tape benchmark fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.results import Wrong
from benchmarks.tape import Commits, check, commit, transaction
from benchmarks.tape.mirrored import check as check_state
from benchmarks.tape.mirrored import feed, recovery
from tickwire.market.market import Market
from tickwire.model.records import Clock, PlaceOrder, Record, encode_records

APPENDED = [transaction(number, 2) for number in (1, 2, 3)]
HELD = list(enumerate(APPENDED, 1))


def test_a_transaction_has_a_clock_and_its_orders() -> None:
    assert transaction(5, 2) == [
        Clock(1_700_000_000_005_000_000),
        PlaceOrder("SIM:BTC-USDT", "account-7", "sell", 1, price=6_000_005),
        PlaceOrder("SIM:BTC-USDT", "account-7", "buy", 2, price=6_000_005),
    ]


@pytest.mark.parametrize(
    ("held", "number"),
    [
        (HELD[:2], 3),
        ([HELD[0], (2, APPENDED[2]), HELD[2]], 2),
        ([HELD[0], (3, APPENDED[1]), HELD[2]], 2),
        ([*HELD, (4, APPENDED[0])], 4),
    ],
    ids=["lost", "changed", "misnumbered", "one too many"],
)
def test_it_fails_when_the_tape_holds_something_else(held: list[tuple[int, list[Record]]], number: int) -> None:
    check(HELD, APPENDED)
    with pytest.raises(Wrong, match=f"transaction {number} "):
        check(held, APPENDED)


def test_every_commit_is_timed_on_the_tape_and_in_the_file(tmp_path: Path) -> None:
    found = commit(tmp_path, "process", 3, 25)
    assert (len(found.tape), len(found.bare)) == (25, 25)
    bodies = [encode_records(transaction(number, 3)) for number in range(1, 26)]
    assert (tmp_path / "bare").read_bytes() == b"".join(bodies)


def test_rates_and_ratios_are_of_all_commits() -> None:
    found = Commits("process", 9, tape=[1_000, 3_000], bare=[500, 500], replay_seconds=0.01)
    assert (found.per_s, found.of_bare, found.replayed_per_s) == (500_000, 4, 2_000)


def test_a_start_comes_to_the_state_of_the_feed(tmp_path: Path) -> None:
    found = recovery(tmp_path, 1_000)
    assert (found.records, found.after) == (1_000, 500)
    market = Market()
    for records in feed(1_000):
        for record in records:
            market.apply(record)
    listing = market.listing("SIM:B00-USDT")
    assert (listing.seq["trades"], listing.seq["book"], listing.last_price) == (6, 41, 10_005)


def test_it_fails_when_a_start_comes_to_another_state() -> None:
    market = Market()
    check_state(market, market.digest())
    right = market.digest()
    market.apply(Clock(1))
    with pytest.raises(Wrong, match="another market"):
        check_state(market, right)
