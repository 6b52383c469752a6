"""The benchmark of clients: what is streamed is right, and who comes to something else is found out."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import msgspec
import pytest

from benchmarks import client
from benchmarks.client.recorded import BINANCE, SYMBOL, Recording, Workload, record
from benchmarks.client.server import segments
from benchmarks.compiled import COMPILED, INTERPRETED, LEFT_OUT, packages
from benchmarks.frames import frames, payload
from benchmarks.results import Wrong
from tickwire.model.channel import StreamKey
from tickwire.protocol.client_outcomes import Delivered
from tickwire.protocol.client_session import ClientSession
from tickwire.protocol.codec import JSON, MSGPACK, TEXT, frame
from tickwire.protocol.messages import Hello, Limits, Reply

RIGHT = Recording(
    {},
    [b"1", b"2"],
    {"book": 2},
    [["9.0", "1"], ["8.5", "20"]],
    [["10.0", "3"]],
    [["a", "9.0", "1"], ["b", "10.0", "3"]],
)
STATE = {
    "messages": 2,
    "bids": [["9.0", "1"], ["8.5", "20"]],
    "asks": [["10.0", "3"]],
    "orders": [["b", "10.0", "3"], ["a", "9.0", "1"]],
}


@pytest.fixture(scope="module")
def recordings() -> dict[tuple[Workload, str], Recording]:
    return record(300)


@pytest.mark.parametrize("workload", ["trades", "book", "market"])
def test_both_encodings_say_the_same_from_the_snapshot_to_the_last_message(
    recordings: dict[tuple[Workload, str], Recording], workload: Workload
) -> None:
    text, packed = recordings[workload, JSON.name], recordings[workload, MSGPACK.name]
    messages = [msgspec.json.decode(payload(each)) for each in text.frames]
    assert [msgspec.msgpack.decode(payload(each)) for each in packed.frames] == messages
    seqs = {channel: msgspec.json.decode(snapshot)["seq"] for channel, snapshot in text.snapshots.items()}
    for message in messages:
        assert (message["type"], message["seq"]) == ("update", seqs[message["channel"]] + 1)
        seqs[message["channel"]] += 1
    assert seqs == text.last == packed.last


def test_a_recording_survives_its_file(recordings: dict[tuple[Workload, str], Recording], tmp_path: Path) -> None:
    recording = recordings["market", JSON.name]
    recording.write(tmp_path / "recording")
    assert Recording.read(tmp_path / "recording") == recording


def test_a_session_takes_a_recording(recordings: dict[tuple[Workload, str], Recording]) -> None:
    session, recording = ClientSession(), recordings["trades", JSON.name]
    session.received(JSON.encode(Hello("s", "e", 1, "1", 5000, "c", Limits(65_536, 50, 9))), 1)
    request, _ = session.subscribe([StreamKey("trades", SYMBOL)])
    session.received(JSON.encode(Reply(request, 1, 2, {})), 1)
    outcomes = [
        outcome
        for data in (recording.snapshots["trades"], *map(payload, recording.frames))
        for outcome in session.received(data, 1)
    ]
    seqs = [outcome.message.seq for outcome in outcomes if isinstance(outcome, Delivered)]
    assert seqs == list(range(301))


def test_binance_says_the_changes_of_the_book(recordings: dict[tuple[Workload, str], Recording]) -> None:
    native, binance = recordings["book", JSON.name], recordings["book", BINANCE]
    assert len(binance.frames) == len(native.frames)
    for ours, theirs in zip(native.frames, binance.frames, strict=True):
        said, event = msgspec.json.decode(payload(ours)), msgspec.json.decode(payload(theirs))
        assert (event["e"], event["s"], event["U"], event["u"]) == ("depthUpdate", "BTCUSDT", said["seq"], said["seq"])
        assert (event["b"], event["a"]) == (said["data"]["bids"], said["data"]["asks"])


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, 65_536])
def test_a_segment_is_taken_apart_into_its_frames(size: int) -> None:
    framed = [frame(TEXT, b"x" * size), frame(TEXT, b"yz")]
    assert list(frames(b"".join(framed))) == framed
    assert [payload(each) for each in framed] == [b"x" * size, b"yz"]


def test_frames_are_joined_to_segments_in_order() -> None:
    framed = [bytes([n]) * 100_000 for n in range(7)]
    joined = segments(framed)
    assert b"".join(joined) == b"".join(framed)
    assert [len(segment) for segment in joined] == [300_000, 300_000, 100_000]


def test_what_the_server_has_is_right() -> None:
    assert client.compared(STATE, RIGHT) == ""
    floats = {
        "messages": None,
        "bids": [["9", "1.0"], ["8.50", "20"]],
        "asks": [["10", "3"]],
        "orders": STATE["orders"],
    }
    assert client.compared(floats, RIGHT, as_floats=True) == ""
    assert client.compared(floats, RIGHT) == "its bids are not the server's"


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"messages": 3}, "it took in 3 messages of 2"),
        ({"messages": 1}, "it took in 1 messages of 2"),
        ({"bids": [["8.5", "20"], ["9.0", "1"]]}, "its bids are not the server's"),
        ({"bids": [["9.0", "1"]]}, "its bids are not the server's"),
        ({"asks": [["10.0", "4"]]}, "its asks are not the server's"),
        ({"orders": [["a", "9.0", "1"]]}, "its orders are not the server's"),
        ({"orders": [["a", "9.0", "1"], ["b", "10.0", "2"]]}, "its orders are not the server's"),
    ],
)
def test_what_the_server_has_not_is_wrong(wrong: dict[str, object], problem: str) -> None:
    assert client.compared({**STATE, **wrong}, RIGHT) == problem


@pytest.mark.parametrize(
    ("name", "workload", "problem"),
    [
        ("tickwire, JSON", "book", "asks for nothing more"),
        ("tickwire, MessagePack", "trades", "something is missing: Lost"),
        ("websockets + json", "market", "it took in {} messages of {}"),
        ("picows + msgspec", "book", "it took in {} messages of {}"),
    ],
)
def test_a_message_that_is_lost_fails_every_contestant(
    recordings: dict[tuple[Workload, str], Recording], name: str, workload: Workload, problem: str, tmp_path: Path
) -> None:
    recording = recordings[workload, client.CONTESTANTS[name]]
    recording.write(tmp_path / "recording")
    sent = len(recording.frames)
    with pytest.raises(Wrong) as wrong:
        client.run(name, workload, recording, tmp_path / "recording", 7, packages()[INTERPRETED])
    assert str(wrong.value).startswith(f"{name}, {workload}: ")
    assert problem.format(sent - 1, sent) in str(wrong.value)


def test_the_tables_name_what_is_not_there() -> None:
    one = client.Run(250_000.0, 0.99, 0.02)
    names = [name for name in client.CONTESTANTS if name != "ccxt" and not name.endswith(COMPILED)]
    medians: client.Medians = {(workload, name): one for workload in ("book", "market") for name in names}
    medians["market", "tickwire, MessagePack"] = client.Run(310_000.0, 1.0, 0.03)
    measured = client.measured(medians, ["book", "market"], {"rounds": 1})
    assert [table.title for table in measured.tables] == ["book: book", "market: book, book_l3, trades"]
    assert measured.tables[0].rows[0] == ["tickwire, JSON", 250_000.0, 4.0, "100%", "99%", "2%"]
    assert measured.tables[1].rows[-1] == ["ccxt", None, None, None, None, None]
    assert (measured.aims[0].measured, measured.aims[0].met) == (310_000.0, True)
    assert measured.aims[0].why.startswith("the best of ours is tickwire, MessagePack. ")
    assert "ccxt is left out" in measured.findings[-2]
    assert measured.findings[-1] == LEFT_OUT
    assert "at most 3% of its core" in measured.findings[1]


def test_the_aim_counts_what_is_compiled_where_that_is_best() -> None:
    names = [name for name in client.CONTESTANTS if name != "ccxt"]
    medians: client.Medians = {("market", name): client.Run(100_000.0, 1.0, 0.03) for name in names}
    medians |= {("book", name): one for (_, name), one in medians.items()}
    medians["market", "tickwire, JSON, compiled"] = client.Run(150_000.0, 1.0, 0.03)
    measured = client.measured(medians, ["book", "market"], {})
    assert measured.aims[0].measured == 150_000.0
    assert measured.aims[0].why.startswith("the best of ours is tickwire, JSON, compiled. ")
    assert measured.findings[-1].startswith("Compiled, ours takes in 1.00 (book), 1.50 (market) times as many")


def test_options_have_defaults() -> None:
    parser = ArgumentParser()
    client.options(parser)
    assert parser.parse_args([]) == Namespace(messages=60_000, rounds=3, lose=-1)
