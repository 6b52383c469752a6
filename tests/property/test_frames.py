"""Past the library's parser or through it: any bytes, cut anywhere, give the same messages, pongs and closes.

The other one looks at a text as a whole; where it has to end is the end of the first frame that no UTF-8 begins with.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import apply_mask

from tickwire.server import frames
from tickwire.server.frames import Messages

SIZE_MAX = 200
PADDING = bytes(14)
"""Behind every stream: no header is left incomplete, for which one of the two may wait longer than the other."""


def frame(
    first: int, payload: bytes, mask: bytes | None = b"\x12\x34\x56\x78", length_bytes: int | None = None
) -> bytes:
    """A frame; its length is written in so many more bytes, in as few as may be when that is None."""
    size = len(payload)
    if length_bytes is None or (length_bytes == 0 and size > 125):
        length_bytes = 0 if size <= 125 else 2
    second = {0: size, 2: 126, 8: 127}[length_bytes]
    length = size.to_bytes(length_bytes, "big") if length_bytes else b""
    if mask is None:
        return bytes([first, second]) + length + payload
    return bytes([first, 0x80 | second]) + length + mask + apply_mask(payload, mask)


TEXTS = st.text(max_size=40).map(str.encode)
PAYLOADS = TEXTS | st.binary(max_size=130) | st.binary(min_size=SIZE_MAX - 2, max_size=SIZE_MAX + 2)
MASKS = st.binary(min_size=4, max_size=4)
MESSAGES = st.builds(frame, st.sampled_from([0x81, 0x82]), PAYLOADS, MASKS, st.sampled_from([None, None, 0, 2, 8]))
PINGS = st.builds(frame, st.sampled_from([0x89, 0x8A]), st.binary(max_size=8), MASKS)
CLOSES = st.sampled_from(
    [frame(0x88, b""), frame(0x88, b"\x03\xe8bye"), frame(0x88, b"\x03"), frame(0x88, b"\x00\x00")]
)


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """A message in several frames, pings in between."""
    if draw(st.booleans()):  # a text that is cut anywhere, in the middle of a character too
        text = draw(TEXTS)
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), min_size=1, max_size=3)))
        parts = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
    else:
        parts = draw(st.lists(st.binary(max_size=80), min_size=2, max_size=4))
    stream = b""
    for index, part in enumerate(parts):
        opcode = draw(st.sampled_from([0x1, 0x2])) if index == 0 else 0x0
        stream += frame((0x80 if index == len(parts) - 1 else 0) | opcode, part, draw(MASKS))
        stream += draw(st.just(b"") | PINGS)
    return stream


ODD = st.builds(frame, st.integers(0, 255), st.binary(max_size=20), MASKS | st.none(), st.sampled_from([None, 2, 8]))
GOOD = MESSAGES | fragmented() | PINGS
STREAMS = st.builds(
    lambda good, end, more: b"".join(good) + end + b"".join(more),
    st.lists(GOOD, max_size=8),
    st.just(b"") | CLOSES | ODD | MESSAGES.map(lambda whole: whole[: len(whole) // 2]) | st.binary(max_size=20),
    st.lists(GOOD, max_size=3),
)


def opened() -> ServerProtocol:
    return ServerProtocol(state=State.OPEN, max_size=SIZE_MAX)


def by_the_library_alone(stream: bytes) -> tuple[list[bytes], bytes, State]:
    ws = opened()
    messages, fragments, text = [], b"", False
    for at in range(len(stream)):  # so that it has answered no later frame when one fails
        ws.receive_data(stream[at : at + 1])
        for received in ws.events_received():
            assert isinstance(received, Frame)
            if received.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                text = received.opcode is Opcode.TEXT or (text and received.opcode is Opcode.CONT)
                fragments += received.data
                if text and not (is_utf8(fragments) or (not received.fin and any(map(is_utf8, ended(fragments))))):
                    ws.fail(CloseCode.INVALID_DATA, "a text message is not UTF-8")
                elif received.fin:
                    messages.append(fragments)
                    fragments = b""
    return messages, b"".join(ws.data_to_send()), ws.state


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def ended(data: bytes) -> list[bytes]:
    """What a text may be whose last character is cut: with each end that some character has."""
    ends = [b"\x80", b"\xa0", b"\x90"]  # second bytes; after E0 and F0 not every one will do
    return [data + end + b"\x80" * more for end in ends for more in range(3)]


@settings(max_examples=400, derandomize=True, deadline=None)
@given(stream=STREAMS, cuts=st.lists(st.integers(0, 1200)))
@example(stream=frame(0x81, b"x" * 130), cuts=list(range(200)))
@example(stream=frame(0x01, b"a") + frame(0x81, b"b"), cuts=[])  # a message before the end of another is an error
@example(stream=frame(0x88, b"") + frame(0x81, b"b"), cuts=[])  # what comes after a Close frame counts no more
@example(stream=frame(0x81, b"\xc3\xa9") + frame(0x82, b"\xc3") + frame(0x81, b"\xc3") + frame(0x81, b"b"), cuts=[])
@example(stream=frame(0x01, b"\xc3") + frame(0x89, b"") + frame(0x80, b"\xa9") + frame(0x81, b"b"), cuts=[])
@example(stream=frame(0x01, b"\xc3") + frame(0x89, b"") + frame(0x00, b"\xc3") + frame(0x89, b""), cuts=[])
@example(stream=frame(0x01, b"\xed\xa0") + frame(0x80, b"\x80"), cuts=[])
@example(stream=frame(0x01, b"\xf0") + frame(0x80, b""), cuts=[])
@example(stream=frame(0xC1, b"a") + frame(0x81, b"b"), cuts=[])
@example(stream=frame(0x81, b"a", None) + frame(0x81, b"b"), cuts=[])
@example(stream=frame(0x82, b"x" * (SIZE_MAX + 1)) + frame(0x81, b"b"), cuts=[])
def test_the_same_as_the_library_alone(stream: bytes, cuts: list[int]) -> None:
    stream += PADDING
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    ws = opened()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(frames, "MESSAGE_BYTES_MAX", SIZE_MAX)
        reader = Messages(ws)
        messages = [message for start, end in pairwise(places) for message in reader.received(stream[start:end])]
    found = messages, b"".join(ws.data_to_send()), ws.state
    assert found == by_the_library_alone(stream)


def test_whole_messages_are_not_for_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    ws, given_to_it = opened(), list[bytes]()
    receive = ws.receive_data

    def receive_data(data: bytes) -> None:
        given_to_it.append(data)
        receive(data)

    monkeypatch.setattr(ws, "receive_data", receive_data)
    whole, ping, begun = frame(0x81, b"one"), frame(0x89, b"?"), frame(0x82, b"three")
    reader = Messages(ws)
    assert list(reader.received(whole + ping + whole + begun[:7])) == [b"one", b"one"]
    assert list(reader.received(begun[7:] + whole + whole[:1])) == [b"three", b"one"]
    assert list(reader.received(whole[1:])) == [b"one"]
    assert given_to_it == [ping, begun[:7], begun[7:]]
    assert ws.data_to_send() == [b"\x8a\x01?"]


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_close_frame_may_come_inside_of_a_message(cut: int) -> None:
    ws = opened()
    reader = Messages(ws)
    stream = frame(0x01, b"one") + frame(0x88, b"\x03\xe9")
    assert list(reader.received(stream[:-cut])) + list(reader.received(stream[-cut:])) == []
    assert ws.data_to_send() == [b"\x88\x02\x03\xe9", b""]
