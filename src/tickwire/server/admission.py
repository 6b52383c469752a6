"""How much of the server one address and one key may have: sockets, upgrades, failed logins, requests over HTTP.

Every table is bounded, and forgets whoever has not been heard of for long enough to be let in like a stranger.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

from tickwire.clock import NowNs
from tickwire.limits import (
    ADDRESSES_MAX,
    CONNECTIONS_MAX,
    CONNECTIONS_PER_KEY_MAX,
    FAILED_LOGINS_PER_MINUTE_MAX,
    FILES_RESERVED,
    KEYS_MAX,
    LIMIT_RETRY_SECONDS,
)
from tickwire.model.address import party
from tickwire.protocol.messages import Rate
from tickwire.protocol.rate import TokenBucket, rate_headers
from tickwire.server.files import files_max

MINUTE_SECONDS = 60


class Refusal(NamedTuple):
    """An HTTP answer that says no.

    Attributes:
        retry_after_s: seconds to wait before the next attempt; 0 where waiting does not help.
        rate: of what there was too much.
    """

    status: int
    text: str
    retry_after_s: int = 0
    rate: Rate | None = None

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Those that go with it, the body's apart."""
        wait = [("Retry-After", str(self.retry_after_s))] if self.retry_after_s else []
        return wait + (rate_headers(self.rate) if self.rate is not None else [])


class Buckets:
    """A token bucket for each of many parties. One that is full is forgotten: it would be made like that again.

    Args:
        rate: that each may have in `seconds`, with a burst of as many.
        what: is counted, for the refusal: "upgrades a second".
        entries_max: parties that are remembered; beyond it the one that was heard of least recently is forgotten.
    """

    def __init__(self, rate: int, what: str, now: NowNs, *, seconds: int = 1, entries_max: int = ADDRESSES_MAX) -> None:
        self._rate = rate
        self._what = what
        self._now = now
        self._seconds = seconds
        self._entries_max = entries_max
        self._buckets: dict[str, TokenBucket] = {}  # the one used last is the last

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, party: str, count: int = 1) -> Rate:
        """Count; what is left.

        Raises:
            RateLimited: that is too many; none is counted.
        """
        now = self._now()
        bucket = self._buckets.pop(party, None) or TokenBucket(self._rate, now, self._what, self._seconds)
        while self._buckets:
            oldest = next(iter(self._buckets))
            if len(self._buckets) < self._entries_max and not self._buckets[oldest].is_full(now):
                break
            del self._buckets[oldest]
        self._buckets[party] = bucket
        bucket.take(now, count)
        return bucket.state(now)

    def check(self, party: str) -> None:
        """Raise what `take` would, and count nothing."""
        bucket = self._buckets.get(party)
        if bucket is not None:
            bucket.check(self._now())


class KeyHolder(Protocol):
    """A connection, as far as it matters here."""

    def is_logged_in(self, key_id: str) -> bool:
        """Whether it is open, and logged in with this key."""
        ...


H = TypeVar("H", bound=KeyHolder)


class Admission:
    """Counts sockets by address and connections by key.

    Args:
        now: the time.
        connections_per_ip: sockets of one address, whatever they are used for.
        upgrades_per_second: of one address.
        requests_per_second: over HTTP, of one key, and of one address without a key.
    """

    def __init__(
        self, now: NowNs, *, connections_per_ip: int, upgrades_per_second: int, requests_per_second: int
    ) -> None:
        self._connections_per_ip = connections_per_ip
        self._sockets: dict[str, int] = {}
        self._sockets_open = 0
        self._sockets_max = files_max() - FILES_RESERVED
        self._holders: dict[str, dict[KeyHolder, None]] = {}
        self._key_of: dict[KeyHolder, str] = {}
        self._upgrades = Buckets(upgrades_per_second, "upgrades a second from one address", now)
        self._failures = Buckets(
            FAILED_LOGINS_PER_MINUTE_MAX, "failed logins a minute from one address", now, seconds=MINUTE_SECONDS
        )
        self.requests = Buckets(requests_per_second, "requests a second of one key", now, entries_max=KEYS_MAX)
        """Over HTTP, where no session counts them."""
        self._anonymous = Buckets(requests_per_second, "requests a second of one address without a key", now)

    # ---- sockets ---------------------------------------------------------------------------------

    def enter(self, ip: str | None) -> Refusal | None:
        """Count a socket until it has `left`, or say why it may not stay; then it is not counted.

        Args:
            ip: whose it is; None for a proxy's, until it is known for whom it speaks.
        """
        most = min(CONNECTIONS_MAX, self._sockets_max)
        if self._sockets_open >= most:
            text = f"This server has {most} connections, its limit. Try again later.\n"
            return Refusal(503, text, LIMIT_RETRY_SECONDS)
        if ip is not None:
            who = party(ip)
            count = self._sockets.get(who, 0)
            if count >= self._connections_per_ip:
                text = f"Your address has {self._connections_per_ip} connections, the most it may. Close one first.\n"
                return Refusal(429, text, LIMIT_RETRY_SECONDS)
            self._sockets[who] = count + 1
        self._sockets_open += 1
        return None

    def left(self, ip: str | None) -> None:
        """A socket that was let in is gone."""
        self._sockets_open -= 1
        if ip is None:
            return
        who = party(ip)
        self._sockets[who] -= 1
        if not self._sockets[who]:
            del self._sockets[who]

    def connections_left(self, ip: str) -> int:
        """How many more sockets an address may have."""
        return max(0, self._connections_per_ip - self._sockets.get(party(ip), 0))

    def upgrade(self, ip: str) -> Rate:
        """Count an attempt to open a WebSocket; what is left.

        Raises:
            RateLimited: there were too many.
        """
        return self._upgrades.take(party(ip))

    def anonymous(self, ip: str, count: int) -> Rate:
        """Count requests over HTTP that come without a key; what is left.

        Raises:
            RateLimited: that is too many; none is counted.
        """
        return self._anonymous.take(party(ip), count)

    # ---- logins ----------------------------------------------------------------------------------

    def may_log_in(self, ip: str) -> None:
        """To be asked before a proof is looked at: a guess that is right must not be told from one that is wrong.

        Raises:
            RateLimited: too many have failed.
        """
        self._failures.check(party(ip))

    def login_failed(self, ip: str) -> None:
        """Count a login that was refused."""
        self._failures.take(party(ip))

    def others(self, key_id: str, connection: H) -> list[H]:
        """The other connections that are logged in with a key, the oldest first."""
        there: list[H] = [
            other  # type: ignore[misc]
            for other in self._holders.get(key_id, ())
            if other is not connection and other.is_logged_in(key_id)
        ]
        return there

    def has_room(self, key_id: str, connection: KeyHolder) -> bool:
        """Whether the key may have this connection besides those it has."""
        return len(self.others(key_id, connection)) < CONNECTIONS_PER_KEY_MAX

    def logged_in(self, key_id: str, connection: KeyHolder) -> None:
        """Count a connection for a key until it is `gone`, or logs in with another."""
        self.gone(connection)
        self._key_of[connection] = key_id
        self._holders.setdefault(key_id, {})[connection] = None

    def gone(self, connection: KeyHolder) -> None:
        """The connection is closed. It need not have logged in."""
        key_id = self._key_of.pop(connection, None)
        if key_id is not None:
            del self._holders[key_id][connection]
            if not self._holders[key_id]:
                del self._holders[key_id]
