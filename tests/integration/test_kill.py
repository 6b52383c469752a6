"""kill -9 while streaming: what was published is on the tape, and the market goes on from it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

import tickwire
from serving import serving
from tickwire.client.subscription import Subscription
from tickwire.errors import ConnectionLost
from tickwire.market.market import Market
from tickwire.model.events import Book, Trade
from tickwire.protocol.messages import StreamMessage
from tickwire.server.pipeline import restore
from tickwire.tape.sqlite import open_tape

BTC = "SIM:BTC-USDT"


async def rest_of(subscription: Subscription) -> list[StreamMessage]:
    """What still comes before the connection is lost."""
    messages = []
    try:
        async for message in subscription:
            if isinstance(message, StreamMessage):
                messages.append(message)
    except ConnectionLost:
        return messages
    raise AssertionError("the subscription ended, the connection was not lost")


@pytest.mark.parametrize("messages", [1, 40, 400])
async def test_kill_9_loses_nothing_that_was_published(tmp_path: Path, messages: int) -> None:
    async with serving("--data-dir", str(tmp_path)) as served, tickwire.connect(served.url, reconnect=False) as client:
        trades = await client.subscribe("trades", BTC)
        book = await client.subscribe("book", BTC)
        seen: list[StreamMessage] = []
        async with asyncio.timeout(60):
            async for message in book:
                assert isinstance(message, StreamMessage)
                seen.append(message)
                if len(seen) == messages:
                    served.process.send_signal(signal.SIGKILL)
                    break
            seen += await rest_of(book)
            told = [t for m in await rest_of(trades) for t in (m.data.trades if m.type == "snapshot" else [m.data])]

    tape = open_tape(tmp_path, "process")
    market = Market()
    replayed = [event for _, records in tape.read() for record in records for event in market.apply(record)]
    on_tape = {event.seq: event for event in replayed if isinstance(event, Book) and event.symbol == BTC}
    for message in seen[1:]:
        assert message.data.checksum == on_tape[message.seq].checksum
    assert {trade.id for trade in told} <= {e.trade_id for e in replayed if isinstance(e, Trade) and e.symbol == BTC}
    digest, epoch = market.digest(), tape.epoch
    tape.close()

    tape = open_tape(tmp_path, "process")
    assert restore(tape).digest() == digest
    tape.close()

    async with serving("--data-dir", str(tmp_path)) as served, tickwire.connect(served.url) as client:
        assert client.hello.epoch == epoch
        async with asyncio.timeout(60), await client.subscribe("book", BTC) as book:
            resumed = await anext(aiter(book))
            assert isinstance(resumed, StreamMessage)
            assert (resumed.type, resumed.seq >= seen[-1].seq) == ("snapshot", True)
            update = await anext(aiter(book))
            assert isinstance(update, StreamMessage)
            assert (update.type, update.seq) == ("update", resumed.seq + 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_server_in_order(tmp_path: Path, number: signal.Signals) -> None:
    async with (
        serving("--data-dir", str(tmp_path), "--drain-seconds", "0.2") as served,
        tickwire.connect(served.url, reconnect=False) as client,
    ):
        book = await client.subscribe("book", BTC)
        await anext(aiter(book))
        served.process.send_signal(number)
        async with asyncio.timeout(30):
            await rest_of(book)
            assert await served.process.wait() == 0
    tape = open_tape(tmp_path, "process")
    snapshot = tape.load_snapshot()
    assert snapshot is not None
    assert snapshot[0] == tape.last_seq
    tape.close()
