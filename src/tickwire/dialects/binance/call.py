"""One request that is being answered: who asks what, and all that an operation needs for its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tickwire.dialects.base import Services
from tickwire.dialects.binance.errors import BinanceError
from tickwire.dialects.binance.params import Params
from tickwire.dialects.binance.usage import Usage
from tickwire.errors import InvalidInput
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.protocol.orders import Desk, Job

SYMBOL = r"^[A-Z0-9-_.]{1,80}$"


class FollowUp(NamedTuple):
    """What a job's result may be: another job, to be carried out next.

    Attributes:
        refused: what is answered where that one can't even be submitted.
    """

    job: Job
    refused: Callable[[InvalidInput], BinanceError]


class UserStreams(Protocol):
    """What only a connection has: a login and subscriptions."""

    def logon(self, call: Call) -> Any:
        """`session.logon`"""
        ...

    def status(self, call: Call) -> Any:
        """`session.status`"""
        ...

    def logout(self, call: Call) -> Any:
        """`session.logout`"""
        ...

    def subscribe(self, call: Call) -> Any:
        """`userDataStream.subscribe`"""
        ...

    def subscribe_signed(self, call: Call) -> Any:
        """`userDataStream.subscribe.signature`"""
        ...

    def unsubscribe(self, call: Call) -> Any:
        """`userDataStream.unsubscribe`"""
        ...

    def subscriptions(self, call: Call) -> Any:
        """`session.subscriptions`"""
        ...


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        services: what there is.
        instruments: by the venue's names.
        usage: of the limits.
        desk: takes its orders.
        params: its parameters.
        identity: who asks; None for nobody in particular.
        signature: over this very request, which has been verified; None where there was none.
        ip: address of the client.
        now: the server's time, ns.
        unit: nanoseconds in the unit that times are shown in.
        new_id: makes up a `clientOrderId`.
        session: of the connection; None over HTTP.
    """

    services: Services
    instruments: Mapping[str, Instrument]
    usage: Usage
    desk: Desk
    params: Params
    identity: Identity | None
    signature: str | None
    ip: str
    now: int
    unit: int
    new_id: Callable[[], str]
    session: UserStreams | None

    @property
    def account(self) -> str:
        """Whose request it is."""
        assert self.identity is not None  # the operation needs one
        return self.identity.account

    def time(self, ns: int) -> int:
        """A time in the unit that the client wants."""
        return ns // self.unit

    def instrument(self, name: str = "", channel: str = "") -> Instrument:
        """The instrument that the parameter `symbol` names, or `name`.

        Args:
            channel: that the instrument must have and whoever asks must be entitled to; "" for any.

        Raises:
            BinanceError: -1121, -1100 or -1002.
        """
        name = name or self.params.required("symbol")
        instrument = self.instruments.get(name)
        if instrument is None:
            raise BinanceError(-1121) if re.fullmatch(SYMBOL, name) else BinanceError(-1100, "symbol", SYMBOL)
        if channel and channel not in instrument.channels:
            raise BinanceError(-1121)
        if channel and not self.services.may_see(self.identity, channel, instrument.symbol):
            raise BinanceError(-1002)
        return instrument

    def visible(self, channel: str) -> list[Instrument]:
        """All instruments that have a channel which whoever asks may see."""
        see = self.services.may_see
        return [i for i in self.instruments.values() if channel in i.channels and see(self.identity, channel, i.symbol)]

    def instrument_of(self, symbol: str) -> Instrument:
        """The instrument with a symbol of ours."""
        return self.services.market.listing(symbol).instrument
