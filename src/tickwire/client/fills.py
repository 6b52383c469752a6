"""Fills, none missed and none twice, over any number of connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tickwire.client.queue import Queue
from tickwire.client.subscription import Consumer, Owner
from tickwire.model.channel import StreamKey
from tickwire.protocol.client_outcomes import Lost, Notice
from tickwire.protocol.messages import FillData, FillsSnapshot, StreamMessage


class FillSequence:
    """Puts updates and snapshots of `fills` together by the `seq` of the fills.

    Args:
        epoch: tells that of the connection; a `seq` says nothing about another one.
    """

    def __init__(self, epoch: Callable[[], str]) -> None:
        self._epoch = epoch
        self._at: tuple[str, int] | None = None  # the last fill, or where the first snapshot stood

    def take(self, message: StreamMessage) -> Iterator[FillData | Lost]:
        """The fills that a message brings for the first time, and a `Lost` where some can't be had any more."""
        before, self._at = self._at, (self._epoch(), message.seq)
        if before is None:
            return  # those of the first snapshot happened before anybody asked
        epoch, last = before
        if epoch != self._at[0]:
            yield Lost("fills", message.symbol, last, "the server began anew; ask account.positions what is true now")
            return
        if message.seq <= last:
            self._at = before
            return
        data: FillsSnapshot | FillData | None = message.data
        fills = [data] if isinstance(data, FillData) else data.fills if data is not None else []
        new = [fill for fill in fills if fill.seq > last]
        if len(new) != message.seq - last:
            reason = f"{message.seq - last - len(new)} fills happened that the server does not keep any more"
            yield Lost("fills", message.symbol, last, reason)
        yield from new


class Fills(Consumer):
    """The account's fills from now on, each once: `async for fill in fills`.

    After a lost connection, or a loss on the way, the missing ones are asked for and come in order, without a word.
    Only where the server can't name them all there is a `Lost` before the next one. Like a subscription, it must be
    read steadily. Raises while iterating as `Subscription` does.
    """

    def __init__(self, owner: Owner, account: str, epoch: Callable[[], str]) -> None:
        super().__init__(owner, [StreamKey("fills", account)])
        self._sequence = FillSequence(epoch)
        self._queue: Queue[FillData | Lost] = Queue(f"fills of {account}", owner.flow)

    def __aiter__(self) -> Queue[FillData | Lost]:
        return self._queue

    async def close(self) -> None:
        """End it. What was not read yet is dropped."""
        await super().close()
        self._queue.discard()

    def _take(self, message: StreamMessage, size: int) -> str | None:
        for fill in self._sequence.take(message):
            self._queue.put(fill, size)
        return None

    def _notice(self, notice: Notice) -> None:
        pass  # what comes next shows whether anything is missing

    def _fail(self, error: Exception) -> None:
        self._queue.end(error)
