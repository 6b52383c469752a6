"""The venue's own client, binance-sdk-spot, for `test_binance_sdk_spot.py`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.spot import Spot

from clients.lines import Watching, run


class Warnings(logging.Handler):
    """Keeps what the client complains of: above all, answers that are not of the types that its models name."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(self.format(record))


def plain(answer: Any) -> Any:
    """A model as the dict that it was made from."""
    if isinstance(answer, list):
        return [plain(item) for item in answer]
    if getattr(answer, "actual_instance", None) is not None:
        return plain(answer.actual_instance)
    return answer.to_dict() if hasattr(answer, "to_dict") else answer


class Sdk(Watching):
    """Does what the methods of the three parts of the client do, named as there."""

    def __init__(self, spot: Spot, api: Any, streams: Any, warnings: Warnings) -> None:
        super().__init__()
        self._spot = spot
        self._api = api
        self._streams = streams
        self._warnings = warnings

    async def rest(self, method: str, **arguments: Any) -> Any:
        """The data that a method of the REST part gives."""
        return plain((await asyncio.to_thread(getattr(self._spot.rest_api, method), **arguments)).data())

    async def api(self, method: str, **arguments: Any) -> Any:
        """The data that a method of the WebSocket API gives."""
        return plain((await getattr(self._api, method)(**arguments)).data())

    async def watch(self, method: str, **arguments: Any) -> None:
        """Note all that a stream gives from now on, by its name."""
        stream = await getattr(self._streams, method)(**arguments)
        stream.on("message", lambda message: self.note(method, plain(message)))

    async def watch_account(self, method: str) -> None:
        """Note the account's events from now on; `method` names the way to subscribe."""
        answer = await getattr(self._api, method)()
        answer.stream.on("message", lambda event: self.note("account", {"e": type_of(event), **plain(event)}))

    async def warnings(self) -> list[str]:
        """What the client has complained of."""
        return self._warnings.lines


def type_of(event: Any) -> str:
    """The name of the model of an account's event, which leaves out the field `e`."""
    return type(event.actual_instance).__name__


@asynccontextmanager
async def client(http: str, ws: str, key: str, secret: str = "", private_key: str = "") -> AsyncIterator[Sdk]:
    """All three parts, connected; a key has either a secret or a private key in PEM."""
    warnings = Warnings()
    logging.getLogger().addHandler(warnings)
    proof = {"api_key": key, "api_secret": secret or None, "private_key": private_key or None}
    spot = Spot(
        config_rest_api=ConfigurationRestAPI(base_path=http, **proof),
        config_ws_api=ConfigurationWebSocketAPI(stream_url=f"{ws}/ws-api/v3", **proof),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=f"{ws}/stream"),
    )
    api = await spot.websocket_api.create_connection()
    streams = await spot.websocket_streams.create_connection()
    try:
        yield Sdk(spot, api, streams, warnings)
    finally:
        await api.close_connection()
        await streams.close_connection()


run(client)
