"""tickwire: a self-hosted, real-time WebSocket API for financial markets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tickwire.client import (
        Candles,
        Client,
        Gap,
        LiveBook,
        LiveOrders,
        Lost,
        Resumed,
        Skipped,
        StreamMessage,
        Subscription,
        connect,
        connect_blocking,
    )

__version__ = "0.1.0"

__all__ = [
    "Candles",
    "Client",
    "Gap",
    "LiveBook",
    "LiveOrders",
    "Lost",
    "Resumed",
    "Skipped",
    "StreamMessage",
    "Subscription",
    "__version__",
    "connect",
    "connect_blocking",
]


def __getattr__(name: str) -> object:
    # the client is imported when it is first used: a server, or a look at the version, needs none of it
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tickwire import client

    return getattr(client, name)
