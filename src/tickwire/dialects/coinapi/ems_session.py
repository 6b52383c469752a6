"""One client's session of order entry (EMS), sans-I/O.

There is nothing to ask for: on open, everything of the key's account is told, then whatever happens to it. A message
that is not carried out is answered with a MESSAGE_REJECT, and the connection goes on.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from tickwire.dialects.base import Opening
from tickwire.dialects.coinapi.codecs import NAME, framed
from tickwire.dialects.coinapi.ems import Ems, EmsCodec
from tickwire.dialects.coinapi.ems_messages import (
    CancelEvery,
    CancelSingle,
    Envelope,
    NewOrder,
    Reject,
    Report,
    ServerInfo,
    Snapshot,
    decoded,
    reject_of,
)
from tickwire.dialects.coinapi.ems_orders import Answer, EmsDesk, message_reject
from tickwire.dialects.coinapi.times import iso_time
from tickwire.errors import InvalidInput
from tickwire.limits import FLOOD_FACTOR, LIMIT_RETRY_SECONDS, REQUESTS_PER_SECOND_MAX
from tickwire.meters import OK, UNKNOWN
from tickwire.model.channel import StreamKey
from tickwire.model.identity import Identity
from tickwire.model.records import SessionEnded
from tickwire.protocol.rate import TokenBucket
from tickwire.streams.log import Cursor

BEAT_MS = 1_000

ROUTER_TYPES = ("NEW", "CANCEL", "PARAMCHANGE")
"""Messages of the vendor's order router (SOR), which slices orders over time and exchanges."""


class EmsSession:
    """A session; see `ServedSession`.

    Args:
        ems: the server's.
        opening: the WebSocket.
        identity: whose key it was opened with.
    """

    def __init__(self, ems: Ems, opening: Opening, identity: Identity) -> None:
        self.session_id = opening.session_id
        self.identity: Identity | None = identity
        self.ending: tuple[int, str] | None = None
        self._who = identity
        self._ems = ems
        self._services = services = ems.services
        self._sink = opening.sink
        self._host = opening.headers.get("host", "").partition(":")[0]
        self._desk = EmsDesk(ems, session_id=opening.session_id, quiet=True)
        self._bucket = TokenBucket(REQUESTS_PER_SECOND_MAX, services.now())
        self._refusals = TokenBucket(FLOOD_FACTOR * REQUESTS_PER_SECOND_MAX, services.now())
        self._sent = services.meters.sent[NAME]
        self._cursor: Cursor | None = None
        self._open = True

    @property
    def beat_ms(self) -> int:
        """A SERVER_INFO every second."""
        return BEAT_MS

    @property
    def headers(self) -> list[tuple[str, str]]:
        """None of its own."""
        return []

    def opened(self) -> bytes:
        """Who serves, and the account as it stands."""
        key, codec = StreamKey("account", self._who.account), EmsCodec(self._ems)
        self._cursor, _ = self._services.hub.subscribe(key, self._sink, codec)
        # made anew: the hub's own is as old as the account's last change, and so are its prices
        account = codec.snapshot(key, None, seq=0, ts=0)
        symbols = [
            Snapshot("SYMBOLS_SNAPSHOT", exchange_id, self._ems.symbols(exchange_id, self._who))
            for exchange_id in self._ems.exchanges
        ]
        return b"".join([self._info(), account, *map(self._frame, symbols)])

    def heartbeat(self) -> bytes:
        """Who serves."""
        return self._info()

    def check(self) -> None:
        """A key that was revoked ends the session; orders that its end cancels are canceled."""
        if self.identity is not None and not self._services.keys.in_force(self.identity.key_id):
            self.ending = 4403, "the session's key was revoked"
            self.identity = None
            self._unsubscribe()

    def drain(self, deadline: int) -> bytes:
        """Says that the server is not going to run for long."""
        return self._info(is_running=False)

    def closed(self) -> None:
        """Give up the stream; orders with CANCEL_ON_DISCONNECT are canceled."""
        self._open = False
        self._unsubscribe()
        if self._desk.armed:
            self._desk.armed = False
            with suppress(InvalidInput):  # of a server that has failed; at the next start the session is ended
                self._services.submit([SessionEnded(self.session_id)], lambda _: None)

    def pinged(self, count: int) -> None:
        """Pings and pongs count like messages that are refused: of far too many the session ends."""
        self._flooded(self._services.now(), count)

    def received(self, data: bytes) -> list[bytes]:
        """Carry out a message, or say why not."""
        self.check()
        name, exchange_id = UNKNOWN, None
        try:
            identity = self._admitted()
            envelope = decoded(data, Envelope)
            exchange_id = envelope.exchange_id if isinstance(envelope.exchange_id, str) else None
            if isinstance(envelope.type, str) and envelope.type in _REQUESTS:
                name = envelope.type
            report = self._run(envelope.type, data, identity)
        except Reject as reject:
            return [self._rejected(name, reject, exchange_id, data)]
        self._services.meters.requests[name, OK] += 1
        return [] if report is None else [self._frame(report)]

    # ---- requests --------------------------------------------------------------------------------

    def _admitted(self) -> Identity:
        """Count a message."""
        now = self._services.now()
        try:
            if self.identity is None:
                raise InvalidInput("the session's key was revoked", code="not_logged_in")
            self._bucket.take(now)
        except InvalidInput as error:
            self._flooded(now, 1)
            raise reject_of(error) from None
        return self.identity

    def _flooded(self, now: int, count: int) -> None:
        try:
            self._refusals.take(now, count)
        except InvalidInput:
            self.ending = 4101, f"far too many requests; retry_after={LIMIT_RETRY_SECONDS}"

    def _run(self, kind: Any, data: bytes, identity: Identity) -> Report | None:
        if not isinstance(kind, str) or kind not in _REQUESTS:
            if isinstance(kind, str) and kind.upper().replace("_", "") in ROUTER_TYPES:
                text = f"{kind}: there is no smart order router here; send ORDER_NEW_SINGLE_REQUEST for each order"
                raise Reject("METHOD_NOT_SUPPORTED", text)
            raise Reject("INVALID_TYPE", f"type must be one of {', '.join(_REQUESTS)}")
        as_type, method = _REQUESTS[kind]
        request: Any = decoded(data, as_type, again=True)
        try:
            identity.check("trade")
        except InvalidInput as error:
            raise reject_of(error, request.exchange_id) from None
        answer = partial(self._answer, kind, request.exchange_id, data)
        report: Report | None = method(self._desk, request, identity.account, answer)
        return report

    def _answer(self, name: str, exchange_id: str, data: bytes, answer: Answer) -> None:
        """What the stream of the account does not say, later."""
        if self._open:
            if isinstance(answer, Reject):
                frame = self._rejected(name, answer, exchange_id, data)
            else:
                frame = self._frame(answer)
            self._services.hub.hand(self._sink, frame)

    def _rejected(self, name: str, reject: Reject, exchange_id: str | None, data: bytes) -> bytes:
        self._services.meters.requests[name, reject.reason] += 1
        reject.exchange_id = reject.exchange_id or exchange_id
        return self._frame(message_reject(reject, data.decode(errors="replace")))

    # ---- what is said ----------------------------------------------------------------------------

    def _info(self, *, is_running: bool = True) -> bytes:
        services = self._services
        exchanges = self._ems.exchanges
        info = ServerInfo(
            time=iso_time(services.now()),
            instance_guid=self._ems.instance_guid,
            exchange_id=exchanges[0] if exchanges else None,
            server_version=services.version,
            server_name="tickwire",
            dns_name=self._host,
            is_running=is_running and not services.draining(),
            time_server_start=iso_time(self._ems.started),
        )
        return self._frame(info)

    def _frame(self, message: Any) -> bytes:
        frame = framed(message)
        self._sent.messages += 1
        self._sent.size += len(frame)
        return frame

    def _unsubscribe(self) -> None:
        if self._cursor is not None:
            self._services.hub.unsubscribe(self._cursor)
            self._cursor = None


_REQUESTS: dict[str, tuple[type, Any]] = {
    "ORDER_NEW_SINGLE_REQUEST": (NewOrder, EmsDesk.place),
    "ORDER_CANCEL_SINGLE_REQUEST": (CancelSingle, EmsDesk.cancel),
    "ORDER_CANCEL_ALL_REQUEST": (CancelEvery, EmsDesk.cancel_all),
}
"""The type of each request, and what carries it out."""
