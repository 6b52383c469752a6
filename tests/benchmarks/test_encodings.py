"""What makes the encodings benchmark fail, and how its clients compare what they are given."""

from __future__ import annotations

import ctypes

import pytest

from benchmarks.encodings import ENCODINGS, check
from benchmarks.encodings.load import Frames, FramesReader
from benchmarks.encodings.played import decoded, frames, inflated, recorded, transactions
from benchmarks.results import Wrong
from benchmarks.suite import main
from tickwire.protocol.codec import JSON, MSGPACK
from tickwire.protocol.deflate import WIRE_ENCODINGS

MESSAGES, RENDERER = recorded(transactions(40, 10))
ENCODED = {title: frames(name, MESSAGES, RENDERER) for title, name in ENCODINGS.items()}
HEARTBEAT = {"type": "heartbeat", "time": 1, "streams": [{"channel": "trades", "symbol": "S", "seq": 3}] * 3}


def read(data: list[bytes], chunks: list[bytes]) -> FramesReader:
    reader = FramesReader(Frames(data))
    for chunk in chunks:
        buffer = ctypes.create_string_buffer(chunk, len(chunk))
        reader.received(ctypes.addressof(buffer), len(chunk))
    return reader


def test_the_same_commands_give_the_same_messages() -> None:
    again, _ = recorded(transactions(40, 10))
    assert again == MESSAGES
    assert {message.key.channel for message in MESSAGES} >= {"trades", "book", "book_l3", "candles"}


def test_all_encodings_say_the_same() -> None:
    check(ENCODED)
    first = decoded(MSGPACK.name, ENCODED["MessagePack"][:1])[0]
    assert (first.channel, first.symbol, first.seq) == (
        MESSAGES[0].event.channel,
        MESSAGES[0].key.symbol,
        MESSAGES[0].event.seq,
    )


@pytest.mark.parametrize("title", [title for title in ENCODINGS if title != "JSON"])
def test_it_fails_when_an_encoding_says_something_else(title: str) -> None:
    changed = [*ENCODED[title]]
    changed[3] = changed[4]
    with pytest.raises(Wrong, match=f"message 3 is .* in JSON and .* in {title}"):
        check(ENCODED | {title: changed})


def test_it_fails_when_nothing_is_compressed() -> None:
    with pytest.raises(Wrong, match="JSON, deflate: not a message is compressed"):
        check({"JSON": ENCODED["JSON"], "JSON, deflate": ENCODED["JSON"]})


def test_a_compressed_message_is_smaller_and_carries_the_same() -> None:
    longest = max(range(len(MESSAGES)), key=lambda n: len(ENCODED["JSON"][n]))
    plain, small = ENCODED["JSON"][longest], ENCODED["JSON, deflate"][longest]
    assert len(small) < len(plain)
    assert small[0] == plain[0] | 0x40
    assert inflated(small) == inflated(plain)


@pytest.mark.parametrize("title", ENCODINGS)
@pytest.mark.parametrize("size", [1, 100, 1000])
def test_the_stream_is_accepted_in_pieces_of_any_size_and_with_heartbeats(title: str, size: int) -> None:
    data, beat = ENCODED[title][:9], WIRE_ENCODINGS[ENCODINGS[title]].frame(HEARTBEAT)
    whole = b"".join([beat, *data[:4], beat, beat, *data[4:], beat])
    reader = read(data, [whole[at : at + size] for at in range(0, len(whole), size)])
    assert (reader.complete, reader.awaited, reader.begun, reader.heartbeats) == (True, 9, b"", 4)


@pytest.mark.parametrize(
    "order", [[0, 1, 3], [0, 1, 1], [0, 1, 3, 2], [0, 1, -1]], ids=["lost", "twice", "swapped", "gap"]
)
def test_a_client_fails_on_another_stream(order: list[int]) -> None:
    data = ENCODED["MessagePack, deflate"][:5]
    gap = MSGPACK.frame({"type": "gap"})
    with pytest.raises(Wrong, match="message 2 was to come, but this came"):
        read(data, [b"".join(gap if n < 0 else data[n] for n in order)])


def test_a_client_fails_on_a_changed_byte_and_on_more_than_all() -> None:
    data = ENCODED["JSON"][:3]
    with pytest.raises(Wrong, match="message 1 was to come"):
        read(data, [data[0] + data[1][:-3] + b"?" + data[1][-2:]])
    with pytest.raises(Wrong, match="message 3 was to come"):
        read(data, [b"".join(data) + JSON.frame({"more": 1})])


def test_it_fails_when_the_server_loses_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encodings", "--smoke", "--lose", "7"]) == 1
    assert "WRONG: JSON: message 7 was to come, but this came" in capsys.readouterr().err
