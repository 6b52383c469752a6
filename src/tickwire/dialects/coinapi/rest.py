"""The vendor's REST interfaces: one table of routes, who may ask, what it costs, and how errors are said.

    /coinapi/v1/…               market data, exchange rates and metadata
    /coinapi/currencies/v1/…    FinFeedAPI Currencies: assets and exchange rates
    /coinapi/stock/v1/…         FinFeedAPI Stock: the same of instruments that are equities
    /coinapi/ems/v1/…           order entry

An error is `{"error": "…"}` with 400 (what is asked makes no sense), 401 (no key, or a wrong one), 403 (the key may
not), 404 (no such path), 405, 429 (too much) or 550 (no such thing, or nothing of it is known).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from tickwire.dialects.base import HttpAnswer, HttpRequest, Services
from tickwire.dialects.coinapi import rest_ems, rest_market, rest_metadata, rest_rates, rest_series
from tickwire.dialects.coinapi.credentials import identify, split_path
from tickwire.dialects.coinapi.ems import Ems
from tickwire.dialects.coinapi.ems_orders import EmsDesk
from tickwire.dialects.coinapi.rest_call import ITEMS_PER_REQUEST, Call, NotYet, RestError, query_of
from tickwire.dialects.coinapi.times import iso_time
from tickwire.dialects.coinapi.view import View
from tickwire.errors import InvalidInput
from tickwire.meters import OK, UNKNOWN
from tickwire.model.identity import Identity, Scope
from tickwire.protocol.messages import Rate
from tickwire.protocol.rate import MS_NS, RateLimited

STATUSES = {
    "login_failed": 401,
    "not_logged_in": 401,
    "not_permitted": 403,
    "not_entitled": 403,
    "rate_limited": 429,
    "busy": 429,
}
"""The HTTP status of an error code; 400 for what a request has wrong."""

_Market = Callable[[Call], Any]

_RATES: dict[str, _Market] = {
    "/assets": rest_metadata.assets,
    "/assets/icons/{size}": rest_metadata.nothing,
    "/assets/{asset_id}": rest_metadata.asset,
    "/exchangerate/history/periods": rest_series.periods,
    "/exchangerate/{asset_id_base}": rest_rates.rates,
    "/exchangerate/{asset_id_base}/{asset_id_quote}": rest_rates.rate,
    "/exchangerate/{asset_id_base}/{asset_id_quote}/history": rest_rates.history,
}
_DATA: dict[str, _Market] = {
    "/exchanges": rest_metadata.exchanges,
    "/exchanges/icons/{size}": rest_metadata.nothing,
    "/exchanges/{exchange_id}": rest_metadata.exchange,
    "/symbols": rest_metadata.symbols,
    "/symbols/map/{exchange_id}": rest_metadata.mapping,
    "/symbols/{exchange_id}": rest_metadata.symbols,
    "/ohlcv/periods": rest_series.periods,
    "/ohlcv/exchanges/{exchange_id}/history": rest_series.ohlcv_of_exchange,
    "/ohlcv/{symbol_id}/history": rest_series.ohlcv_history,
    "/ohlcv/{symbol_id}/latest": rest_series.ohlcv_latest,
    "/trades/latest": rest_market.trades_of_all,
    "/trades/{symbol_id}/history": rest_market.trades_history,
    "/trades/{symbol_id}/latest": rest_market.trades_latest,
    "/quotes/current": rest_market.quotes_current,
    "/quotes/latest": rest_market.quotes_of_all,
    "/quotes/{symbol_id}/current": rest_market.quote_current,
    "/quotes/{symbol_id}/latest": rest_market.quotes_latest,
    "/quotes/{symbol_id}/history": rest_market.quotes_history,
    "/orderbooks/{symbol_id}/current": rest_market.book_current,
    "/orderbooks/{symbol_id}/latest": rest_market.book_latest,
    "/orderbooks/{symbol_id}/history": rest_market.book_history,
    "/orderbooks/{symbol_id}/depth/current": rest_market.depth_current,
    "/orderbooks3/current": rest_market.orders_of_all,
    "/orderbooks3/{symbol_id}/current": rest_market.orders_current,
    "/options/{exchange_id}/current": rest_metadata.options,
    "/metrics/listing": rest_metadata.nothing,
    "/metrics/exchange/listing": rest_metadata.nothing,
    "/metrics/symbol/listing": rest_metadata.nothing,
    "/metrics/asset/listing": rest_metadata.nothing,
    "/metrics/{what}/current": rest_metadata.metrics,
    "/metrics/{what}/history": rest_metadata.metrics,
}
_STOCK: dict[str, _Market] = {
    "/exchanges": rest_metadata.exchanges,
    "/symbols/{exchange_id}": rest_metadata.symbols,
    "/ohlcv/periods": rest_series.periods,
    "/ohlcv/exchange-symbol/{exchange_id}/{symbol_id}/history": rest_series.ohlcv_history,
    "/ohlcv/exchange-symbol/{exchange_id}/{symbol_id}/latest": rest_series.ohlcv_latest,
    "/ohlcv/exchange/{exchange_id}/history": rest_series.ohlcv_of_exchange,
    "/native/iex/trade/{symbol}": rest_metadata.iex_messages,
    "/native/iex/level1-quote/{symbol}": rest_metadata.iex_messages,
    "/native/iex/level2-price-level-update/{symbol}": rest_metadata.iex_messages,
    "/native/iex/level3-order-book/{symbol}": rest_metadata.iex_messages,
    "/native/iex/admin/messages/{symbol}": rest_metadata.iex_messages,
    "/native/iex/admin/system-event": rest_metadata.iex_messages,
}
_EMS: dict[tuple[str, str], tuple[Scope, Callable[[rest_ems.EmsCall], None]]] = {
    ("POST", "/orders"): ("trade", rest_ems.place),
    ("POST", "/orders/cancel"): ("trade", rest_ems.cancel),
    ("POST", "/orders/cancel/all"): ("trade", rest_ems.cancel_all),
    ("GET", "/orders"): ("read", rest_ems.open_orders),
    ("GET", "/orders/history"): ("read", rest_ems.history),
    ("GET", "/orders/status/{client_order_id}"): ("read", rest_ems.status),
    ("GET", "/balances"): ("read", rest_ems.balances),
    ("GET", "/positions"): ("read", rest_ems.positions),
}


_ORDER = "{client_order_id}"
"""The only thing with a name that may hold a "/"."""


class Route(NamedTuple):
    """A path and what answers it.

    Attributes:
        name: for counting.
        parts: of the path; one in braces stands for anything.
        market: of a request for market data. asset_classes: what it is about, none means all.
        ems: of a request of order entry. scope: that it needs.
    """

    name: str
    method: str
    parts: tuple[str, ...]
    market: _Market | None = None
    asset_classes: tuple[str, ...] = ()
    ems: Callable[[rest_ems.EmsCall], None] | None = None
    scope: Scope = "read"


def _routes() -> list[Route]:
    mounts: tuple[tuple[str, dict[str, _Market], tuple[str, ...]], ...] = (
        ("/v1", _RATES | _DATA, ()),
        ("/currencies/v1", _RATES, ()),
        ("/stock/v1", _STOCK, ("equity",)),
    )
    found = [
        Route(f"coinapi GET {mount}{path}", "GET", _parts(mount + path), market, asset_classes)
        for mount, paths, asset_classes in mounts
        for path, market in paths.items()
    ]
    for (method, path), (scope, ems) in _EMS.items():
        name = f"coinapi {method} /ems/v1{path}"
        found.append(Route(name, method, _parts("/ems/v1" + path), ems=ems, scope=scope))
    return found


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")[1:])


ROUTES = _routes()
"""Every route. Of two that fit, the first is meant."""


class Rest:
    """Answers requests over HTTP.

    Args:
        ems: the server's.
    """

    def __init__(self, ems: Ems) -> None:
        self._ems = ems
        self._services = ems.services
        self._desk = EmsDesk(ems)

    def http(self, request: HttpRequest, reply: Callable[[HttpAnswer], None]) -> None:
        """Answer a request: `reply` is called once, now or when it is on the tape."""
        parts, _ = split_path(request.path)
        route, names = _find("GET" if request.method == "HEAD" else request.method, parts)
        counted = route.name if route is not None else UNKNOWN
        headers: list[tuple[str, str]] = []

        def answer(status: int, body: Any) -> None:
            self._services.meters.requests[counted, OK if status == 200 else str(status)] += 1
            reply(HttpAnswer(status, msgspec.json.encode(body), tuple(headers)))

        def attempt(work: Callable[[], None]) -> None:
            try:
                work()
            except NotYet:
                attempt(lambda: self._services.submit([], lambda _: attempt(work)))
            except RestError as error:
                answer(error.status, {"error": error.message})
            except InvalidInput as error:
                if isinstance(error, RateLimited):
                    headers[:] = [("Retry-After", str(error.retry_after_s)), *self._rate_headers(error.rate, 1)]
                answer(STATUSES.get(error.code, 400), {"error": error.message})

        def begin() -> None:
            identity = self._identity(request, required=route is not None and route.ems is not None)
            bill = _Bill(self._services, identity, request.ip)
            headers[:] = self._rate_headers(bill.rate, 1)
            if route is None:
                methods = [each.method for each in ROUTES if _names(each.parts, parts) is not None]
                if methods:
                    headers.append(("Allow", ", ".join(methods + ["HEAD"] * ("GET" in methods))))
                    raise RestError(405, f"this path takes {' and '.join(methods)}")
                raise RestError(404, f"there is no path {request.path[:100]!r} here")
            if route.ems is not None:
                assert identity is not None
                identity.check(route.scope)
                query = query_of(request.query)
                call = rest_ems.EmsCall(self._ems, self._desk, identity, names, query, request.body, answer)
                rest_ems.run(call, route.ems)
                return
            assert route.market is not None
            view = View.of(self._services, identity)
            asked = Call(view, names, query_of(request.query), route.asset_classes, bill.add)
            market = route.market

            def look_up() -> None:
                bill.items = 0
                body = market(asked)
                headers[:] = self._rate_headers(bill.rate, bill.cost)
                answer(200, body)

            attempt(look_up)

        attempt(begin)

    def _identity(self, request: HttpRequest, *, required: bool) -> Identity | None:
        identity = identify(
            self._services.keys,
            headers=request.headers,
            path=request.path,
            query=request.query,
            ip=request.ip,
            token=request.identity,
        )
        if identity is None and (required or self._services.require_key):
            text = "this needs an API key, in the header X-CoinAPI-Key or the parameter apikey"
            raise InvalidInput(text, code="not_logged_in")
        return identity

    def _rate_headers(self, rate: Rate, cost: int) -> list[tuple[str, str]]:
        """What is left of the key's requests a second. There is no quota beyond it, and nothing to pay."""
        reset = iso_time(self._services.now() + rate.reset_ms * MS_NS)
        return [
            ("X-RateLimit-Used", str(rate.limit - rate.remaining)),
            ("X-RateLimit-Limit", str(rate.limit)),
            ("X-RateLimit-Remaining", str(rate.remaining)),
            ("X-RateLimit-Request-Cost", str(cost)),
            ("X-RateLimit-Reset", reset),
            ("X-RateLimit-Quota-Overage", "DISABLED"),
            ("X-RateLimit-Quota-Allocated", str(rate.limit)),
            ("X-RateLimit-Quota-Remaining", str(rate.remaining)),
        ]


class _Bill:
    """What a request costs: one, or one for every so many items of the answer.

    Attributes:
        rate: what is left to who asks. cost: of the request, so far. items: of the answer, so far.
    """

    def __init__(self, services: Services, identity: Identity | None, ip: str) -> None:
        if identity is None:
            self._allow = partial(services.allow_address, ip)
        else:
            self._allow = partial(services.allow, identity.key_id)
        self.rate = self._allow(1)
        self.cost = 1
        self.items = 0

    def add(self, items: int) -> None:
        """Count items of the answer. What costs more than may be used in a second needs all of that.

        Raises:
            RateLimited: that is too much now.
        """
        self.items += items
        cost = min(-(-self.items // ITEMS_PER_REQUEST), self.rate.limit)
        if cost > self.cost:
            self.rate = self._allow(cost - self.cost)
            self.cost = cost


def _find(method: str, parts: list[str]) -> tuple[Route | None, dict[str, str]]:
    for route in ROUTES:
        if route.method == method and (names := _names(route.parts, parts)) is not None:
            return route, names
    return None, {}


def _names(wanted: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    """What a path names, None where it is another path."""
    if wanted[-1] == _ORDER:
        parts = [*parts[: len(wanted) - 1], *filter(None, ["/".join(parts[len(wanted) - 1 :])])]
    if len(wanted) != len(parts):
        return None
    names = {}
    for want, part in zip(wanted, parts, strict=True):
        if want.startswith("{"):
            names[want[1:-1]] = part
        elif want != part:
            return None
    return names
