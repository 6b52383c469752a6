"""What our server has to say of the trades, checked byte for byte although it stamps each with the time.

What is right can't be written down before the run. So whoever is ahead of all other clients has each new message looked
at, value for value, and thereby makes it known; what comes to the others is compared with that in place, by `memcmp`.
"""

from __future__ import annotations

import ctypes
import re
import time
from array import array
from bisect import bisect_right

from benchmarks.latency.arrivals import Behind
from benchmarks.load import HEARTBEAT, frame_size, header_size
from benchmarks.results import Wrong

SUBSCRIBE = b'{"id":1,"method":"subscribe","params":{"channel":"trades","symbols":["SIM:EUR-USD"]}}'
_TRADE = (
    '{"channel":"trades","symbol":"SIM:EUR-USD","type":"update","seq":%d,"ts":%d,"data":{"id":"%s","price":"1.0800%d",'
    '"size":"1","side":null,"ts_event":%d,"buy_order_id":null,"sell_order_id":null}}'
)
LAGGING = b'{"type":"lagging"'
_TIMES = re.compile(rb'"ts":(\d+),.*"ts_event":(\d+),')
_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


def trade_id(n: int) -> str:
    """Of trade number `n`; all are of one length."""
    return str(10_000_000 + n)


def trade(n: int, ts: int, due: int) -> bytes:
    """The message of trade number `n`.

    Args:
        ts: when it came to the tape. due: when it was due; ns.
    """
    return (_TRADE % (n + 1, ts, trade_id(n), n % 7, due)).encode()


def trade_bytes(messages: int) -> int:
    """Length of the last message."""
    now = time.monotonic_ns()
    return len(trade(messages - 1, now, now))


class Trades:
    """The trades, as far as a client has received them.

    Args:
        messages: how many there will be.
        rate: how many of them are due in a second.
    """

    def __init__(self, messages: int, rate: int) -> None:
        self.data = bytearray(messages * (trade_bytes(messages) + 16))
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.data))
        self.ends = array("q", [0])
        """Where each known message ends, after one that is none."""
        self.stamps = array("q")
        """When each came to the tape, ns."""
        self._messages = messages
        self._rate = rate
        self._began = 0

    @property
    def end(self) -> int:
        """Bytes that are known."""
        return self.ends[-1]

    def add(self, frame: bytes) -> None:
        """The next message, as it is on the wire.

        Raises:
            Wrong: it is another.
        """
        n = len(self.stamps)
        text = frame[header_size(frame) :]
        times = _TIMES.search(text)
        ts, due = map(int, times.groups()) if times else (0, 0)
        self._began = self._began or due
        if n == self._messages or text != trade(n, ts, self._began + n * 1_000_000_000 // self._rate):
            raise _not(n, frame)
        if not max(due, self.stamps[-1] if n else 0) <= ts <= time.monotonic_ns():
            raise Wrong(f"message {n} is stamped {ts}: before it was due, or before the last one, or in the future")
        self.data[self.end : self.end + len(frame)] = frame
        self.ends.append(self.end + len(frame))
        self.stamps.append(ts)


class TradesReader:
    """One client's place in the trades.

    Attributes:
        awaited: the number of the trade that is to come.
        begun: what was received of a frame that is a heartbeat, or not known yet.
    """

    __slots__ = ("_position", "_trades", "awaited", "begun")

    def __init__(self, trades: Trades) -> None:
        self._trades = trades
        self._position = 0  # bytes of the trades
        self.begun = b""
        self.awaited = 0

    def received(self, address: int, size: int) -> None:
        """Compare `size` bytes at `address`.

        Raises:
            Wrong: they are not what comes next. Behind: the client is told that it lags.
        """
        trades, end = self._trades, self._position + size
        if not self.begun and end <= trades.end and not _memcmp(address, trades.address + self._position, size):
            self._position = end
            self.awaited = bisect_right(trades.ends, end, self.awaited) - 1
        else:
            self._by_frame(ctypes.string_at(address, size))

    def _by_frame(self, data: bytes) -> None:
        trades = self._trades
        place = trades.ends[self.awaited]
        data = bytes(trades.data[place : self._position]) + self.begun + data
        at = 0
        while (size := frame_size(data[at : at + 10])) is not None and at + size <= len(data):
            whole = data[at : at + size]
            at += size
            if HEARTBEAT in whole[:24]:
                continue
            if LAGGING in whole[:24]:
                raise Behind(f"it told a client before message {self.awaited} that it lags")
            if place == trades.end:
                trades.add(whole)
            elif trades.data[place : trades.ends[self.awaited + 1]] != whole:
                raise _not(self.awaited, whole)
            self.awaited += 1
            place += size
        self._position, self.begun = place, data[at:]


def _not(n: int, frame: bytes) -> Wrong:
    return Wrong(f"message {n} was to come, but this came: {frame[:300]!r}")
