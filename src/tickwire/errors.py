"""The one exception tree, grouped by what the caller can do about it.

TickwireError
├── InvalidInput          what was given is wrong; fix the named field and try again
│   └── InvalidNumber     a price or size that is no multiple of its tick or lot size
├── UnknownSymbol         no such instrument; ask for `instruments`
├── ConfigError           a setting is wrong; fix the file, flag or variable it names
├── TapeError             the data folder can't be used as it is
├── FeedError             a feed's bytes are not what its format promises
├── NotInstalled          an optional package is missing; the message says how to install it
└── ClientError           what a client of a tickwire server can meet
    ├── ConnectionLost    the socket is gone (the client reconnects by itself unless told not to)
    ├── RequestRefused    the server answered with an error; `code` is from the code table
    ├── OrderNotPlaced    the reply was lost, and the server says that it does not know the order
    ├── OutcomeUnknown    the reply was lost, and it could not be found out what became of the order
    └── BookInvalid       the local book can't be trusted now; a snapshot is on its way
"""

from __future__ import annotations


class TickwireError(Exception):
    """Root of every error that tickwire raises on purpose."""


class InvalidInput(TickwireError):
    """A value from outside is wrong.

    `code` is from the table in `tickwire.protocol.codes`; `field` names the offending field, with its
    index where it is in a list (`symbols[0]`).
    """

    def __init__(self, message: str, *, field: str | None = None, code: str = "invalid_params") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.code = code


class InvalidNumber(InvalidInput):
    """A decimal string that is malformed, or no whole multiple of its step."""


class UnknownSymbol(InvalidInput):
    """No instrument has this symbol."""

    def __init__(self, symbol: str, *, field: str = "symbol") -> None:
        super().__init__(
            f"no instrument {symbol!r}; the method `instruments` lists those there are",
            field=field,
            code="unknown_symbol",
        )


class ConfigError(TickwireError):
    """A setting can't be used; the message names it and says what would do."""


class TapeError(TickwireError):
    """The tape can't be opened, read or written."""


class WriterFailed(TickwireError):
    """The one writer can't go on (a full disk, a fault in the fold); the server stops, its log says why."""


class CodecFailed(TickwireError):
    """The messages of a stream could not be made, by a fault of ours. Whoever read them is closed; all else went on."""


class FeedError(TickwireError):
    """A feed's input is not what its format promises."""


class NotInstalled(TickwireError):
    """What was asked for needs a package that is not installed; the message names it and how to install it."""


class ClientError(TickwireError):
    """Base of what a client of a tickwire server can meet.

    Attributes:
        sent: of a request without a reply: whether it was sent, so that it may have been carried out.
    """

    sent = False


class ConnectionLost(ClientError):
    """The socket is closed. `code` is the WebSocket close code, 1006 where there was none."""

    def __init__(self, message: str, *, code: int = 1006) -> None:
        super().__init__(message)
        self.code = code


class RequestRefused(ClientError):
    """The server answered a request with an error from the code table."""

    def __init__(self, code: str, message: str, *, field: str | None = None, retry: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.field = field
        self.retry = retry


class OrderNotPlaced(ClientError):
    """The connection was lost before the reply, and the server does not know the order: it was not placed."""


class OutcomeUnknown(ClientError):
    """Whether, or how far, an order was carried out can't be told: ask `client.order` and look at the fills before
    anything else is traded."""


class BookInvalid(ClientError):
    """The local order book missed something and waits for a snapshot; it must not be read now."""
