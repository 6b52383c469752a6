"""How many messages a second does one server core deliver when every client reads the same stream?

                            core 0                             core 1
                 ┌───────────────────────┐   TCP    ┌─────────────────────────┐
    producer ───►│ server: tickwire, or  ├─────────►│ load generator: 200 or  │
    125 bytes    │ websockets.broadcast, ├─────────►│ 2,000 clients, each of  ├──► memcmp with the
    a message    │ or socketify          ├─────────►│ which checks every byte │    one right stream
                 └───────────────────────┘  127.0.0.1 ───────────────────────┘

Each server runs in a process of its own and is stopped before the next one starts. Its producer hands out messages
in turns of the event loop, 256 a turn for everyone, each message through the server's own way to send to all;
after a turn it waits for clients with much unsent, so that no contestant is asked to drop or to hoard. Rounds
interleave the contestants; what is printed is the median. A client that gets anything but every message once and
in order makes the run fail with exit code 1.

    python benchmarks/fanout.py [--clients 200 2000] [--messages N] [--rounds 3] [--json FILE] [--smoke]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SUBSCRIBE = '{"id":1,"method":"subscribe","params":{"channel":"trades","symbols":["SIM:BTC-USDT"]}}'


class Contestant(NamedTuple):
    """A server.

    Args:
        module: what to run.
        weight: how many times more messages it gets, being faster, so that all runs take about as long.
        load: what the load generator must know: the request to subscribe with, and how many frames come first.
    """

    module: str
    weight: int
    load: tuple[str, ...] = ()


CONTESTANTS = {
    # hello, the reply and the snapshot come before the stream
    "tickwire": Contestant("benchmarks.fanout_tickwire", 40, ("--request", SUBSCRIBE, "--greetings", "3")),
    "websockets": Contestant("benchmarks.fanout_peers", 1),
    "socketify": Contestant("benchmarks.fanout_peers", 12),
}


class Failed(Exception):
    """A run came to no result, or to a wrong one."""


class Run(NamedTuple):
    """One server's run.

    Args:
        messages_per_s: delivered, over all clients.
        server, generator: shares of their cores that they used.
        waited: share of the time in which the producer waited for a client. Near 0: no client held the server up.
    """

    messages_per_s: float
    server: float
    generator: float
    waited: float


def measure(name: str, contestant: Contestant, clients: int, messages: int, turn: int, lose: int) -> Run:
    """Let a contestant send `messages` messages to each of `clients` clients.

    Raises:
        Failed: a client did not get exactly these messages.
    """
    serve = (name, "--messages", messages, "--turn", turn, "--lose", lose)
    with started(contestant.module, *serve) as server:
        try:
            port = said(server)["port"]
            load = ("--port", port, "--clients", clients, "--messages", messages, *contestant.load)
            with started("benchmarks.fanout_load", *load) as generator:
                said(generator)
                tell(server, "start")
                received = said(generator)
            tell(server, "report")
            report = said(server)
        except Failed as failure:
            server.kill()
            raise Failed(f"{name}, {clients} clients: {failure}") from None
        tell(server, "stop")
    seconds = received["seconds"]
    return Run(
        messages_per_s=clients * messages / seconds,
        server=min(1.0, report["cpu_seconds"] / seconds),
        generator=received["cpu_seconds"] / seconds,
        waited=report["waited_seconds"] / seconds,
    )


def started(module: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs a module of this project. It ends when its stdin is closed."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next thing that a process has to say.

    Raises:
        Failed: it has ended, or says so.
    """
    assert process.stdout is not None
    said: dict[str, Any] = json.loads(process.stdout.readline() or '{"error": "the process has ended"}')
    if "error" in said:
        raise Failed(said["error"])
    return said


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Give a process the sign that it waits for; what the line says is for the reader only."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def configuration(turn: int, rounds: int) -> dict[str, Any]:
    """What the numbers depend on."""
    names = ("tickwire", "websockets", "socketify", "uvicorn", "uvloop")
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "processor": processor[1] if processor else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "payload_bytes": 125,
        "messages_per_turn": turn,
        "rounds": rounds,
    }


def show(clients: int, medians: dict[str, Run]) -> None:
    """Print what came of one number of clients."""
    columns = ("delivered msg/s", "tickwire is", "server core", "generator core", "waited")
    print(f"\n{f'{clients:,} clients':<14}" + "".join(f"{column:>16}" for column in columns))
    for name, run in medians.items():
        ratio = f"{medians.get('tickwire', run).messages_per_s / run.messages_per_s:.1f}x"
        cells = (f"{run.messages_per_s:,.0f}", ratio, f"{run.server:.0%}", f"{run.generator:.0%}", f"{run.waited:.0%}")
        print(f"  {name:<12}" + "".join(f"{cell:>16}" for cell in cells))


def main(argv: list[str]) -> int:
    """Run everything, print the tables, and return 1 if a client did not get what it had to."""
    parser = argparse.ArgumentParser(description="messages delivered per second when all clients read one stream")
    parser.add_argument("--clients", type=int, nargs="+", default=[200, 2000], metavar="N")
    parser.add_argument(
        "--messages",
        type=int,
        default=1_000_000,
        metavar="N",
        help="messages that the slowest contestant delivers in a run, over all clients; the others deliver "
        "as many times more as they are usually faster (%(default)s)",
    )
    parser.add_argument("--turn", type=int, default=256, metavar="N", help="messages per turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument(
        "--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), help="leave out the others"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    parser.add_argument("--smoke", action="store_true", help="a few clients and messages: only the checks count")
    parser.add_argument("--lose", type=int, default=-1, metavar="N", help="leave message N out, to see the check fail")
    given = parser.parse_args(argv)
    if given.smoke:
        given.clients, given.messages, given.rounds = [5], 1_000, 1
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    settings = configuration(given.turn, given.rounds)
    runs_by_clients: dict[int, dict[str, list[dict[str, float]]]] = {}
    print("\n".join(f"{name}: {value}" for name, value in settings.items()))
    for clients in given.clients:
        runs: dict[str, list[Run]] = {name: [] for name in given.only}
        for _ in range(given.rounds):
            for name in given.only:
                messages = given.messages * CONTESTANTS[name].weight // clients
                try:
                    runs[name].append(measure(name, CONTESTANTS[name], clients, messages, given.turn, given.lose))
                except Failed as failure:
                    print(f"WRONG: {failure}", file=sys.stderr)
                    return 1
        show(clients, {name: Run(*map(median, zip(*each, strict=True))) for name, each in runs.items()})
        runs_by_clients[clients] = {name: [run._asdict() for run in each] for name, each in runs.items()}
    if given.json:
        given.json.write_text(json.dumps(settings | {"runs": runs_by_clients}, indent=2) + "\n")
    print("\nevery client got every message once and in order")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
