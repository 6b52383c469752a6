"""A client that does not read costs a cursor and its socket's buffer, delays nobody, and is told what it missed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tickwire.config import FeedSpec, ServerSettings
from tickwire.server.app import Server

SYMBOL = "TEST:BIG-USD"
LEVELS, UPDATES = 800, 600
RETAINED_BYTES_MAX = 400_000


def recording(path: Path) -> None:
    """A book whose every update changes all of its 800 levels: about 13 MB on the wire, more than sockets hold."""
    info = {
        "symbol": SYMBOL, "venue": "TEST", "base": "BIG", "quote": "USD", "asset_class": "crypto", "kind": "mirrored",
        "tick_size": "1", "lot_size": "1", "channels": ["trades", "book", "quotes", "candles", "ticker", "status"],
        "status": {"instrument": "open", "feed": "live", "reason": ""},
    }  # fmt: skip
    lines: list[Any] = [{"tickwire": "recording", "version": 1, "url": "", "epoch": "", "instruments": [info]}]
    for seq in range(1, UPDATES + 1):
        bids = [[str(10_000 - n), str(seq)] for n in range(LEVELS)]
        message = {
            "channel": "book",
            "symbol": SYMBOL,
            "type": "update" if seq > 1 else "snapshot",
            "seq": seq,
            "ts": 1,
        }
        lines.append({"at": seq, "message": message | {"data": {"bids": bids, "asks": [], "checksum": 0}}})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


async def subscribe(ws: ClientConnection, channel: str) -> None:
    await ws.send(json.dumps({"id": 1, "method": "subscribe", "params": {"channel": channel, "symbols": [SYMBOL]}}))


async def test_a_stalled_client_is_told_the_gap_and_shown_the_book(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    recording(path)
    settings = ServerSettings(
        drain_seconds=0,
        port=0,
        feeds=(FeedSpec("recorded", "tickwire", path),),
        speed=1.0,  # a transaction an update: they are nanoseconds apart
        wait_for_subscriber=True,
        retained_bytes_max=RETAINED_BYTES_MAX,
    )
    async with (
        asyncio.timeout(60),
        Server(settings).running() as server,
        connect(server.url, max_size=None, compression=None) as stalled,
        connect(server.url, max_size=None, compression=None) as other,
    ):
        await subscribe(stalled, "book")
        await subscribe(other, "status")
        while "the recording has ended" not in str(await other.recv()):
            pass
        # everything is published, and nobody waited for the one that has read nothing
        (log,) = (
            log for stream in server.hub._streams.values() for log in stream.logs.values() if log.key[0] == "book"
        )
        assert log.last_seq == UPDATES
        assert log.retained_bytes <= RETAINED_BYTES_MAX
        (cursor,) = log.cursors.values()
        assert cursor.sink.ready is False

        seq, told = 0, []
        while seq < UPDATES:
            message = json.loads(await stalled.recv())
            if message.get("type") == "gap":
                assert message["from"] == seq + 1
                assert message["to"] == UPDATES
                told.append(message)
            elif message.get("channel") == "book":
                expected = UPDATES if told else seq + 1
                assert message["seq"] in (expected, 0)
                assert message["type"] == ("snapshot" if told or message["seq"] < 2 else "update")
                seq, book = message["seq"], message["data"]
        assert len(told) == 1
        assert book["bids"] == [[str(10_000 - n), str(UPDATES)] for n in range(LEVELS)]
        assert cursor.index == -1
