"""The wiring of a server: tape, market, hub, pipeline, gateway, feeds, HTTP, on one port."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from starlette.middleware.cors import CORSMiddleware

from tickwire.clock import NowNs, wall_clock_ns
from tickwire.config import SIMULATED, FeedSpec, ServerSettings
from tickwire.errors import ConfigError, TapeError, WriterFailed
from tickwire.feeds.base import Feed
from tickwire.feeds.recorded import RecordedFeed
from tickwire.feeds.runner import FeedRunner
from tickwire.feeds.simulated import SimulatedFeed, play_money
from tickwire.limits import DRAIN_ACCEPT_SECONDS, RESUME_EVENTS_MAX, TLS_HANDSHAKE_SECONDS_MAX
from tickwire.market.market import Market
from tickwire.meters import Meters
from tickwire.model.events import Event
from tickwire.model.records import FeedStatus, Record, SessionEnded
from tickwire.observe.metrics import Metrics, Observed
from tickwire.observe.watchdog import Watchdog
from tickwire.protocol.codec import ENCODINGS, NativeCodec
from tickwire.protocol.deflate import WIRE_ENCODINGS
from tickwire.protocol.render import Renderer
from tickwire.server.asyncapi import asyncapi
from tickwire.server.auth import Authenticator
from tickwire.server.dialects import dialect_routes
from tickwire.server.drain import drain
from tickwire.server.front import Front
from tickwire.server.gateway import Gateway
from tickwire.server.http import document_route, http_app, metrics_route
from tickwire.server.keys import KeyStore
from tickwire.server.notify import notify
from tickwire.server.openapi import openapi
from tickwire.server.pipeline import Pipeline, restore
from tickwire.server.rest import rest_routes
from tickwire.server.socket import Connection
from tickwire.server.tls import Certificate
from tickwire.streams.hub import Hub
from tickwire.streams.log import Retention
from tickwire.tape.base import Tape
from tickwire.tape.candles import CandleStore
from tickwire.tape.sqlite import open_tape

log = logging.getLogger(__name__)

STOP_SECONDS_MAX = 10
WATCH_SECONDS = 0.2
"""How long a revoked key's open sockets can outlive it, and an old certificate a new one."""
BACKLOG = 2_048
"""Connections that the kernel has accepted and this process not yet."""
KEYS_FILE = "keys.db"
CANDLES_FILE = "candles.db"


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
            recent: deque[Event] = deque(maxlen=RESUME_EVENTS_MAX)
            self._certificate = (
                Certificate(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None
            )
            folder = None if durability == "none" else settings.data_dir
            self.history = undo.enter_context(contextlib.closing(CandleStore(folder and folder / CANDLES_FILE)))
            """Closed candles."""
            self.market: Market = restore(self.tape, recent, self.history)
            self._feeds = [self._feed(spec) for spec in settings.feeds]
            undo.pop_all()
        self._renderer = renderer = Renderer(lambda symbol: self.market.listing(symbol).instrument)
        encodings = WIRE_ENCODINGS if settings.deflate else ENCODINGS
        codecs = {name: NativeCodec(encoding, renderer) for name, encoding in encodings.items()}
        self.meters = Meters()
        """What it counts."""
        self._watchdog = Watchdog(self.meters)
        self.hub = Hub(self.market, codecs, Retention(settings.retained_bytes_max), self.meters)
        if self.tape.last_seq:
            self.hub.remember(recent, now())
        built_in = any(spec.kind == SIMULATED for spec in settings.feeds)
        self._gateway = Gateway(
            market=self.market,
            hub=self.hub,
            renderer=renderer,
            authenticator=Authenticator(self.keys, now, demo=built_in and not settings.require_key),
            epoch=self.tape.epoch,
            now=now,
            settings=settings,
            welcome=play_money if built_in else lambda _: [],
            history=self.history,
            meters=self.meters,
        )

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
        return f"{'ws' if self._certificate is None else 'wss'}://{f'[{host}]' if ':' in host else host}:{self.port}/ws"

    async def serve(self) -> None:
        """Run until SIGINT or SIGTERM, then drain and stop; a second one stops at once.

        Raises:
            TickwireError: the pipeline failed.
        """
        told_to_stop, hurry = asyncio.Event(), asyncio.Event()

        def stop() -> None:
            (hurry if told_to_stop.is_set() else told_to_stop).set()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        async with self._parts() as (web, pipeline), self._serving(web, pipeline, hurry) as serving:
            for end in (pipeline.failed, serving):
                end.add_done_callback(lambda _: told_to_stop.set())
            notify("READY=1")
            await told_to_stop.wait()
            notify("STOPPING=1")
        if pipeline.failed.done():
            pipeline.failed.result()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        """Serve inside a running program; the server drains and has stopped when the block ends."""
        async with self._parts() as (web, pipeline), self._serving(web, pipeline, asyncio.Event()):
            yield self

    @contextlib.asynccontextmanager
    async def _serving(
        self, web: _Web, pipeline: Pipeline, hurry: asyncio.Event
    ) -> AsyncIterator[asyncio.Future[None]]:
        """The port is served while the block runs; then the sessions are drained. Yields the end of the serving."""
        serving = asyncio.ensure_future(web.serve(sockets=[self._socket]))
        serving.add_done_callback(lambda _: web.listening.set())  # or a start that fails would be waited for
        await web.listening.wait()
        if serving.done():
            await serving
        pipeline.failed.add_done_callback(lambda _: hurry.set())
        try:
            yield serving
        finally:
            await self._drain(web, pipeline, hurry)
            web.should_exit = True
            hurried = asyncio.ensure_future(hurry.wait())
            await asyncio.wait((serving, hurried), return_when=asyncio.FIRST_COMPLETED)
            web.force_exit = hurry.is_set()  # wait for no HTTP request
            hurried.cancel()
            await serving

    async def _drain(self, web: _Web, pipeline: Pipeline, hurry: asyncio.Event) -> None:
        """Close every session in its turn, the port soon after the first."""
        seconds = self.settings.drain_seconds
        self._gateway.draining = True
        if self.connections:
            log.info("closing %d sessions over %g s; a second signal stops at once", len(self.connections), seconds)
        closing = asyncio.get_running_loop().call_later(DRAIN_ACCEPT_SECONDS, web.stop_listening)
        try:
            await drain(self.connections, seconds=seconds, now=self._now, settled=lambda: pipeline.put([]), hurry=hurry)
        finally:
            closing.cancel()
            web.stop_listening()

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
            history=self.history,
            meters=self.meters,
        )
        gone: list[Record] = [
            FeedStatus(name, "down", "not running")
            for name in self.market.feeds
            if name not in {feed.name for feed in self._feeds}
        ]
        ended: list[Record] = [SessionEnded(session) for session in self.market.guarded_sessions]
        self._gateway.submit = pipeline.submit
        tasks = [asyncio.ensure_future(pipeline.run_clock()), asyncio.ensure_future(self._watch_files())]
        tasks.append(asyncio.ensure_future(self._watchdog.run()))
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
                    meters=self.meters,
                )
                tasks.append(asyncio.ensure_future(runner.run()))
            for task in tasks:
                task.add_done_callback(_say_if_failed)
            yield self._web(pipeline), pipeline
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.ExitStack() as closing:
                closing.callback(self._socket.close)
                closing.callback(self.keys.close)
                closing.callback(self.history.close)
                closing.callback(self.tape.close)
                try:
                    with contextlib.suppress(WriterFailed):  # which it says itself
                        await pipeline.put([])  # what the last sessions and feeds have left
                        pipeline.save_snapshot()
                except TapeError as error:
                    log.error("no last snapshot, the next start reads more of the tape: %s", error)

    async def _watch_files(self) -> None:
        """Close the sockets of keys that are revoked, also by another process, and take a new certificate."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                self._gateway.close_revoked()
                if self._certificate is not None:
                    self._certificate.refresh()
            except Exception:
                log.exception("keys or certificate can't be looked at; that is tried again")

    def _web(self, pipeline: Pipeline) -> _Web:
        def connection(*, config: Any, server_state: Any, app_state: Any) -> Connection:
            return Connection(self._gateway, server_state.connections)

        def front(**given: Any) -> Front:
            return Front(self._gateway, **given)

        metrics = Metrics(
            Observed(
                meters=self.meters,
                market=self.market,
                tape=self.tape,
                now=self._now,
                clients=lambda: self.connections,
                unready=self._unready,
                pending_records=lambda: pipeline.records_pending,
            )
        )
        app = http_app(
            self.market,
            self._unready,
            lambda: self._failing(pipeline),
            self._gateway.callers.may_have_page,
            [
                document_route("/openapi.json", openapi),
                document_route("/asyncapi.json", asyncapi),
                *rest_routes(self._gateway.services, self._gateway.identify, self._gateway.allow_address),
                *dialect_routes(self._gateway.dialects, self._gateway.services, self._gateway.recognise),
                metrics_route(metrics, self.settings.metrics_allow, self._gateway.callers.is_own),
            ],
        )
        if self.settings.origins:
            app.add_middleware(
                CORSMiddleware,
                allow_origins=self.settings.origins,
                allow_methods=("GET", "POST", "PATCH", "DELETE"),
                allow_headers=("Authorization", "Content-Type"),
            )
        config = uvicorn.Config(
            app,
            http=front,  # type: ignore[arg-type]
            ws=connection,  # type: ignore[arg-type]
            proxy_headers=False,  # uvicorn would believe every local process; the front sees to them
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS_MAX,
        )
        return _Web(config, self._certificate)

    def _unready(self) -> str:
        """Why it is not ready for clients; "" when it is."""
        return "draining" if self._gateway.draining else ""

    def _failing(self, pipeline: Pipeline) -> str:
        """Why the process had better be started anew; "" while it works."""
        if pipeline.failed.done():
            return "the writer has failed; the log says why"
        return "" if self._watchdog.responsive else "the event loop is held up; the log says by what"

    def _feed(self, spec: FeedSpec) -> Feed:
        if spec.kind == SIMULATED:
            # another seed after a restart, or the agents would repeat what they did after the first start
            return SimulatedFeed(self.market, seed=self.settings.seed + self.tape.last_seq)
        same = [other for other in self.settings.feeds if other.format == spec.format]
        name = f"recorded:{spec.format}" + (f":{spec.path.name}" if len(same) > 1 else "")
        return RecordedFeed(spec.format, spec.path, name=name)


class _Web(uvicorn.Server):
    """uvicorn, which says when it listens, takes our certificate and leaves signals alone."""

    def __init__(self, config: uvicorn.Config, certificate: Certificate | None) -> None:
        super().__init__(config)
        self._certificate = certificate
        self.listening = asyncio.Event()
        self.servers = []

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the caller's: uvicorn would raise them again, and so end the process before it has cleaned up."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen: as uvicorn does, which leaves a TLS handshake a minute's time."""
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if self._certificate is not None:
            tls = {"ssl": self._certificate.context, "ssl_handshake_timeout": TLS_HANDSHAKE_SECONDS_MAX}

        def front() -> asyncio.Protocol:
            state = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
            return self.config.http_protocol_class(**state)

        await self.lifespan.startup()
        for each in sockets or ():
            self.servers.append(await loop.create_server(front, sock=each, backlog=BACKLOG, **tls))
        self.started = True
        self.listening.set()

    def stop_listening(self) -> None:
        """Accept nothing more; what is open goes on. Twice is no error."""
        for server in self.servers:
            server.close()


def _say_if_failed(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a task of the server has failed: %s", error, exc_info=error)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(f"can't listen on {host}:{port}: {error.strerror}; choose another with --port") from error
    # what is accepted inherits it; asyncio's own loop would not set it, and an answer would wait 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
