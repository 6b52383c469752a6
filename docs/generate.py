"""Writes the generated parts of the documentation from the code: `python docs/generate.py`.

A test compares, so that a table can't drift from what the server does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tickwire import limits as limits_module
from tickwire.dialects.binance.operations import OPERATIONS as BINANCE
from tickwire.dialects.coinapi.scope import INTERVALS_MS
from tickwire.model.channel import BOOK_DEPTHS, BOOK_INTERVALS_MS, CANDLE_INTERVALS_NS
from tickwire.observe.metrics import ROWS
from tickwire.protocol.codes import CLOSE_CODES, ERROR_CODES
from tickwire.protocol.methods import DESCRIBED
from tickwire.protocol.orders import METHODS
from tickwire.server.asyncapi import asyncapi
from tickwire.server.openapi import openapi
from tickwire.server.rest import API, OPERATIONS, STATUS

HERE = Path(__file__).parent


LIMITS = [
    "MESSAGE_BYTES_MAX", "FRAGMENTS_MAX", "REQUESTS_PER_SECOND_MAX", "FLOOD_FACTOR", "SUBSCRIPTIONS_MAX",
    "SEND_BUFFER_MAX_BYTES", "CONNECTIONS_MAX", "CONNECTIONS_PER_IP_MAX", "CONNECTIONS_PER_KEY_MAX",
    "UPGRADES_PER_SECOND_MAX", "FAILED_LOGINS_PER_MINUTE_MAX", "LIMIT_RETRY_SECONDS", "HTTP_HEADER_BYTES_MAX",
    "HTTP_HEADERS_MAX", "HTTP_PIPELINED_MAX", "TLS_HANDSHAKE_SECONDS_MAX", "HTTP_REQUEST_SECONDS_MAX",
    "HTTP_RESPONSE_SECONDS_MAX", "LOGIN_SECONDS_MAX", "IDLE_SECONDS_MAX", "PING_INTERVAL_SECONDS",
    "HISTORY_ROWS_MAX", "HISTORY_ROWS_PER_REQUEST", "TRADES_KEPT_MAX", "CANDLES_KEPT_MAX",
]  # fmt: skip
"""Those that a client can meet."""


def limits() -> list[str]:
    """A row for each of `LIMITS`: its value, and its reason as the module gives it."""
    text = Path(limits_module.__file__).read_text()
    rows = []
    for name in LIMITS:
        reason = re.search(rf'^{name} = [^\n]*\n"""(.*?)"""', text, re.MULTILINE | re.DOTALL)
        assert reason is not None, name
        rows.append(f"| `{name}` | {getattr(limits_module, name):,} | {' '.join(reason[1].split())} |")
    return rows


def of_the_protocol() -> dict[str, str]:
    """Each generated part of the protocol's page by the name in its marker."""
    errors = [
        f"| `{code}` | {row.meaning} | {row.what_to_do} | {'yes' if row.retry else 'no'} |"
        for code, row in ERROR_CODES.items()
    ]
    closes = [f"| {code} | {meaning} |" for code, meaning in CLOSE_CODES.items()]
    options = [
        f"- `depth`: {', '.join(map(str, BOOK_DEPTHS))}",
        f"- `interval_ms`: {', '.join(map(str, BOOK_INTERVALS_MS))}",
        f"- `interval`: {', '.join(CANDLE_INTERVALS_NS)}; without it `1m`",
    ]
    return {
        "options": "\n".join(options),
        "error codes": "\n".join(["| code | meaning | what to do | `retry` |", "|---|---|---|---|", *errors]),
        "limits": "\n".join(["| limit | value | reason, and what happens beyond it |", "|---|---|---|", *limits()]),
        "close codes": "\n".join(["| code | meaning |", "|---|---|", *closes]),
    }


def of_observation() -> dict[str, str]:
    """The same of the page about observing a server."""
    rows = [
        f"| `{row.name}` | {row.kind} | {' '.join(f'`{label}`' for label in row.labels)} | {row.help} |" for row in ROWS
    ]
    return {"metrics": "\n".join(["| metric | kind | labels | what it is |", "|---|---|---|---|", *rows])}


def of_rest() -> dict[str, str]:
    """The same of the page about HTTP."""
    rows = []
    for operation in OPERATIONS:
        name = operation.method
        scope = METHODS[name][1] if name in METHODS else ""
        fixed = ", ".join(f"`{value}`" for _, value in operation.fixed)
        asked = ", ".join(f"`{parameter}`" for parameter in operation.query)
        text = DESCRIBED[name].summary + (f": {fixed}" if fixed else "")
        rows.append(f"| {operation.verb} | `{API}{operation.path}` | `{name}` | {scope} | {asked} | {text} |")
    statuses: dict[int, list[str]] = {}
    for code, status in STATUS.items():
        statuses.setdefault(status, []).append(f"`{code}`")
    head = ["| | path | method | scope | query | what it is |", "|---|---|---|---|---|---|"]
    codes = [f"| {status} | {', '.join(found)} |" for status, found in sorted(statuses.items())]
    return {
        "operations": "\n".join([*head, *rows]),
        "statuses": "\n".join(["| status | `error.code` |", "|---|---|", *codes]),
    }


BINANCE_WEIGHTS = {
    "depth": "5, 25, 50 or 250 by `limit`",
    "klines": "2 for each 1,000 candles read",
    "uiKlines": "2 for each 1,000 candles read",
    "ticker.24hr": "2, 40 or 80 by symbols",
    "ticker.tradingDay": "4 a symbol, at most 200",
    "ticker": "4 a symbol, at most 200",
    "ticker.price": "2; 4 for all",
    "ticker.book": "2; 4 for all",
    "openOrders.status": "6; 80 for all",
}
"""Of the operations whose weight depends on what is asked."""


def of_binance() -> dict[str, str]:
    """The same of the page about Binance."""
    rows = []
    for row in BINANCE:
        rest = f"`{row.verb} {row.path}`" if row.path else ""
        asked = ", ".join(f"`{parameter}`" for parameter in row.parameters)
        weight = row.weight if isinstance(row.weight, int) else BINANCE_WEIGHTS[row.method]
        rows.append(f"| `{row.method}` | {rest} | {row.security.removeprefix('NONE')} | {weight} | {asked} |")
    head = ["| method | REST, after `/binance/api/v3` | needs | weight | parameters |", "|---|---|---|---|---|"]
    return {"operations": "\n".join([*head, *rows])}


def of_coinapi() -> dict[str, str]:
    """The same of the page about CoinAPI."""
    return {"update limits": f"{', '.join(f'{interval:,}' for interval in INTERVALS_MS)} ms"}


PAGES: dict[Path, Callable[[], dict[str, str]]] = {
    HERE / "protocol.md": of_the_protocol,
    HERE / "howto" / "observe.md": of_observation,
    HERE / "reference" / "rest.md": of_rest,
    HERE / "reference" / "binance.md": of_binance,
    HERE / "reference" / "coinapi.md": of_coinapi,
}
DOCUMENTS: dict[Path, Callable[[], dict[str, Any]]] = {
    HERE / "reference" / "openapi.json": openapi,
    HERE / "reference" / "asyncapi.json": asyncapi,
}
"""Those that are generated whole."""


def filled(page: Path) -> str:
    """A page with its generated parts made anew."""
    text = page.read_text()
    for name, table in PAGES[page]().items():
        pattern = rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)"
        text, found = re.subn(pattern, lambda m, table=table: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL)
        if found != 1:
            raise SystemExit(f"{page.name} has {found} places for {name!r}, expected one")
    return text


def written(document: dict[str, Any]) -> str:
    """A document as its file has it."""
    return json.dumps(document, indent=1) + "\n"


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page))
    for path, document in DOCUMENTS.items():
        path.write_text(written(document()))
