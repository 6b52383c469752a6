"""How long from the moment a message is due until the last of 200 clients has it, at a fixed rate?

                       core 0                                                core 1
    ┌──────────────────────────────────────────────────┐        ┌──────────────────────────────┐
    │ open loop ──► tickwire: SQLite tape, market,     │        │ 200 clients, each of which   │
    │ due times     hub, JSON, gateway, uvicorn        ├──TCP──►│ checks every byte and looks  │
    │           or  a peer, which hands out ready      │        │ at the clock when it has it  │
    │               bytes of the same length           │        └──────────────────────────────┘
    └──────────────────────────────────────────────────┘

The schedule does not wait for the server, and a message's latency counts from the time it was due: if the server
stalls, all that comes late because of it is counted (no coordinated omission). A message has come when the last client
has read it. The clients are one process, so what it takes to read from 200 sockets is in every number; the row "limit",
a C program that does nothing but `send()`, shows how much that is.

tickwire does its whole work for each message, the others are given theirs ready; each is used as its own documentation
recommends (benchmarks/peers). Every client of every server must get every message once and in order, byte for byte,
with nothing but heartbeats between. One that lags a second behind the schedule does not keep up: it is stopped, and not
asked for more a second.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib.metadata import version
from statistics import median
from typing import NamedTuple

from benchmarks.latency.arrivals import FULL_CORE, LATE_SECONDS_MAX, Behind, read
from benchmarks.latency.contestants import Sent, contestant
from benchmarks.latency.trades import trade_bytes
from benchmarks.peers import OURS, PEERS
from benchmarks.percentiles import SHARES, quantiles, tail
from benchmarks.processes import LOAD_CORE, pinned
from benchmarks.results import Aim, Cell, Lines, Measured, Table, Wrong

NAMES = (OURS, "socketify", "picows", "ws", "websockets", "nats", "limit")
RATES = (1_000, 10_000, 50_000)
AIM_RATE = 10_000
AIM_PEER = "socketify"
CHANCES = 2
"""Of a server to keep up with a rate."""
WARM_UP = 0.2
"""Share of a run that does not count."""
RARE_MIN = 10_000
"""Messages: with fewer, too few are above p99.9 to say where it is."""


class Run(NamedTuple):
    """What one server's run came to.

    Args:
        last: latency of each message from the time it was due to the last client, ns.
        each: the same to each of some of the clients.
        tape: to the last client from the tape's stamp, ns; none where there is no tape.
        reading: share of the clients' core that reading took.
    """

    last: list[int]
    each: list[int]
    tape: list[int]
    reading: float
    sent: Sent


def options(parser: ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--clients", type=int, default=200, metavar="N", help="(%(default)s)")
    parser.add_argument(
        "--rates", type=int, nargs="+", default=RATES, metavar="N", help="messages a second (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=2, metavar="S", help="length of a run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help=f"at {AIM_RATE} a second (%(default)s)")
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES, metavar="NAME", help="of these: %(default)s")
    parser.add_argument("--lose", type=int, default=-1, metavar="N", help="leave out a message, to see the run fail")


def measure(given: Namespace) -> Measured:
    """Run.

    Raises:
        Wrong: a client did not get what it had to.
    """
    if given.smoke:
        given.clients, given.rates, given.seconds, given.rounds = 5, [500], 0.4, 1
        given.only = [name for name in given.only if name in (OURS, AIM_PEER)]
    missing = {name: PEERS[name].why_not for name in given.only if name != OURS and PEERS[name].why_not}
    names = [name for name in given.only if name not in missing]
    runs: dict[tuple[int, str], list[Run]] = {}
    behind: dict[tuple[int, str], str] = {}
    for number in range(given.rounds):
        for rate in sorted(given.rates if number == 0 else {AIM_RATE} & {*given.rates}):
            for name in names:
                if any(slow <= rate and late == name for slow, late in behind):
                    continue
                result = tried(name, given.clients, rate, given.seconds, given.lose)
                if isinstance(result, Run):
                    runs.setdefault((rate, name), []).append(result)
                    continue
                if given.smoke:
                    raise Wrong(f"{name}, {rate:,} messages/s: {result}")
                behind[rate, name] = result
    return Measured(
        settings={
            "clients": given.clients,
            "payload bytes": trade_bytes(int(AIM_RATE * given.seconds)),
            "seconds a run": given.seconds,
            "rounds": given.rounds,
            **{name: version(name) for name in ("tickwire", "uvicorn", "uvloop", "socketify", "websockets", "picows")},
        },
        tables=[_table(rate, names, given.clients, runs) for rate in given.rates],
        charts=[_chart(rate, names, given.clients, runs) for rate in given.rates],
        aims=_aims(runs, behind),
        findings=[*_findings(given, names, runs, behind), *(f"{name}: {why}." for name, why in missing.items())],
    )


def tried(name: str, clients: int, rate: int, seconds: float, lose: int) -> Run | str:
    """A run, or how the server does not keep up even when it is given another chance: the machine may have been busy.

    Raises:
        Wrong: a client did not get what it had to.
    """
    how = ""
    for _ in range(CHANCES):
        try:
            return run(name, clients, rate, seconds, lose)
        except Behind as behind:
            how = str(behind)
    return how


def run(name: str, clients: int, rate: int, seconds: float, lose: int) -> Run:
    """One server at one rate.

    Raises:
        Wrong: a client did not get what it had to.
        Behind: the server does not keep up.
    """
    messages = int(rate * seconds)
    skip = int(messages * WARM_UP)
    try:
        with contestant(name, rate=rate, messages=messages, lose=lose) as server, pinned(LOAD_CORE):
            readers = {server.connect(): server.reader() for _ in range(clients)}
            try:
                server.start()
                arrivals = read(readers, messages, rate)
                sent = server.report()
            finally:
                for client in readers:
                    client.close()
    except (Wrong, OSError) as problem:
        raise Wrong(f"{name}, {rate:,} messages/s: {problem}") from None
    due = [sent.started_ns + n * 1_000_000_000 // rate for n in range(messages)]
    return Run(
        last=_latencies(arrivals.last, due, skip),
        each=[latency for came in arrivals.sampled.values() for latency in _latencies(came, due, skip)],
        tape=_latencies(arrivals.last, server.stamps, skip) if server.stamps else [],
        reading=arrivals.reading,
        sent=sent,
    )


def _latencies(came: Sequence[int], since: Sequence[int], skip: int) -> list[int]:
    return [at - begun for at, begun in zip(came[skip:], since[skip:], strict=True)]


def _middle(samples: Sequence[Sequence[int]], messages: int) -> dict[str, float | None]:
    """The medians of the rounds' quantiles, ms, as far as so many messages a round can say."""
    rounds = [quantiles(sample) for sample in samples]
    known = [name for name in SHARES if name != "p99.9" or messages >= RARE_MIN]
    return dict.fromkeys(SHARES) | {name: median(each[name] for each in rounds) for name in known}


def _reading(runs: Sequence[Run]) -> float:
    return median(run.reading for run in runs)


def _table(rate: int, names: Sequence[str], clients: int, runs: dict[tuple[int, str], list[Run]]) -> Table:
    rows: list[list[Cell]] = []
    for name in names:
        of = runs.get((rate, name))
        if of is None:
            rows.append([name, *[None] * (2 * len(SHARES) - 1), None])
            continue
        messages = len(of[0].last)
        last, each = (_middle(samples, messages) for samples in ([run.last for run in of], [run.each for run in of]))
        rows.append([name, *last.values(), each["p50"], each["p99"], each["p99.9"], f"{_reading(of):.0%}"])
        if of[0].tape:
            tape = _middle([run.tape for run in of], messages)
            rows.append([f"{name}, from the tape's stamp", *tape.values(), *[None] * 4])
    columns = [f"last {name} ms" for name in SHARES] + [f"each {name} ms" for name in list(SHARES)[:3]]
    title = f"{rate:,} messages/s to {clients} clients: from due to the last client, and to each"
    return Table(title, ["server", *columns, "clients' core"], rows)


def _chart(rate: int, names: Sequence[str], clients: int, runs: dict[tuple[int, str], list[Run]]) -> Lines:
    curves = {
        name: tail(latency / 1e6 for run in of for latency in run.last)
        for name in names
        if (of := runs.get((rate, name)))
    }
    title = f"{rate:,} messages/s to {clients} clients: latency from due to the last"
    return Lines(title, x="one message in so many is later", y="ms", series=curves, log="xy")


def _aims(runs: dict[tuple[int, str], list[Run]], behind: dict[tuple[int, str], str]) -> list[Aim]:
    sides = {name: runs.get((AIM_RATE, name), []) for name in (OURS, AIM_PEER)}
    text = f"p99 to the last client at {AIM_RATE:,} messages/s, as a ratio to uWebSockets' ({AIM_PEER})"
    late = [name for name in sides if any(name == who and slow <= AIM_RATE for slow, who in behind)]
    if OURS in late or (late and not sides[AIM_PEER]):
        why = f"{' and '.join(late)} did not keep up with that rate in this run, so there is no ratio"
        return [Aim(text, None, 1.0, at_most=True, why=why)]
    why = "tickwire commits, folds, renders and encodes each message in that time; the other is given it ready"
    if late:
        why += f"; {AIM_PEER} did not keep up in a later round, which does not count"
    full = [name for name, of in sides.items() if of and _reading(of) >= FULL_CORE]
    if full:
        shares = " and ".join(f"{_reading(sides[name]):.0%} with {name}" for name in full)
        why += f"; reading took the clients' core ({shares}): it is the bottleneck, not the server"
    ratios = [  # of the same rounds
        quantiles(a.last)["p99"] / quantiles(b.last)["p99"] for a, b in zip(sides[OURS], sides[AIM_PEER], strict=False)
    ]
    return [Aim(text, median(ratios) if ratios else None, 1.0, at_most=True, why=why)]


def _findings(
    given: Namespace, names: Sequence[str], runs: dict[tuple[int, str], list[Run]], behind: dict[tuple[int, str], str]
) -> list[str]:
    findings = [
        "Producers look at the clock in every turn of their event loop, so a server's core is always busy. "
        + " ".join(
            f"At {rate:,} messages/s tickwire had something to do in {of[0].sent.working:.0%} of the time, and "
            f"{of[0].sent.per_turn:.1f} messages a transaction."
            for rate in given.rates
            if (of := runs.get((rate, OURS)))
        ),
        "The load generator reads from one socket after the other, on one core: where that is nearly full, or `limit` "
        "is no better than the others, it is what is measured.",
    ]
    for rate in given.rates:
        late = [
            f"{name} (round {len(runs.get((rate, name), ())) + 1}: {behind[rate, name]})"
            for name in names
            if (rate, name) in behind
        ]
        if late:
            findings.append(
                f"At {rate:,} messages/s these lag more than {LATE_SECONDS_MAX:g} s behind: {', '.join(late)}. "
                "Their rounds before that count."
            )
        skipped = [name for name in names if (rate, name) not in {*runs, *behind}]
        if skipped:
            findings.append(
                f"At {rate:,} messages/s these were not tried, because they lag at a lower rate: {', '.join(skipped)}."
            )
    return findings
