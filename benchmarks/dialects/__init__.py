"""Do a thousand clients of another protocol cost what a thousand of ours cost?

                        core 0                              core 1
              ┌──────────────────────────┐          ┌───────────────────────────┐
              │ gateway, hub; a codec of │   TCP    │ clients that all speak    │    memcmp with what that
    trades ──►│ each protocol makes the  ├─────────►│ native, Binance's or      ├──► protocol has to say,
              │ bytes once for everybody │          │ CoinAPI's protocol        │    written down by hand
              └──────────────────────────┘          └───────────────────────────┘

The same trades through the real codecs; rounds interleave the protocols, medians are shown. Compared is what a second
of the server's processor delivers, which does not depend on what else the machine does. A message is of another length
in each protocol, so bytes are compared as well.

What a turn makes for a client stays below 32 KiB in each protocol, the largest piece of memory that the kernel copies
to. Where one protocol is above that and another below, they differ by ten percent and more for that alone, in either
direction.
"""

from __future__ import annotations

import socket
from argparse import ArgumentParser, Namespace
from functools import partial
from statistics import median
from typing import NamedTuple

from benchmarks.dialects.trades import message
from benchmarks.load import Reader, Stream, connect, receive
from benchmarks.peers import PEERS, Server
from benchmarks.processes import LOAD_CORE, pinned, started, tell
from benchmarks.results import Bars, Cell, Measured, Table, Wrong

NATIVE = "native"
_SUBSCRIBE = b'{"id":1,"method":"subscribe","params":{"channel":"trades","symbols":["SIM:BTC-USDT"]}}'
_HELLO = (
    b'{"type":"hello","subscribe_data_type":["trade"],"subscribe_filter_symbol_id":["SIM_SPOT_BTC_USDT$"]}'
)  # fmt: skip
# hello, the reply and the snapshot come before the native stream; the others answer nothing, so they are pinged
DIALECTS = {
    NATIVE: partial(connect, request=_SUBSCRIBE, greetings=3),
    "binance": partial(connect, path="/binance/ws/btcusdt@trade", ping=True),
    "coinapi": partial(connect, request=_HELLO, path="/coinapi/v1", ping=True),
}
"""How a client connects."""


class Run(NamedTuple):
    """What clients of one protocol were delivered.

    Args:
        messages_per_s: over all clients.
        per_server_s: in a second of the server's processor.
        server, generator: shares of their cores.
    """

    messages_per_s: float
    per_server_s: float
    server: float
    generator: float


def options(parser: ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--clients", type=int, nargs="+", default=[200, 1000], metavar="N", help="(%(default)s)")
    parser.add_argument(
        "--messages", type=int, default=8_000_000, metavar="N", help="delivered in a run, over all (%(default)s)"
    )
    parser.add_argument("--turn", type=int, default=120, metavar="N", help="messages per turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="(%(default)s)")
    parser.add_argument("--only", nargs="+", choices=DIALECTS, default=list(DIALECTS), help="leave out the others")
    parser.add_argument("--lose", type=int, default=-1, metavar="N", help="leave message N out, to see the check fail")


def measure(given: Namespace) -> Measured:
    """Let every protocol's clients read the same trades."""
    if given.smoke:
        given.clients, given.messages, given.rounds = [5], 1_000, 1
    tables: list[Table] = []
    groups: dict[str, dict[str, float]] = {}
    for clients in given.clients:
        runs: dict[str, list[Run]] = {dialect: [] for dialect in given.only}
        for _ in range(given.rounds):
            for dialect, each in runs.items():
                each.append(run(dialect, clients, given.messages // clients, given.turn, given.lose))
        medians = {dialect: Run(*map(median, zip(*each, strict=True))) for dialect, each in runs.items()}
        tables.append(_table(clients, medians))
        groups[f"{clients:,} clients"] = {dialect: each.per_server_s for dialect, each in medians.items()}
    return Measured(
        settings={"messages a turn": given.turn, "rounds": given.rounds, "delivered in a run": given.messages},
        tables=tables,
        charts=[Bars("Each protocol's share", "messages delivered in a second of the server's processor", groups)],
        findings=[
            "A message is encoded once for all clients of its protocol, which is all that differs for the server."
        ],
    )


def run(dialect: str, clients: int, messages: int, turn: int, lose: int) -> Run:
    """Let clients of one protocol read so many messages each.

    Raises:
        Wrong: one did not get exactly these.
    """
    given = {"messages": messages, "turn": turn, "rate": 0, "bytes": 0, "lose": lose, "streams": 1}
    readers: dict[socket.socket, Reader] = {}
    with started("benchmarks.dialects.server", *(f"--{name}={value}" for name, value in given.items())) as process:
        try:
            server = Server(PEERS["tickwire"], process)
            with pinned(LOAD_CORE):
                stream = Stream(messages, partial(message, dialect))
                readers.update((DIALECTS[dialect](server.port), Reader(stream)) for _ in range(clients))
                server.start()
                received = receive(readers)
            report = server.report()
            tell(process, "stop")
        except (Wrong, OSError) as wrong:
            process.kill()
            raise Wrong(f"{dialect}, {clients} clients: {wrong}") from None
        finally:
            for client in readers:
                client.close()
    delivered = clients * messages
    return Run(
        messages_per_s=delivered / received.seconds,
        per_server_s=delivered / max(report.cpu_seconds, 1e-2),
        server=report.cpu_seconds / received.seconds,
        generator=received.cpu_seconds / received.seconds,
    )


def _table(clients: int, medians: dict[str, Run]) -> Table:
    columns = [
        f"{clients:,} clients", "messages/s", "messages/server s", "of native", "bytes a message", "MB/server s",
        "of native", "server core, %", "generator core, %",
    ]  # fmt: skip
    rows: list[list[Cell]] = []
    sizes = {dialect: len(message(dialect, 0)) for dialect in medians}
    for dialect, each in medians.items():
        other = NATIVE if NATIVE in medians else dialect
        ratio = each.per_server_s / medians[other].per_server_s
        rows.append([
            dialect, round(each.messages_per_s), round(each.per_server_s), ratio, sizes[dialect],
            each.per_server_s * sizes[dialect] / 1e6, ratio * sizes[dialect] / sizes[other],
            each.server * 100, each.generator * 100,
        ])  # fmt: skip
    return Table("Delivered to clients that speak one protocol", columns, rows)
