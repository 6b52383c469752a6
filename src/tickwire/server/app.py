"""The wiring of a server: tape, market, hub, pipeline, gateway, feeds, HTTP, on one port."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

from tickwire.clock import NowNs, wall_clock_ns
from tickwire.config import SIMULATED, FeedSpec, ServerSettings
from tickwire.errors import ConfigError
from tickwire.feeds.base import Feed
from tickwire.feeds.recorded import RecordedFeed
from tickwire.feeds.runner import FeedRunner
from tickwire.feeds.simulated import SimulatedFeed, play_money
from tickwire.market.market import Market
from tickwire.model.records import FeedStatus, Record, SessionEnded
from tickwire.protocol.codec import ENCODINGS, JSON, NativeCodec
from tickwire.protocol.orders import Desk
from tickwire.protocol.render import Renderer
from tickwire.server.auth import Authenticator
from tickwire.server.gateway import Gateway
from tickwire.server.http import http_app
from tickwire.server.keys import KeyStore
from tickwire.server.pipeline import Pipeline, restore
from tickwire.server.rest import rest_routes
from tickwire.server.socket import Connection
from tickwire.streams.hub import Hub
from tickwire.streams.log import Retention
from tickwire.tape.base import Tape
from tickwire.tape.sqlite import open_tape

log = logging.getLogger(__name__)

STOP_SECONDS_MAX = 10
KEYS_WATCH_SECONDS = 0.2
"""How long a revoked key's open sockets can outlive it."""
KEYS_FILE = "keys.db"


class Server:
    """A tickwire server, from its tape to its port.

        server = Server(ServerSettings(port=0))
        async with server.running():
            print(server.url)

    `running` is for embedding and tests; `serve` runs until the process is told to stop.

    Raises:
        ConfigError: the port is taken, a feed's path does not exist, and the like.
        TapeError: the data folder can't be used.
    """

    def __init__(self, settings: ServerSettings, *, now: NowNs = wall_clock_ns) -> None:
        self.settings = settings
        self._now = now
        with contextlib.ExitStack() as undo:  # of what is open already when a later step fails
            self._socket = undo.enter_context(_listen(settings.host, settings.port))
            durability = settings.durability or ("process" if settings.data_dir else "none")
            self.tape: Tape = undo.enter_context(contextlib.closing(open_tape(settings.data_dir, durability)))
            if self.tape.repaired:
                log.warning("the tape was repaired: %s", self.tape.repaired)
            self.keys = undo.enter_context(
                contextlib.closing(KeyStore(settings.data_dir / KEYS_FILE if settings.data_dir else None))
            )
            """The keys that clients log in with."""
            self.market: Market = restore(self.tape)
            self._feeds = [self._feed(spec) for spec in settings.feeds]
            undo.pop_all()
        self._renderer = renderer = Renderer(lambda symbol: self.market.listing(symbol).instrument)
        codecs = {name: NativeCodec(encoding, renderer) for name, encoding in ENCODINGS.items()}
        self.hub = Hub(self.market, codecs, Retention(settings.retained_bytes_max))
        built_in = any(spec.kind == SIMULATED for spec in settings.feeds)
        self._gateway = Gateway(
            market=self.market,
            hub=self.hub,
            renderer=renderer,
            authenticator=Authenticator(self.keys, now),
            epoch=self.tape.epoch,
            now=now,
            settings=settings,
            welcome=play_money if built_in else lambda _: [],
        )
        self._ready = False

    @property
    def connections(self) -> set[Connection]:
        """The open connections."""
        return self._gateway.connections

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Where clients connect."""
        host = self.settings.host
        return f"ws://{f'[{host}]' if ':' in host else host}:{self.port}/ws"

    async def serve(self) -> None:
        """Run until SIGINT or SIGTERM, then stop in order.

        Raises:
            TickwireError: the pipeline failed.
        """
        told_to_stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
        async with self._parts() as (web, pipeline), self._serving(web):
            pipeline.failed.add_done_callback(lambda _: told_to_stop.set())
            await told_to_stop.wait()
        if pipeline.failed.done():
            pipeline.failed.result()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        """Serve inside a running program; the server has stopped when the block ends."""
        async with self._parts() as (web, _), self._serving(web):
            yield self

    @contextlib.asynccontextmanager
    async def _serving(self, web: _Web) -> AsyncIterator[None]:
        """The port is served while the block runs."""
        serving = asyncio.ensure_future(web.serve(sockets=[self._socket]))
        serving.add_done_callback(lambda _: web.listening.set())  # or a start that fails would be waited for
        await web.listening.wait()
        try:
            yield
        finally:
            web.should_exit = True
            await serving

    @contextlib.asynccontextmanager
    async def _parts(self) -> AsyncIterator[tuple[_Web, Pipeline]]:
        """Everything that runs, started and, in the reverse order, stopped."""
        settings = self.settings
        pipeline = Pipeline(
            self.tape,
            self.market,
            self.hub,
            now=self._now,
            tape_bytes_max=settings.tape_bytes_max,
            tape_hours_max=settings.tape_hours_max,
            snapshot_every=settings.snapshot_every,
        )
        gone: list[Record] = [
            FeedStatus(name, "down", "not running")
            for name in self.market.feeds
            if name not in {feed.name for feed in self._feeds}
        ]
        ended: list[Record] = [SessionEnded(session) for session in self.market.guarded_sessions]
        self._gateway.submit = pipeline.submit
        tasks = [asyncio.ensure_future(pipeline.run_clock()), asyncio.ensure_future(self._watch_keys())]
        try:
            if gone or ended:
                await pipeline.put(gone + ended)
            for spec, feed in zip(settings.feeds, self._feeds, strict=True):
                simulated = spec.kind == SIMULATED
                runner = FeedRunner(
                    feed,
                    pipeline,
                    now=self._now,
                    speed=1.0 if simulated else settings.speed,
                    repeat=settings.loop,
                    start=self._gateway.first_subscriber if settings.wait_for_subscriber and not simulated else None,
                )
                tasks.append(asyncio.ensure_future(runner.run()))
            for task in tasks:
                task.add_done_callback(_say_if_failed)
            yield self._web(pipeline), pipeline
        finally:
            self._ready = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if not pipeline.failed.done():
                pipeline.save_snapshot()
            self.tape.close()
            self.keys.close()
            self._socket.close()

    async def _watch_keys(self) -> None:
        """Close the sockets of keys that are revoked, also by another process."""
        while True:
            await asyncio.sleep(KEYS_WATCH_SECONDS)
            self._gateway.close_revoked()

    def _web(self, pipeline: Pipeline) -> _Web:
        def connection(*, config: Any, server_state: Any, app_state: Any) -> Connection:
            return Connection(self._gateway, server_state.connections)

        desk = Desk(market=self.market, renderer=self._renderer, submit=pipeline.submit, encoding=JSON, now=self._now)
        self._ready = True
        config = uvicorn.Config(
            http_app(self.market, lambda: self._ready, rest_routes(desk, self._gateway.identify, self._gateway.allow)),
            ws=connection,  # type: ignore[arg-type]
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS_MAX,
        )
        return _Web(config)

    def _feed(self, spec: FeedSpec) -> Feed:
        if spec.kind == SIMULATED:
            # another seed after a restart, or the agents would repeat what they did after the first start
            return SimulatedFeed(self.market, seed=self.settings.seed + self.tape.last_seq)
        same = [other for other in self.settings.feeds if other.format == spec.format]
        name = f"recorded:{spec.format}" + (f":{spec.path.name}" if len(same) > 1 else "")
        return RecordedFeed(spec.format, spec.path, name=name)


class _Web(uvicorn.Server):
    """uvicorn, which says when it listens and leaves signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the caller's: uvicorn would raise them again, and so end the process before it has cleaned up."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.listening.set()


def _say_if_failed(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a task of the server has failed: %s", error, exc_info=error)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(f"can't listen on {host}:{port}: {error.strerror}; choose another with --port") from error
