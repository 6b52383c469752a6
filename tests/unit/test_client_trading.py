"""Trading through the client on real loopback sockets, against a server that says what each test scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from unit_fake_server import FakeServer, Peer

from tickwire.client import Client, LiveAccount, LiveOrder, Lost, Reconciled, connect_blocking
from tickwire.client.orders import decimal_text
from tickwire.errors import (
    ClientError,
    ConfigError,
    ConnectionLost,
    InvalidInput,
    OrderNotPlaced,
    OutcomeUnknown,
    RequestRefused,
)
from tickwire.keyfile import KeyFile, encode_base64url
from tickwire.protocol.messages import (
    BalanceData,
    BalancesData,
    BatchItem,
    BatchResult,
    ErrorBody,
    FillData,
    FillsSnapshot,
    Hello,
    LoginResult,
    OpenOrdersData,
    OrderData,
    OrderParams,
    OrderResult,
    PlaceParams,
    PositionData,
    PositionsData,
    Reply,
    StreamMessage,
)

BTC = "SIM:BTC-USDT"
KEY = KeyFile("k1", "hmac", encode_base64url(bytes(32)), "alice", ("read", "trade"))
LOGIN = LoginResult("alice", ["read", "trade"])


def hello(epoch: str = "e1") -> Hello:
    return FakeServer.hello(epoch=epoch)
