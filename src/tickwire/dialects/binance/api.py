"""How a request is answered, however it came: its weight, its proof, its parameters, the operation, and the job that it
makes. REST and the WebSocket API wrap the result each in its own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from tickwire.dialects.base import Services
from tickwire.dialects.binance.call import Call, FollowUp, UserStreams
from tickwire.dialects.binance.errors import BinanceError, venue_error
from tickwire.dialects.binance.names import Names
from tickwire.dialects.binance.operations import Operation
from tickwire.dialects.binance.signatures import Sent, check_key, check_timestamp, unsigned
from tickwire.dialects.binance.usage import Usage
from tickwire.dialects.binance.user import UserCodec
from tickwire.errors import InvalidInput
from tickwire.meters import OK, UNKNOWN
from tickwire.model.identity import Identity
from tickwire.protocol.orders import Desk, Job

COMMON = frozenset(("apiKey", "timestamp", "recvWindow", "returnRateLimits"))
"""Parameters of every request that has a proof."""
_WITHOUT_KEY = ("ping", "time")


class Caller(NamedTuple):
    """Who a request comes from.

    Attributes:
        ip: address.
        desk: takes his orders.
        identity: of the connection's login, or of an `Authorization` of our own, if there was one.
        session: of the connection; None over HTTP.
    """

    ip: str
    desk: Desk
    identity: Identity | None = None
    session: UserStreams | None = None


class Answer(NamedTuple):
    """What a request came to.

    Attributes:
        result: or a `BinanceError`.
        limits: those that it counts against, as they stand.
    """

    result: Any
    limits: list[dict[str, Any]]


class Api:
    """All operations on one server.

    Attributes:
        services: what is served.
        usage: of the limits, by all clients.
        names: of the instruments.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
        self.usage = Usage()
        self.names = Names(services.market)
        self._codecs: WeakValueDictionary[tuple[str, int, int], UserCodec] = WeakValueDictionary()
        self._ids_made = 0

    def user_codec(self, account: str, subscription: int, unit: int) -> UserCodec:
        """What writes an account's events for a subscription of this number: one for all that have the same."""
        key = account, subscription, unit
        codec = self._codecs.get(key)
        if codec is None:
            codec = self._codecs[key] = UserCodec(self.services.market, account, subscription, unit)
        return codec

    def enter(self, ip: str, weight: int) -> None:
        """Count what an address does.

        Raises:
            BinanceError: -1003.
        """
        self.usage.take_weight(ip, self.services.now(), weight)

    def refuse(self, ip: str, error: BinanceError) -> Answer:
        """The answer to what is no request of any operation; it has a weight, too."""
        try:
            self.enter(ip, 1)
        except BinanceError as refused:
            error = refused
        self.services.meters.requests[UNKNOWN, error.code] += 1
        return Answer(error, self._used(ip))

    def _used(self, ip: str) -> list[dict[str, Any]]:
        return self.usage.weight(ip, self.services.now())

    def answer(
        self, operation: Operation, sent: Sent, caller: Caller, unit: int, strict: int, reply: Callable[[Answer], None]
    ) -> None:
        """Answer a request: `reply` is called once, now or when its outcome is known.

        Args:
            unit: nanoseconds in the unit that times are shown in.
            strict: the error for a parameter that is not the operation's.
        """
        now = self.services.now()
        account = ""

        def done(result: Any) -> None:
            if isinstance(result, InvalidInput):
                result = venue_error(result)
            code = result.code if isinstance(result, BinanceError) else OK
            self.services.meters.requests[f"binance.{operation.method}", code] += 1
            limits = self._used(caller.ip)
            if account:
                limits = self.usage.orders(account, self.services.now()) + limits
            reply(Answer(result, limits))

        try:
            self._weigh(operation, sent, caller.ip, now)
            sent.params.check_names(operation.parameters, common=COMMON, strict=strict)
            identity = self._identify(operation, sent, caller, now)
            if operation.orders:
                assert identity is not None  # who places orders needs a key
                account = identity.account
                self.usage.take_orders(account, now, operation.orders)
            call = Call(
                self.services,
                self.names.table(),
                self.usage,
                caller.desk,
                sent.params,
                identity,
                sent.signature,
                caller.ip,
                now,
                unit,
                self._new_id,
                caller.session,
            )
            result = Job([], lambda _: operation.run(call)) if self._is_early(operation, call) else operation.run(call)
            if isinstance(result, Job):
                caller.desk.execute(result, lambda outcome: self._go_on(caller.desk, outcome, done))
                return
        except InvalidInput as error:
            result = error
        done(result)

    def _is_early(self, operation: Operation, call: Call) -> bool:
        """Whether what an account's welcome gives may still be on its way to the tape, so that reading waits for it."""
        reads = operation.security == "USER_DATA" and operation.verb
        return bool(reads) and call.account not in self.services.market.ledger.balances

    def _go_on(self, desk: Desk, outcome: Any, done: Callable[[Any], None]) -> None:
        if isinstance(outcome, Job):
            outcome = FollowUp(outcome, venue_error)
        if isinstance(outcome, FollowUp):
            try:
                desk.execute(outcome.job, done)
            except InvalidInput as error:
                done(outcome.refused(error))
        else:
            done(outcome)

    # ---- who asks --------------------------------------------------------------------------------

    def _weigh(self, operation: Operation, sent: Sent, ip: str, now: int) -> None:
        weight, error = operation.weight, None
        if callable(weight):
            try:
                weight = weight(sent.params)
            except BinanceError as refused:
                weight, error = 1, refused
        self.usage.take_weight(ip, now, weight)
        if error is not None:
            raise error

    def _identify(self, operation: Operation, sent: Sent, caller: Caller, now: int) -> Identity | None:
        """Who asks: whose signature there is, else who is logged in, unless it is another key that is given."""
        identity, needed = caller.identity, operation.security != "NONE"
        is_login = identity is not None and sent.api_key in (None, identity.key_id)
        if sent.signature is not None or (needed and not is_login):
            api_key = check_key(sent.api_key or "")
            check_timestamp(sent.params, now)
            if sent.signature is None:
                raise BinanceError(-1102, "signature")
            identity = self._signed(api_key, sent, caller.ip)
        elif needed:
            check_timestamp(sent.params, now)
        elif identity is None and self.services.require_key and operation.method not in _WITHOUT_KEY:
            identity = unsigned(self.services.keys, check_key(sent.api_key or ""), caller.ip)
        if needed and identity is not None:
            identity.check("trade" if operation.security == "TRADE" else "read")
        return identity

    def _signed(self, api_key: str, sent: Sent, ip: str) -> Identity:
        keys = self.services.keys
        try:
            return keys.signed(api_key, sent.payloads, sent.signature or "", ip)
        except InvalidInput as error:
            if error.code == "login_failed" and keys.in_force(api_key):
                raise BinanceError(-1022, code=error.code) from None
            raise

    def _new_id(self) -> str:
        """A `clientOrderId` that nobody else has: the time it was made at, and a count."""
        self._ids_made += 1
        return f"x-{self.services.now():x}-{self._ids_made:x}"
