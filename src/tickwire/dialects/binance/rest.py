"""REST: `/api/v3`, the same operations by verb and path, with the limits in headers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tickwire.dialects.base import HttpAnswer, HttpRequest
from tickwire.dialects.binance.api import Answer, Api, Caller
from tickwire.dialects.binance.errors import BinanceError
from tickwire.dialects.binance.operations import PATHS
from tickwire.dialects.binance.signatures import TIME_UNIT_HEADER, from_http, time_unit
from tickwire.dialects.binance.usage import Limit

PREFIX = "/api/v3"
_LETTERS = {"SECOND": "S", "MINUTE": "M", "DAY": "D"}


class Rest:
    """The HTTP side of an `Api`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._desk = api.services.desk()

    def answer(self, request: HttpRequest, reply: Callable[[HttpAnswer], None]) -> None:
        """Answer a request: call `reply` once, now or when the outcome is known."""
        path = request.path.removeprefix(PREFIX)
        verbs = PATHS.get(path, {}) if path != request.path else {}
        operation = verbs.get(request.method)
        try:
            if operation is None:
                raise BinanceError(-1020, code="unknown_method")
            unit = time_unit(request.headers.get(TIME_UNIT_HEADER, ""))
            sent = from_http(request.query, request.body, request.headers)
        except BinanceError as error:
            answer = _http(self._api.refuse(request.ip, error))
            if answer.status == 400 and operation is None:
                answer = answer._replace(status=405 if verbs else 404)
            reply(answer)
            return
        caller = Caller(request.ip, self._desk, request.identity)
        self._api.answer(operation, sent, caller, unit, -1104, lambda answer: reply(_http(answer)))


def _http(answer: Answer) -> HttpAnswer:
    headers = [(_header(row), str(row["count"])) for row in answer.limits]
    result = answer.result
    if not isinstance(result, BinanceError):
        return HttpAnswer(200, msgspec.json.encode(result), tuple(headers))
    if result.retry_after_s:
        headers.append(("Retry-After", str(result.retry_after_s)))
    return HttpAnswer(result.status, msgspec.json.encode(result.body()), tuple(headers))


def _header(row: dict[str, Any]) -> str:
    """The header that shows a limit: X-MBX-USED-WEIGHT-1M, X-MBX-ORDER-COUNT-10S."""
    limit = Limit(row["rateLimitType"], row["interval"], row["intervalNum"], row["limit"])
    name = "X-MBX-USED-WEIGHT" if limit.kind == "REQUEST_WEIGHT" else "X-MBX-ORDER-COUNT"
    return f"{name}-{limit.number}{_LETTERS[limit.interval]}"
