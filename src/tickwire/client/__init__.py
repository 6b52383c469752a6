"""The Python client: connect, subscribe, trade, and keep books and an account that are never silently wrong."""

from tickwire.client.account import LiveAccount, Reconciled
from tickwire.client.blocking import connect_blocking
from tickwire.client.books import LiveBook, LiveOrders, OrderOnBook
from tickwire.client.candles import Candles
from tickwire.client.client import Client, connect
from tickwire.client.fills import Fills
from tickwire.client.orders import LiveOrder
from tickwire.client.subscription import Subscription
from tickwire.protocol.client_codec import Encoding
from tickwire.protocol.client_outcomes import ClientStats, Lost, Notice, Resumed
from tickwire.protocol.messages import Gap, Skipped, StreamMessage

__all__ = [
    "Candles",
    "Client",
    "ClientStats",
    "Encoding",
    "Gap",
    "Fills",
    "LiveAccount",
    "LiveBook",
    "LiveOrder",
    "LiveOrders",
    "Lost",
    "Notice",
    "OrderOnBook",
    "Reconciled",
    "Resumed",
    "Skipped",
    "StreamMessage",
    "Subscription",
    "connect",
    "connect_blocking",
]
