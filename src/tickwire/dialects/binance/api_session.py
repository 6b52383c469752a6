"""The WebSocket API, `/ws-api/v3`: a session in which every operation is a method, and an account is told of itself."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from tickwire.dialects.base import Opening
from tickwire.dialects.binance.api import Answer, Api, Caller
from tickwire.dialects.binance.call import Call
from tickwire.dialects.binance.connection import POLICY, Connection
from tickwire.dialects.binance.errors import BinanceError
from tickwire.dialects.binance.operations import METHODS
from tickwire.dialects.binance.params import Params
from tickwire.dialects.binance.signatures import from_message, time_unit
from tickwire.dialects.binance.user import UserCodec
from tickwire.errors import InvalidInput
from tickwire.limits import FLOOD_FACTOR, REQUESTS_PER_SECOND_MAX
from tickwire.model.channel import StreamKey
from tickwire.model.identity import Identity
from tickwire.protocol.codec import JSON, TEXT, frame
from tickwire.protocol.params import is_request_id
from tickwire.protocol.rate import TokenBucket
from tickwire.streams.log import Cursor

CONNECTING_WEIGHT = 2
SUBSCRIPTIONS_MAX = 64
"""Accounts that one connection is told of: each needs a key of its own."""
_ED25519_CHARS = 88
"""Of a signature of 64 bytes in base64; those of RSA are longer, those of HMAC in hex shorter."""

_NO_PARAMS = (b"", b"null")


class _Request(msgspec.Struct, frozen=True, gc=False):
    id: Any = None
    method: Any = None
    params: msgspec.Raw = msgspec.Raw(b"")


class _Subscription(NamedTuple):
    """One account's events.

    Attributes:
        identity: whose they are, and with which key.
        by_logon: it ends with the login.
    """

    identity: Identity
    by_logon: bool
    cursor: Cursor
    codec: UserCodec


class ApiSession(Connection):
    """One connection. See `tickwire.protocol.served.ServedSession` for what its methods are.

    Args:
        api: all operations.
        opening: the WebSocket that is opened.

    Raises:
        BinanceError: -1003 or -1194: it can't be.
    """

    def __init__(self, api: Api, opening: Opening) -> None:
        super().__init__(api.services, opening, opening.identity)
        query = dict(parse_qsl(opening.query, keep_blank_values=True))
        self._unit = time_unit(query.get("timeUnit", ""))
        self._shows_limits = Params(query).flag("returnRateLimits", True)
        api.enter(opening.ip, CONNECTING_WEIGHT)
        self._api = api
        self._ip = opening.ip
        self._desk = api.services.desk(opening.session_id)
        self._connected_since = self._authorized_since = now = api.services.now()
        self._subscriptions: dict[int, _Subscription] = {}
        self._refusals = TokenBucket(FLOOD_FACTOR * REQUESTS_PER_SECOND_MAX, now)
        self._open = True
        self._answering: list[bytes] | None = None

    def opened(self) -> bytes:
        """Nothing: the client speaks first."""
        return b""

    def _check_keys(self) -> None:
        in_force = self._services.keys.in_force
        for number, subscription in list(self._subscriptions.items()):
            if not in_force(subscription.identity.key_id):
                self._end(number)
        if self.identity is not None and not in_force(self.identity.key_id):
            self.identity = None

    def drain(self, deadline: int) -> bytes:
        """Says that the server stops. Requests are answered and events told until the connection is closed."""
        return self._frame({"event": {"e": "serverShutdown", "E": self._services.now() // self._unit}})

    def closed(self) -> None:
        """The connection is gone."""
        self._open = False
        for subscription in self._subscriptions.values():
            self._services.hub.unsubscribe(subscription.cursor)
        self._subscriptions.clear()

    def pinged(self, count: int) -> None:
        """Pings and pongs count like requests that are refused: of far too many the session ends."""
        self._flooded(count)

    def received(self, data: bytes) -> list[bytes]:
        """Answer one message; the answer to what has to be on the tape first comes through the hub."""
        self._check_keys()
        frames = self._answering = []
        try:
            self._answer(data)
        finally:
            self._answering = None
        return frames

    # ---- requests --------------------------------------------------------------------------------

    def _answer(self, data: bytes) -> None:
        request_id: Any = None
        try:
            try:
                request = msgspec.json.decode(data, type=_Request)
                if is_request_id(request.id):
                    request_id = request.id
                params = bytes(request.params)
                raw = msgspec.json.decode(b"{}" if params in _NO_PARAMS else params, type=dict[str, msgspec.Raw])
                repeated = JSON.repeated_key(data)
            except (ValueError, RecursionError):
                raise BinanceError(-1135, code="invalid_json") from None
            if request_id is None and request.id is not None:
                raise BinanceError(-1130, "id", code="invalid_request")
            if repeated is not None:
                raise BinanceError(-1101, text="Duplicate values for a parameter detected.", code="invalid_request")
            if not isinstance(request.method, str) or not request.method:
                raise BinanceError(-1102, "method", code="invalid_request")
            operation = METHODS.get(request.method.removeprefix("v3/"))
            if operation is None:
                raise BinanceError(-1020, code="unknown_method")
            sent = from_message(raw)
            shows = sent.params.flag("returnRateLimits", self._shows_limits)
        except BinanceError as error:
            self._reply(request_id, self._shows_limits, self._api.refuse(self._ip, error))
            return
        caller = Caller(self._ip, self._desk, self.identity, self)
        self._api.answer(
            operation, sent, caller, self._unit, -1103, lambda answer: self._reply(request_id, shows, answer)
        )

    @property
    def _api_key(self) -> str:
        return self.identity.key_id if self.identity is not None else ""

    def _reply(self, request_id: Any, shows_limits: bool, answer: Answer) -> None:
        result = answer.result
        message: dict[str, Any] = {"id": request_id}
        if isinstance(result, BinanceError):
            message |= {"status": result.status, "error": result.body()}
            self._refused(result)
        else:
            message |= {"status": 200, "result": result}
        if shows_limits:
            message["rateLimits"] = answer.limits
        self._say(self._frame(message))

    def _refused(self, error: BinanceError) -> None:
        """Far too many refusals for going too fast end the session."""
        if error.code == "rate_limited":
            self._flooded(1)

    def _flooded(self, count: int) -> None:
        try:
            self._refusals.take(self._services.now(), count)
        except InvalidInput:
            self.ending = POLICY, "far too many requests"

    def _say(self, data: bytes) -> None:
        """Let the client have a frame: as the answer to what it has sent just now, or through the hub."""
        if self._answering is not None:
            self._answering.append(data)
        elif self._open:
            self._services.hub.hand(self._sink, data)

    def _frame(self, message: Any) -> bytes:
        data = frame(TEXT, msgspec.json.encode(message))
        self._count([data])
        return data

    # ---- tickwire.dialects.binance.call.UserStreams ----------------------------------------------

    def logon(self, call: Call) -> Any:
        """`session.logon`, with an Ed25519 key."""
        if call.signature is None:
            raise BinanceError(-1102, "signature")
        if len(call.signature) != _ED25519_CHARS:
            raise BinanceError(-4056)
        assert call.identity is not None  # it is signed
        if self.identity is not None and self.identity.key_id != call.identity.key_id:
            self._leave()
        self.identity, self._authorized_since = call.identity, call.now
        return self.status(call)

    def status(self, call: Call) -> Any:
        """`session.status`"""
        known = self.identity is not None
        return {
            "apiKey": self._api_key or None,
            "authorizedSince": call.time(self._authorized_since) if known else None,
            "connectedSince": call.time(self._connected_since),
            "returnRateLimits": self._shows_limits,
            "serverTime": call.time(call.now),
            "userDataStream": any(subscription.by_logon for subscription in self._subscriptions.values()),
        }

    def logout(self, call: Call) -> Any:
        """`session.logout`"""
        self._leave()
        return self.status(call)

    def subscribe(self, call: Call) -> Any:
        """`userDataStream.subscribe`: of the account that is logged in."""
        if self.identity is None:
            raise BinanceError(-1002, code="not_logged_in")
        self.identity.check("read")
        return self._subscribe(self.identity, True)

    def subscribe_signed(self, call: Call) -> Any:
        """`userDataStream.subscribe.signature`: of the account that has signed this request."""
        if call.signature is None:
            raise BinanceError(-1102, "signature")
        assert call.identity is not None  # it is signed
        return self._subscribe(call.identity, False)

    def unsubscribe(self, call: Call) -> Any:
        """`userDataStream.unsubscribe`: one subscription, or all."""
        numbers = list(self._subscriptions)
        if "subscriptionId" in call.params:
            numbers = [call.params.integer("subscriptionId", 0)]
        if not numbers or numbers[0] not in self._subscriptions:
            raise BinanceError(-2036)
        for number in numbers:
            self._end(number)
        return {}

    def subscriptions(self, _: Call) -> Any:
        """`session.subscriptions`"""
        return [{"subscriptionId": number} for number in sorted(self._subscriptions)]

    def _subscribe(self, identity: Identity, by_logon: bool) -> Any:
        accounts = [subscription.identity.account for subscription in self._subscriptions.values()]
        if identity.account in accounts or len(accounts) >= SUBSCRIPTIONS_MAX:
            raise BinanceError(-2035)
        # the lowest that is free, so that clients share what is written for them
        number = next(n for n in range(SUBSCRIPTIONS_MAX) if n not in self._subscriptions)
        codec = self._api.user_codec(identity.account, number, self._unit)
        key = StreamKey("account", identity.account)
        cursor, _ = self._services.hub.subscribe(key, self._sink, codec)
        self._subscriptions[number] = _Subscription(identity, by_logon, cursor, codec)
        return {"subscriptionId": number}

    def _leave(self) -> None:
        """Nobody is logged in any more; what came with the login ends."""
        for number, subscription in list(self._subscriptions.items()):
            if subscription.by_logon:
                self._end(number)
        self.identity = None

    def _end(self, number: int) -> None:
        subscription = self._subscriptions.pop(number)
        self._services.hub.unsubscribe(subscription.cursor)
        self._say(subscription.codec.terminated(self._services.now()))
