"""A session of the market-data WebSocket: hello, subscribe and unsubscribe in, streams out.

Nothing is acknowledged; what a message asks for simply begins, each stream with how things stand. Every error is the
last thing that is said: the connection then closes with a code and the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from tickwire.dialects.base import Opening, Services
from tickwire.dialects.candles import SECOND_NS
from tickwire.dialects.coinapi.codecs import NAME, framed
from tickwire.dialects.coinapi.credentials import INVALID_KEY, identify
from tickwire.dialects.coinapi.messages import ClientMessage, ErrorMessage, HeartbeatMessage, ReconnectMessage
from tickwire.dialects.coinapi.ohlcv import Candles
from tickwire.dialects.coinapi.scope import (
    EXRATES_MAX,
    NAMED_MAX,
    RULES_MAX,
    Flavour,
    Limits,
    Rule,
    Topic,
    picked_of,
    rule_of,
    stream,
    topics,
)
from tickwire.dialects.coinapi.times import iso_time
from tickwire.dialects.coinapi.view import View
from tickwire.errors import InvalidInput
from tickwire.limits import IDLE_SECONDS_MAX, LOGIN_SECONDS_MAX, SUBSCRIPTIONS_MAX
from tickwire.market.market import Market
from tickwire.meters import OK, UNKNOWN
from tickwire.model.channel import StreamKey
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.protocol.messages import Rate
from tickwire.protocol.rate import RateLimited, TokenBucket
from tickwire.streams.log import Codec, Cursor

BEAT_MS = 1_000
"""A client that asked for it hears something every second."""
HELLOS_MAX = 100
"""Messages of one client in `HELLO_WINDOW_SECONDS`: each may begin a thousand streams with their snapshots."""
HELLO_WINDOW_SECONDS = 10
STREAMS_PER_MESSAGE = 100
"""Streams that a message may begin and count as one; every further hundred counts as another, as it costs as much."""
_REASON_BYTES_MAX = 123
"""Of a close frame (RFC 6455, section 5.5)."""

_TYPES = ("hello", "subscribe", "unsubscribe")
_HEARTBEAT = framed(HeartbeatMessage())
_decode = msgspec.json.Decoder(ClientMessage).decode


class MarketSession:
    """A `ServedSession` of market data.

    Args:
        flavour: which of the vendor's services the client thinks it talks to.
        candles: those of all sessions.
    """

    def __init__(self, services: Services, opening: Opening, flavour: Flavour, candles: Candles) -> None:
        self.session_id = opening.session_id
        self.identity: Identity | None = None
        self.ending: tuple[int, str] | None = None
        self._services = services
        self._opening = opening
        self._flavour = flavour
        self._candles = candles
        self._bucket = TokenBucket(
            HELLOS_MAX, services.now(), f"messages in {HELLO_WINDOW_SECONDS} s", HELLO_WINDOW_SECONDS
        )
        self._apikey: str | None = None
        """That of the first message; None before it."""
        self._wants_heartbeat = False
        self._writes = 0
        self._beats_idle = 0
        self._view = View.of(services, None)
        self._instruments: list[Instrument] = []
        """Those of the last look."""
        self._rules: dict[Rule, bool] = {}
        """What was asked for (True) and given up (False), oldest first."""
        self._limits = Limits()
        self._wanted: dict[Topic, None] = {}
        self._streams: dict[Topic, tuple[StreamKey, Codec, Cursor]] = {}

    # ---- the socket asks -------------------------------------------------------------------------

    @property
    def beat_ms(self) -> int:
        """Milliseconds between two beats."""
        return BEAT_MS

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Headers for the answer to the upgrade: the limits, and what is left of them."""
        opening = self._opening
        return [
            *_limit("WsRequests", opening.upgrades, 1),
            *_limit("WsHello", self._bucket.state(self._services.now()), HELLO_WINDOW_SECONDS),
            ("X-ConcurrencyLimit-Limit", str(opening.connections_max)),
            ("X-ConcurrencyLimit-Remaining", str(opening.connections_left)),
        ]

    def opened(self) -> bytes:
        """The client speaks first."""
        return b""

    def pinged(self, count: int) -> None:
        """Pings and pongs count like messages."""
        try:
            self._bucket.take(self._services.now(), count)
        except RateLimited:
            self.ending = 4101, "far too many pings"

    def received(self, data: bytes) -> list[bytes]:
        """Answer one message: with what its streams begin with, or with an error."""
        if self.ending is not None:
            return []
        self._beats_idle = 0
        name, code = UNKNOWN, OK
        try:
            self._bucket.take(self._services.now())
            self._check_key()
            message = _parsed(data)
            name = message.type if message.type in _TYPES else UNKNOWN
            frames = self._run(message)
        except InvalidInput as error:
            code, frames = error.code, [self._fail(error)]
        self._services.meters.requests[name, code] += 1
        return self._counted(frames)

    def check(self) -> None:
        """Look whether a deadline has passed, the key was revoked, or instruments were listed."""
        self._beats_idle += 1
        idle_s = self._beats_idle * BEAT_MS // 1_000
        try:
            self._check_key()
            if self._services.require_key and self._apikey is None and idle_s >= LOGIN_SECONDS_MAX:
                raise InvalidInput(f"no hello within {LOGIN_SECONDS_MAX} s", code="not_logged_in")
            if not self._wanted and idle_s >= IDLE_SECONDS_MAX:
                self.ending = 4103, f"nothing asked for in {IDLE_SECONDS_MAX} s"
            frames = self._join_listed()
        except InvalidInput as error:
            frames = [self._fail(error)]
        for frame in self._counted(frames):
            self._services.hub.hand(self._opening.sink, frame)

    def heartbeat(self) -> bytes:
        """A sign of life after a second of silence, for those who asked."""
        writes, before = self._opening.writes(), self._writes
        self._writes = writes
        due = self._wants_heartbeat and writes == before
        return b"".join(self._counted([_HEARTBEAT] if due else []))

    def drain(self, deadline: int) -> bytes:
        """The server stops: connect anew."""
        seconds = max(0, -(-(deadline - self._services.now()) // SECOND_NS))
        return b"".join(self._counted([framed(ReconnectMessage(seconds, iso_time(deadline)))]))

    def closed(self) -> None:
        """The connection is gone: give up every stream."""
        self._wanted, self._rules = {}, {}
        self._apply()

    def _counted(self, frames: list[bytes]) -> list[bytes]:
        sent = self._services.meters.sent[NAME]
        sent.messages += len(frames)
        sent.size += sum(map(len, frames))
        return frames

    # ---- messages --------------------------------------------------------------------------------

    def _run(self, message: ClientMessage) -> list[bytes]:
        if message.type not in _TYPES:
            text = f"there is no type {message.type[:50]!r}; there are {', '.join(_TYPES)}"
            raise InvalidInput(text, field="type")
        if message.type == "unsubscribe" and self._apikey is None:
            raise InvalidInput("the first message must be hello or subscribe", field="type")
        anew = message.type == "hello"
        self._log_in(message, anew=anew)
        rule = rule_of(message, self._flavour)
        limits = (Limits() if anew else self._limits).changed_by(message)
        rules = ({} if anew else self._without(rule)) | {rule: message.type != "unsubscribe"}
        named, exrates = sum(each.filter.size for each in rules), sum(len(each.exrates) for each in rules)
        if len(rules) > RULES_MAX or named > NAMED_MAX or exrates > EXRATES_MAX:
            most = f"{RULES_MAX} different requests that name {NAMED_MAX} things and {EXRATES_MAX} exrates"
            raise InvalidInput(f"a connection may have {most}; send one hello", field="type")
        instruments = _instruments(self._services.market, self._services.market.listed)
        wanted = {} if anew else dict(self._wanted)
        if message.type == "unsubscribe":
            _change(wanted, picked_of(self._wanted, rule, self._view), add=False)
        else:
            before = len(wanted)
            _change(wanted, topics(rule, self._view, instruments), add=True)
            self._bucket.take(self._services.now(), (len(wanted) - before) // STREAMS_PER_MESSAGE)
        self._rules, self._wanted, self._limits, self._instruments = rules, wanted, limits, instruments
        if anew or message.heartbeat is not None:
            self._wants_heartbeat = bool(message.heartbeat)
        return self._apply(anew=anew)

    def _without(self, rule: Rule) -> dict[Rule, bool]:
        return {each: wanted for each, wanted in self._rules.items() if each != rule}

    def _join_listed(self) -> list[bytes]:
        """Let instruments join that were listed since the last look, or listed anew as something else."""
        market = self._services.market
        instruments = _instruments(market, market.listed)
        if instruments is self._instruments or not self._rules:
            return []
        known = set(map(id, self._instruments))
        listed = [each for each in instruments if id(each) not in known]
        self._instruments = instruments
        joined: dict[Topic, None] = {}
        for rule, wanted in self._rules.items():
            _change(joined, topics(rule, self._view, listed), add=wanted)
        all_wanted = dict(self._wanted)
        _change(all_wanted, joined, add=True)
        self._wanted = all_wanted
        return self._apply()

    def _apply(self, *, anew: bool = False) -> list[bytes]:
        """Read the streams that are wanted now and no others; what the new ones begin with.

        Args:
            anew: begin all of them again.
        """
        hub, sink = self._services.hub, self._opening.sink
        wanted = {topic: stream(topic, self._view, self._candles, self._limits) for topic in self._wanted}
        for topic, (key, codec, cursor) in list(self._streams.items()):
            if wanted.get(topic) != (key, codec):
                hub.unsubscribe(cursor)
                del self._streams[topic]
        frames = []
        for topic, (key, codec) in wanted.items():
            if anew or topic not in self._streams:
                cursor, begins_with = hub.subscribe(key, sink, codec)
                self._streams[topic] = key, codec, cursor
                frames.append(begins_with)
        return [frame for frame in frames if frame]

    # ---- who is asking ---------------------------------------------------------------------------

    def _log_in(self, message: ClientMessage, *, anew: bool) -> None:
        """Look at the key, of the first message and of every hello that shows another."""
        apikey = message.apikey or ""
        if apikey == self._apikey or (self._apikey is not None and not apikey):
            return
        if self._apikey is not None and not anew:
            raise InvalidInput("it is another than before; send a hello with it", field="apikey")
        opening = self._opening
        identity = identify(
            self._services.keys,
            headers=opening.headers,
            path=opening.path,
            query=opening.query,
            ip=opening.ip,
            token=opening.identity,
            apikey=apikey,
        )
        if identity is None and self._services.require_key:
            raise InvalidInput(INVALID_KEY, field="apikey", code="login_failed")
        self._apikey, self.identity, self._view = apikey, identity, View.of(self._services, identity)

    def _check_key(self) -> None:
        if self.identity is not None and not self._services.keys.in_force(self.identity.key_id):
            raise InvalidInput(f"{INVALID_KEY}: it was revoked", code="not_permitted")

    # ---- errors ----------------------------------------------------------------------------------

    def _fail(self, error: InvalidInput) -> bytes:
        """Say what is wrong and let the connection end."""
        text = str(error)
        if error.field is not None and text != INVALID_KEY:
            text = f"Parameter {error.field} {text}" if text.startswith("is ") else f"Parameter {error.field}: {text}"
        reason = f"{text}; retry_after={error.retry_after_s}" if isinstance(error, RateLimited) else text
        cut = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")
        self.ending = _CLOSE_CODES.get(error.code, 4400), cut
        self._wanted, self._rules, self.identity = {}, {}, None
        self._apply()
        return framed(ErrorMessage(f"{text}." if text.endswith("is required") else text))


_CLOSE_CODES = {"rate_limited": 4101, "login_failed": 4401, "not_logged_in": 4401, "not_permitted": 4403}
"""By the code of an error; 4400 for all that the client has to put right before it comes back."""


@lru_cache(maxsize=2)
def _instruments(market: Market, listed: int) -> list[Instrument]:
    """Every instrument, one list for all sessions until another is listed."""
    return market.instruments


def _parsed(data: bytes) -> ClientMessage:
    try:
        return _decode(data)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        field = path.strip("`.[]").partition("[")[0]
        raise InvalidInput(text, field=field or "type") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the message is not JSON: {error}") from None


def _change(wanted: dict[Topic, None], picked: Iterable[Topic], *, add: bool) -> None:
    """Add topics to those that are wanted, or take them away.

    Raises:
        InvalidInput: these are too many. Nobody has looked at the rest of them then.
    """
    for topic in picked:
        if not add:
            wanted.pop(topic, None)
            if not wanted:
                break
        elif topic not in wanted:
            if len(wanted) >= SUBSCRIPTIONS_MAX:
                text = f"a connection may have {SUBSCRIPTIONS_MAX} streams (each period of a symbol is one); name fewer"
                raise InvalidInput(text, field="subscribe_filter_symbol_id")
            wanted[topic] = None


def _limit(name: str, rate: Rate, window_seconds: int) -> list[tuple[str, str]]:
    """A limit as headers; where nothing is left, the next one is there after at most its share of the window."""
    window_ms = window_seconds * 1_000
    return [
        (f"X-{name}PerIpLimit-Limit", str(rate.limit)),
        (f"X-{name}PerIpLimit-Remaining", str(rate.remaining)),
        (f"X-{name}PerIpLimit-WindowSizeMs", str(window_ms)),
        (f"X-{name}PerIpLimit-RetryAfterMs", str(0 if rate.remaining else -(-window_ms // rate.limit))),
    ]
