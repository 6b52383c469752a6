"""What the native sessions of one server have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from tickwire.limits import REQUESTS_PER_SECOND_MAX
from tickwire.market.history import History, NoHistory
from tickwire.market.market import Market
from tickwire.meters import Meters
from tickwire.protocol.codec import Encoding
from tickwire.protocol.orders import Desk, Submit
from tickwire.protocol.reader import Reader
from tickwire.protocol.render import Renderer
from tickwire.streams.hub import Hub


@dataclass(frozen=True, kw_only=True)
class Service:
    """What all sessions of a server share.

    Args:
        epoch: the tape's; with a `seq` it names a place in a stream.
        version: of the server.
        market, hub, renderer, history: what is served; `history` has the closed candles that are kept.
        now: the wall clock in nanoseconds since the epoch.
        in_force: whether a key, by its id, may still be used; asked at every message.
        submit: where commands go. It must have room for a `SessionEnded`, which is not sent again.
        require_key: without a login, refuse everything but `ping`, `time` and `auth.login`.
        requests_per_second: that a client may make, with a burst of as many.
        demo: whether everybody may log in who asks for the demonstration account.
        meters: where requests and what is sent are counted.
    """

    epoch: str
    version: str
    market: Market
    hub: Hub
    renderer: Renderer
    now: Callable[[], int]
    in_force: Callable[[str], bool]
    submit: Submit
    history: History = field(default_factory=NoHistory)
    require_key: bool = False
    requests_per_second: int = REQUESTS_PER_SECOND_MAX
    demo: bool = False
    meters: Meters = field(default_factory=Meters)

    @cached_property
    def reader(self) -> Reader:
        """What answers those who want to read."""
        return Reader(
            market=self.market,
            hub=self.hub,
            renderer=self.renderer,
            history=self.history,
            epoch=self.epoch,
            require_key=self.require_key,
        )

    def desk(self, session: str, encoding: Encoding) -> Desk:
        """What takes the orders of a session."""
        return Desk(
            market=self.market,
            renderer=self.renderer,
            submit=self.submit,
            encoding=encoding,
            now=self.now,
            session=session,
            epoch=self.epoch,
            meters=self.meters,
        )
