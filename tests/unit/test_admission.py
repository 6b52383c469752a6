"""What is counted by address and key, and forgotten again."""

from __future__ import annotations

import pytest

from tickwire.config import ServerSettings
from tickwire.errors import ConfigError
from tickwire.protocol.messages import Rate
from tickwire.protocol.rate import RateLimited, TokenBucket
from tickwire.server.admission import Admission, Buckets, Refusal
from tickwire.testing.clock import ManualClock


class Holder:
    """A connection that is logged in with a key, or with none."""

    def __init__(self, key_id: str | None) -> None:
        self.key_id = key_id

    def is_logged_in(self, key_id: str) -> bool:
        return self.key_id == key_id


def admission(clock: ManualClock, *, connections: int = 2, upgrades: int = 2) -> Admission:
    return Admission(clock, connections_per_ip=connections, upgrades_per_second=upgrades, requests_per_second=5)


# ---- buckets -----------------------------------------------------------------------------------------


def test_a_bucket_says_what_is_left() -> None:
    bucket = TokenBucket(4, 0)
    assert bucket.state(0) == Rate(4, 4, 0)
    bucket.take(0, 3)
    assert bucket.state(0) == Rate(4, 1, 750)
    assert bucket.state(249_999_999) == Rate(4, 1, 501)
    assert bucket.state(250_000_000) == Rate(4, 2, 500)
    assert bucket.state(9_000_000_000) == Rate(4, 4, 0)
    with pytest.raises(RateLimited) as error:
        bucket.take(0, 2)
    assert (error.value.rate, error.value.retry_after_s) == (Rate(4, 1, 750), 1)
    bucket.take(0, 1)


def test_a_bucket_of_a_minute() -> None:
    bucket = TokenBucket(30, 0, "tries a minute", 60)
    bucket.take(0, 30)
    with pytest.raises(RateLimited, match="more than 30 tries a minute; slow down") as error:
        bucket.check(0)
    assert (error.value.rate, error.value.retry_after_s) == (Rate(30, 0, 60_000), 2)
    bucket.check(2_000_000_000)
    bucket.check(2_000_000_000)  # counts nothing
    assert bucket.state(2_000_000_000).remaining == 1
    assert not bucket.is_full(59_999_999_999)
    assert bucket.is_full(60_000_000_000)


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    bucket = TokenBucket(2, 10_000_000_000)
    bucket.take(10_000_000_000, 2)
    with pytest.raises(RateLimited):
        bucket.take(1_000_000_000)
    bucket.take(1_500_000_000)


def test_whoever_is_idle_is_forgotten() -> None:
    clock = ManualClock(1_000)
    buckets = Buckets(2, "things", clock)
    for number in range(100):
        buckets.take(f"party {number}")
        clock.advance(ms=100)
    assert len(buckets) == 5  # a bucket is full again 500 ms after one was taken
    clock.advance(seconds=1)
    buckets.take("last")
    assert len(buckets) == 1


def test_a_table_is_bounded_and_forgets_the_least_recent() -> None:
    clock = ManualClock(1_000)
    buckets = Buckets(1, "things", clock, entries_max=3)
    for party in "abc":
        buckets.take(party)
    with pytest.raises(RateLimited):
        buckets.take("a")  # now the newest of the three
    buckets.take("d")
    assert len(buckets) == 3
    buckets.take("b")
    for party in "adb":
        with pytest.raises(RateLimited):
            buckets.check(party)
    buckets.check("c")
    assert len(buckets) == 3


# ---- sockets -----------------------------------------------------------------------------------------


def test_sockets_of_an_address() -> None:
    counted = admission(ManualClock())
    assert [counted.enter("192.0.2.1") for _ in range(2)] == [None, None]
    refusal = counted.enter("192.0.2.1")
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.headers) == (429, [("Retry-After", "10")])
    assert counted.enter("::ffff:192.0.2.1") is not None  # the same one
    assert counted.enter("192.0.2.2") is None
    for ip in ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"):
        counted.left(ip)
    assert (counted._sockets, counted._sockets_open) == ({}, 0)


def test_what_an_address_has_left() -> None:
    counted = admission(ManualClock(1_000))
    assert [counted.upgrade("2001:db8::1"), counted.upgrade("2001:db8::2")] == [Rate(2, 1, 500), Rate(2, 0, 1_000)]
    assert counted.connections_left("2001:db8::1") == 2
    counted.enter("2001:db8::1")
    assert (counted.connections_left("2001:db8::2"), counted.connections_left("192.0.2.1")) == (1, 2)
    counted.enter("2001:db8::2")
    assert counted.connections_left("2001:db8::1") == 0
    counted.left("2001:db8::1")
    assert counted.connections_left("2001:db8::2") == 1


def test_a_v6_network_counts_as_one_address() -> None:
    counted = admission(ManualClock())
    assert counted.enter("2001:db8:0:1::1") is None
    assert counted.enter("2001:db8:0:1:ffff:ffff:ffff:ffff") is None
    assert counted.enter("2001:db8:0:1::2") is not None
    assert counted.enter("2001:db8:0:2::1") is None
    assert list(counted._sockets) == ["2001:db8:0:1::/64", "2001:db8:0:2::/64"]


def test_a_proxys_sockets_count_for_the_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.server.admission.CONNECTIONS_MAX", 5)
    counted = admission(ManualClock())
    assert [counted.enter(None) for _ in range(5)] == [None] * 5
    refusal = counted.enter(None)
    assert refusal is not None
    assert (refusal.status, refusal.text) == (503, "This server has 5 connections, its limit. Try again later.\n")
    counted.left(None)
    assert counted.enter("192.0.2.1") is None


def test_upgrades_of_an_address() -> None:
    clock = ManualClock(1_000)
    counted = admission(clock)
    for ip in ("192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2"):
        counted.upgrade(ip)
    for ip in ("192.0.2.1", "2001:db8::3"):
        with pytest.raises(RateLimited, match="2 upgrades a second from one address"):
            counted.upgrade(ip)
    clock.advance(ms=500)
    counted.upgrade("192.0.2.1")


# ---- keys --------------------------------------------------------------------------------------------


def test_connections_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.server.admission.CONNECTIONS_PER_KEY_MAX", 2)
    counted = admission(ManualClock())
    first, second, third = Holder("k"), Holder("k"), Holder("k")
    for holder in (first, second):
        assert counted.has_room("k", holder)
        counted.logged_in("k", holder)
    assert not counted.has_room("k", third)
    assert counted.has_room("k", first)  # logs in once more
    assert counted.others("k", third) == [first, second]
    first.key_id = None  # has logged out
    assert counted.has_room("k", third)
    second.key_id = "other"
    counted.logged_in("other", second)
    assert (counted.others("k", third), counted.others("other", third)) == ([], [second])
    for holder in (first, second, third):
        counted.gone(holder)
    assert (counted._holders, counted._key_of) == ({}, {})


# ---- settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        "", "app.example", "https://", "https://app.example/", "https://app.example/path", "HTTPS://app.example",
        "https://App.example", "https://app.example:443", "http://app.example:80", "https://app.example:x",
        "https://user@app.example", "https://*.app.example", "*", "null",
    ],
)  # fmt: skip
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    with pytest.raises(ConfigError, match="give it as browsers do"):
        ServerSettings(origins=(origin,))


@pytest.mark.parametrize("origin", ["https://app.example", "http://localhost:5173", "http://[::1]:8000", "https://a:1"])
def test_an_origin(origin: str) -> None:
    assert ServerSettings(origins=(origin,)).origins == (origin,)


@pytest.mark.parametrize("network", ["", "10.0.0.1/8", "proxy", "10.0.0.0/33", "*"])
def test_a_wrong_proxy_is_refused(network: str) -> None:
    with pytest.raises(ConfigError, match="trusted proxy"):
        ServerSettings(trusted_proxies=(network,))


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="connections_per_ip"):
        ServerSettings(connections_per_ip=0)
    with pytest.raises(ConfigError, match="upgrades_per_second"):
        ServerSettings(upgrades_per_second=0)
