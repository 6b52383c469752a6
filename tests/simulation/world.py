"""One run: a seed decides the weather, what the clients do, and when the server dies. Then all must come right.

storm: work, faults and restarts ─► calm: only good connections ─► settled: all have caught up ─► every promise checked
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple
from unittest import mock

from simulation.checker import Record, Violation, Witness
from simulation.clients import Follower, Trader, Watcher
from simulation.loop import VirtualLoop
from simulation.network import Network
from simulation.server import ACCOUNTS, STEPS, CrashTape, Fuse, Keys, SimulatedServer, Venue
from simulation.trace import Trace
from simulation.verdict import check_end, unsettled

STORM_SECONDS = 1.5
CRASH_SECONDS_MAX = 0.5
SETTLE_SECONDS_MAX = 45.0
BOUNDS: dict[str, tuple[int, ...]] = {
    "tickwire.client.queue.QUEUE_MAX": (32,),
    "tickwire.protocol.session.HEARTBEAT_MS": (1_000,),
    "tickwire.server.app.RESUME_EVENTS_MAX": (10, 50_000),
    "tickwire.server.pipeline.BATCH_RECORDS_MAX": (3, 2_000),
    "tickwire.server.pipeline.CLOCK_INTERVAL_MS": (250,),
    "tickwire.server.pipeline.RESUME_SECONDS": (1, 60),
    "tickwire.server.pipeline.RETAIN_EVERY_TRANSACTIONS": (10,),
    "tickwire.server.socket.SEND_BUFFER_MAX_BYTES": (16_384, 65_536),
    "tickwire.streams.hub.CATCH_UP_BYTES_MAX": (500, 262_144),
    "tickwire.streams.hub.IDLE_LOGS_MAX": (5, 4_096),
    "tickwire.streams.hub.RESUME_SECONDS": (1, 60),
}
"""Bounds that a small run meets, where it draws the first of two."""


class Report(NamedTuple):
    """How a run went.

    Attributes:
        problem: what is wrong, "" when nothing is.
        trace: its end, in words. digest: of every byte that arrived, and when.
        counts: what it has met.
    """

    seed: int
    problem: str
    trace: list[str]
    digest: str
    counts: dict[str, int]

    def __str__(self) -> str:
        return "\n".join(
            [f"seed {self.seed}: {self.problem}", *self.trace, f"again with: make simulate SEED={self.seed}"]
        )


class World:
    """Everything of one run."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.loop = loop
        self.rng = rng = Random(seed)
        self.trace = Trace(loop)
        self.network = Network(loop, Random(rng.random()), self.trace)
        self.fuse = Fuse(self._kill)
        self.network.at = self.fuse
        self.tape = CrashTape(f"epoch{seed}", self.fuse)
        self.keys = Keys(None)
        self.record = Record(self.trace, self.tape.epoch, lambda *name: name in self.tape.placed)
        self.problem = ""
        self.calm = False
        self.server: SimulatedServer
        self.serving: asyncio.Task[None]
        self.clients: list[Trader | Watcher | Follower] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._settings = {
            "deflate": rng.random() < 0.5,
            "drain_seconds": rng.choice((0.0, 0.3)),
            "snapshot_every": rng.choice((20, 200, 10_000)),
            "tape_bytes_max": rng.choice((5_000, 10**9)),
            "retained_bytes_max": rng.choice((3_000, 30_000, 10**8)),
            "requests_per_second": 1_000,
        }
        self._interval_ms = rng.choice((40, 100, 300))

    def fail(self, problem: str) -> None:
        """A promise is broken: nothing that happens later matters."""
        if not self.problem:
            self.problem = problem
        self.loop.stop()

    # ---- the run ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """From the first start of the server to the verdict."""
        self._start()
        self._clients()
        await self._storm()
        await self._calm()
        for client in self.clients:
            await client.close()
        self.server.stop()
        await self.serving

    def _start(self) -> None:
        feed = Venue(Random(self.rng.random()), self._interval_ms, lambda: self.calm)
        self.trace.note("server", "starts")
        self.server = SimulatedServer(self.network, self.tape, self.keys, feed, self.trace.now, **self._settings)
        self.serving = self.server.start(self.loop)

    def _clients(self) -> None:
        rng, scopes = self.rng, ("read", "trade")
        keys = {name: self.keys.create(name, scopes=scopes, kind="hmac")[1] for name in ACCOUNTS}
        alice, bob, carol = (keys[name] for name in ACCOUNTS)
        cast: list[tuple[type[Any], str, Any]] = [
            (Trader, "alice", alice), (Trader, "bob", bob), (Follower, "carol", carol), (Watcher, "", None),
            (Watcher, "", None), (Follower, "bob", bob),
        ]  # fmt: skip
        for number, (kind, account, key) in enumerate(cast):
            encoding = rng.choice(("json", "msgpack"))
            witness = Witness(f"{account or 'watcher'}{number}", account, encoding, self.record, self.fail)
            arguments = [self.network, witness, Random(rng.random()), encoding]
            self.clients.append(kind(*arguments, *([key] if key is not None else [])))

    # ---- storm -----------------------------------------------------------------------------------

    async def _storm(self) -> None:
        rng, end = self.rng, self.loop.time() + STORM_SECONDS
        pause = rng.choice((0.05, 0.12, 0.4))
        while (left := end - self.loop.time()) > 0:
            await asyncio.sleep(min(left, rng.expovariate(1 / pause)))
            what = rng.random()
            links = self.network.open_links()
            if what < 0.12:
                await self._crash()
            elif what < 0.2:
                await self._restart()
            elif links:
                link = rng.choice(links)
                self.trace.note(link.name, f"fault {what:.2f}")
                if what < 0.5:
                    link.stall(rng.expovariate(1.0), up=rng.random() < 0.5, down=rng.random() < 0.8)
                elif what < 0.8:
                    link.cut()
                elif what < 0.9:
                    link.partition()

    async def _crash(self) -> None:
        """Kill the server at a step, or if that does not come, at any moment; and start it again."""
        self._arm()
        if not await self._gone(self.loop.time() + CRASH_SECONDS_MAX):
            self.fuse.step = "at any moment"
            self._kill()
        await self._start_again()

    async def _restart(self) -> None:
        """A planned stop, which may become a crash; and a new start."""
        self.trace.note("server", "told to stop")
        self.record.count("restarts")
        if self.rng.random() < 0.3:
            self._arm()
        self.server.stop()
        await self._gone()
        if self.server.process.alive:
            self.server.died()
        await self._start_again()

    def _arm(self) -> None:
        self.fuse.step = self.rng.choice(list(STEPS))
        self.fuse.left = self.rng.randint(1, STEPS[self.fuse.step])

    async def _gone(self, end: float = math.inf) -> bool:
        """Wait until the server has stopped, or is dead."""
        process = self.server.process
        while process.alive and not self.serving.done() and self.loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        if process.alive and self.serving.done():
            self.serving.result()
        return self.serving.done() or not process.alive

    async def _start_again(self) -> None:
        self.fuse.left = 0
        await asyncio.sleep(self.rng.expovariate(3.0))
        self._start()

    def _kill(self) -> None:
        self.trace.note("server", f"killed: {self.fuse.step}")
        self.record.count(f"killed {self.fuse.step}")
        self.fuse.left = 0
        self._keep_tasks()
        self.server.died()

    # ---- calm ------------------------------------------------------------------------------------

    async def _calm(self) -> None:
        self.trace.note("network", "calm")
        self.fuse.left = 0
        self.calm = True
        for client in self.clients:
            client.working = False
        end = self.loop.time() + SETTLE_SECONDS_MAX
        while problem := unsettled(self.server, self.clients):
            if self.serving.done():
                self.serving.result()
            if self.loop.time() > end:
                return self.fail(f"not settled after {SETTLE_SECONDS_MAX} s: {problem}")
            await asyncio.sleep(0.25)
        try:
            check_end(self.server, self.clients, self.tape, self.record)
        except (Violation, AssertionError) as error:
            self.fail(repr(error))
        return None

    def abandon(self) -> None:
        """End what still hangs: the tasks of killed servers, and all of them after a failure."""
        self.fuse.left = 0
        self._keep_tasks()
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine: Any = task.get_coro()
            for _ in range(10):  # what waits in a `finally` has to be told again
                with contextlib.suppress(BaseException):
                    coroutine.close()
                    break
        self.loop.close()
        self.keys.discard()

    def _keep_tasks(self) -> None:
        """A killed server's tasks would be finalised, as no kill does, if nobody held them."""
        self._tasks |= asyncio.all_tasks(self.loop)


def run(seed: int) -> Report:
    """Run a seed."""
    loop = VirtualLoop()
    with _deterministic(loop, seed), _logged() as logged:
        world = World(loop, seed)
        main = loop.create_task(world.run())
        try:
            loop.run_until_complete(main)
        except RuntimeError:  # the loop was stopped
            if not world.problem and not loop.errors:
                raise
        except Exception as error:
            world.fail(f"{error!r}")
        finally:
            asyncio.set_event_loop(None)
        problem = world.problem
        if not problem and loop.errors:
            problem = f"{loop.errors[0]['message']}: {loop.errors[0].get('exception')!r}"
        if not problem and logged:
            problem = f"logged: {logged[0]}"
        world.abandon()
    return Report(seed, problem, world.trace.lines() if problem else [], world.trace.digest, world.record.counts)


@contextlib.contextmanager
def _deterministic(loop: VirtualLoop, seed: int) -> Iterator[None]:
    """Time, and what should be secret, come from the run; bounds are small."""
    rng = Random(f"secret {seed}")
    with contextlib.ExitStack() as stack:
        patch: Callable[..., Any] = lambda name, value: stack.enter_context(mock.patch(name, value))  # noqa: E731
        patch("secrets.token_hex", lambda size: rng.randbytes(size).hex())
        patch("secrets.token_bytes", rng.randbytes)
        patch("secrets.token_urlsafe", lambda size: rng.randbytes(size).hex())
        patch("tickwire.client.connection.monotonic_ns", loop.time_ns)
        patch("email.utils.formatdate", lambda **_: "today")
        for name, values in BOUNDS.items():
            patch(name, rng.choice(values))
        yield


class _Errors(logging.Handler):
    """Keeps what the code under test logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextlib.contextmanager
def _logged() -> Iterator[list[str]]:
    handler, logger = _Errors(), logging.getLogger("tickwire")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
