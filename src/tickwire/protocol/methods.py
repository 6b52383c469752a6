"""What each method of the protocol is for and what it answers with: for the generated documents."""

from __future__ import annotations

from typing import NamedTuple

from tickwire.protocol.messages import (
    AccountBalances,
    AccountFills,
    AccountPositions,
    BatchResult,
    CanceledResult,
    HistoryResult,
    InstrumentInfo,
    InstrumentsResult,
    LoginResult,
    NoResult,
    OrderResult,
    OrdersResult,
    PingResult,
    PortfolioResult,
    StreamMessage,
    StreamsResult,
    TimeResult,
)


class Described(NamedTuple):
    """A method.

    Attributes:
        result: the type of its result.
        summary: what it does, in a line.
    """

    result: type
    summary: str


DESCRIBED: dict[str, Described] = {
    "ping": Described(PingResult, "What is left of the session's requests"),
    "time": Described(TimeResult, "The server's clock"),
    "instruments": Described(InstrumentsResult, "The instruments that the caller may see"),
    "instrument": Described(InstrumentInfo, "One instrument"),
    "subscribe": Described(StreamsResult, "Read streams from now on; a snapshot of each follows, or what it missed"),
    "unsubscribe": Described(StreamsResult, "Stop reading streams"),
    "subscriptions": Described(StreamsResult, "The streams of this session"),
    "snapshot": Described(StreamMessage, "A stream as it stands"),
    "history": Described(HistoryResult, "What a stream has said: closed candles, or the newest trades"),
    "auth.login": Described(LoginResult, "Prove a key"),
    "auth.logout": Described(NoResult, "End the login; disarms session.cancel_on_disconnect"),
    "order.place": Described(OrderResult, "Enter an order"),
    "order.amend": Described(OrderResult, "Change an open order"),
    "order.cancel": Described(OrderResult, "Take an open order off"),
    "order.cancel_all": Described(CanceledResult, "Take all open orders off, or those of one instrument"),
    "order.batch": Described(BatchResult, "Up to 50 operations, each answered on its own"),
    "order.get": Described(OrderResult, "An order, open or ended not long ago, and its fills"),
    "order.list": Described(OrdersResult, "The open and waiting orders"),
    "session.cancel_on_disconnect": Described(NoResult, "What is canceled when this connection is lost"),
    "session.dead_man": Described(NoResult, "Cancel all orders unless this is called again in time"),
    "account.balances": Described(AccountBalances, "The account's balances"),
    "account.positions": Described(AccountPositions, "The account's positions"),
    "account.fills": Described(AccountFills, "The account's newest fills"),
    "account.portfolio": Described(PortfolioResult, "What the account has, valued in one currency"),
    "admin.deposit": Described(NoResult, "Bring money into an account"),
    "admin.withdraw": Described(NoResult, "Take money out of an account"),
    "admin.kill_switch": Described(CanceledResult, "Cancel all of an account or instrument and refuse what is new"),
    "admin.trading_status": Described(NoResult, "Open, halt or close an instrument"),
}
"""Every method of the socket, and `instrument`, which is HTTP's alone."""
