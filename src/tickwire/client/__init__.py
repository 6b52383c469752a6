"""The Python client: connect, subscribe, and keep order books that are never silently wrong."""

from tickwire.client.blocking import connect_blocking
from tickwire.client.books import LiveBook, LiveOrders, OrderOnBook
from tickwire.client.client import Client, connect
from tickwire.client.subscription import Subscription
from tickwire.protocol.client_codec import Encoding
from tickwire.protocol.client_outcomes import ClientStats, Lost, Notice
from tickwire.protocol.messages import Gap, Skipped, StreamMessage

__all__ = [
    "Client",
    "ClientStats",
    "Encoding",
    "Gap",
    "LiveBook",
    "LiveOrders",
    "Lost",
    "Notice",
    "OrderOnBook",
    "Skipped",
    "StreamMessage",
    "Subscription",
    "connect",
    "connect_blocking",
]
