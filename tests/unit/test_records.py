"""The tape's form of records: what goes in comes out, and bytes that are none are refused."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from tickwire.model.instrument import Instrument
from tickwire.model.records import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Clock,
    DeadMan,
    FeedStatus,
    Guard,
    KillSwitch,
    ListInstrument,
    PlaceOrder,
    Record,
    SessionEnded,
    TradingStatus,
    Transfer,
    VenueBookSnapshot,
    VenueBookUpdate,
    VenueOrderAdd,
    VenueOrderChange,
    VenueOrderRemove,
    VenueOrdersSnapshot,
    VenueQuote,
    VenueRate,
    VenueTrade,
    decode_records,
    encode_records,
)

S = "SIM:BTC-USDT"
EURUSD = Instrument(
    venue="FXCM", base="EUR", quote="USD", asset_class="fx", tick_size="0.00001", lot_size="1", kind="mirrored",
    book="none", feed="fx",
)  # fmt: skip

ONE_OF_EACH: list[Record] = [
    Clock(1_700_000_000_000_000_000),
    ListInstrument(EURUSD),
    FeedStatus("fx", "stale", "nothing for 10 seconds"),
    TradingStatus(S, "halted"),
    PlaceOrder(S, "alice", "sell", 5, None, "market", "ioc", False, "mine-1"),
    PlaceOrder(
        S, "alice", "buy", 5, 99, "stop_limit", "gtd", True, "mine-2", 98, 10**18, True, 2, "decrement", 7, "s1"
    ),
    AmendOrder("alice", 7, None, 3),
    AmendOrder("alice", price=100, client_order_id="mine-2"),
    CancelOrder("alice", 7),
    CancelOrder("alice", client_order_id="mine-2"),
    CancelAll("alice", S, "s1"),
    Transfer("alice", "USDT", "-" + "9" * 22 + "." + "9" * 18, "bank/1"),
    KillSwitch(True, "alice"),
    KillSwitch(False, symbol=S),
    DeadMan("alice", 10**18),
    Guard("alice", "s1", "connection"),
    SessionEnded("s1"),
    VenueBookSnapshot(S, [(100, 5)], [(101, 2**64 - 1)], 9, 10, 2**32 - 1),
    VenueBookUpdate(S, [(100, 0)], [], 9, None),
    VenueOrdersSnapshot(S, [("a", 100, 5)], [("b", 101, 5)], 9),
    VenueOrderAdd(S, "c", "buy", -(2**63), 5, 9),
    VenueOrderChange(S, "c", 4, 9),
    VenueOrderRemove(S, "ümläut", 9),
    VenueTrade(S, "t1", 100, 5, None, 9, "c", "b"),
    VenueQuote(S, None, 0, 101, 5, 9),
    VenueRate(S, 100, 9),
]


def test_one_of_each_goes_in_and_comes_out() -> None:
    assert {type(record) for record in ONE_OF_EACH} == set(get_args(Record))
    assert decode_records(encode_records(ONE_OF_EACH)) == ONE_OF_EACH


# The tape outlives the version that wrote it: fields may be added at the end, with a default, and nothing else.
@pytest.mark.parametrize(
    ("body", "record"),
    [
        (["clock", 5], Clock(5)),
        (["feed", "fx", "down"], FeedStatus("fx", "down", "")),
        (["place", S, "alice", "buy", 5, 100], PlaceOrder(S, "alice", "buy", 5, 100, "limit", "gtc", False, "")),
        (
            ["place", S, "alice", "buy", 5, 100, "limit", "gtc", False, "x"],
            PlaceOrder(
                S, "alice", "buy", 5, 100, "limit", "gtc", False, "x", None, 0, False, 0, "cancel_newest", 0, ""
            ),
        ),
        (["amend", "alice"], AmendOrder("alice", 0, None, None, "")),
        (["amend", "alice", 7, 100, 3], AmendOrder("alice", 7, 100, 3, "")),
        (["cancel", "alice", 7], CancelOrder("alice", 7, "")),
        (["cancel", "alice", 0, "x"], CancelOrder("alice", client_order_id="x")),
        (["cancel_all", "alice"], CancelAll("alice", "", "")),
        (["transfer", "alice", "USDT", "1.5", "t1"], Transfer("alice", "USDT", "1.5", "t1")),
        (["kill", True], KillSwitch(True, "", "")),
        (["kill", False, "alice", S], KillSwitch(False, "alice", S)),
        (["dead_man", "alice", 5], DeadMan("alice", 5)),
        (["guard", "alice", "s1", "account"], Guard("alice", "s1", "account")),
        (["session_end", "s1"], SessionEnded("s1")),
        (["vbook", S, [[100, 5]], []], VenueBookSnapshot(S, [(100, 5)], [], 0, None, None)),
        (["vlevels", S, [], [[101, 0]]], VenueBookUpdate(S, [], [(101, 0)], 0, None)),
        (["vorders", S, [["a", 100, 5]], []], VenueOrdersSnapshot(S, [("a", 100, 5)], [], 0)),
        (["vadd", S, "a", "buy", 100, 5], VenueOrderAdd(S, "a", "buy", 100, 5, 0)),
        (["vchange", S, "a", 4], VenueOrderChange(S, "a", 4, 0)),
        (["vremove", S, "a"], VenueOrderRemove(S, "a", 0)),
        (["vtrade", S, "1", 100, 5], VenueTrade(S, "1", 100, 5, None, 0, "", "")),
        (["vquote", S, 100, 1, None, 0], VenueQuote(S, 100, 1, None, 0, 0)),
        (["vrate", S, 100], VenueRate(S, 100, 0)),
        (["vrate", S, 100, 9, "of a later version"], VenueRate(S, 100, 9)),
    ],
)
def test_the_shape_on_the_tape(body: list[object], record: Record) -> None:
    assert decode_records(msgspec.msgpack.encode([body])) == [record]


@pytest.mark.parametrize(
    "rows",
    [
        {},
        "clock",
        [[]],
        [["clock"]],
        [["clock", "5"]],
        [["clock", 1.5]],
        [["warp", 5]],
        [["trading", S, "ajar"]],
        [["feed", "fx", "asleep"]],
        [["place", S, "alice", "long", 5, 100]],
        [["place", S, "alice", "buy", 5, 100, "trailing_stop"]],
        [["place", S, "alice", "buy", 5, 100, "limit", "day"]],
        [["place", S, "alice", "buy", 5, 100, "limit", "gtc", False, "", None, 0, False, 0, "none"]],
        [["transfer", "alice", "USDT", 1.5, "t1"]],
        [["transfer", "alice", "USDT", "1.5"]],
        [["kill", "on"]],
        [["guard", "alice", "s1", "all"]],
        [["vlevels", S, [[100]], []]],
        [["vorders", S, [[1, 100, 5]], []]],
    ],
)
def test_what_is_no_transaction_is_refused(rows: object) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_records(msgspec.msgpack.encode(rows))


def test_truncated_bytes_and_trailing_ones_are_refused() -> None:
    body = encode_records(ONE_OF_EACH)
    for cut in (0, 1, len(body) // 2, len(body) - 1):
        with pytest.raises(msgspec.DecodeError):
            decode_records(body[:cut])
    with pytest.raises(msgspec.DecodeError):
        decode_records(body + b"\x00")


def test_what_decodes_to_no_record_is_refused_with_the_one_error() -> None:
    body = encode_records([ListInstrument(EURUSD)])
    with pytest.raises(msgspec.DecodeError, match="base 'E-R'"):
        decode_records(body.replace(b"EUR", b"E-R"))
    with pytest.raises(msgspec.DecodeError, match="utf-8"):
        decode_records(body.replace(b"EUR", b"E\xffR"))
