"""Does a thousand clients of another protocol cost what a thousand of ours cost?

The fan-out of `fanout.py` with the real codecs: the same trades through one server's gateway, sessions and hub to
clients that all speak the native protocol, or Binance's, or CoinAPI's. Every byte of every client is compared with
what the dialect has to say, written down by hand in `fanout_trades.py`. Rounds interleave the dialects; what is printed
are medians. Compared is what a second of the server's processor delivers, which does not depend on what else the
machine does. A message is of another length in each dialect, so that bytes are compared as well.

A turn of the producer is smaller than in `fanout.py`: what it makes for a client stays below 32 KiB in each dialect,
the largest piece of memory that the kernel copies to. Where one dialect is above that and another below, they differ
by ten percent and more for that alone, in either direction.

    python benchmarks/fanout_dialects.py [--clients 1000] [--messages N] [--rounds 5] [--json FILE] [--smoke]
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for when this file is run as a script

from benchmarks.fanout import SUBSCRIBE, Contestant, Failed, Run, configuration, measure
from benchmarks.fanout_trades import framed

NATIVE = "native"
_SERVER = "benchmarks.fanout_dialects_server"
_HELLO = (
    '{"type":"hello","subscribe_data_type":["trade"],"subscribe_filter_symbol_id":["SIM_SPOT_BTC_USDT$"]}'
)  # fmt: skip
# hello, the reply and the snapshot come before the native stream; the others answer nothing, so they are pinged
DIALECTS = {
    NATIVE: Contestant(_SERVER, 1, ("--frames", "native", "--request", SUBSCRIBE, "--greetings", "3")),
    "binance": Contestant(_SERVER, 1, ("--frames", "binance", "--path", "/binance/ws/btcusdt@trade", "--ping")),
    "coinapi": Contestant(_SERVER, 1, ("--frames", "coinapi", "--path", "/coinapi/v1", "--request", _HELLO, "--ping")),
}


def main(argv: list[str]) -> int:
    """Run everything, print the tables, and return 1 if a client did not get what it had to."""
    parser = argparse.ArgumentParser(description="messages delivered per second, by dialect")
    parser.add_argument("--clients", type=int, nargs="+", default=[1000], metavar="N")
    parser.add_argument(
        "--messages", type=int, default=20_000_000, metavar="N", help="delivered in a run, over all (%(default)s)"
    )
    parser.add_argument("--turn", type=int, default=120, metavar="N", help="messages per turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="(%(default)s)")
    parser.add_argument("--only", nargs="+", choices=DIALECTS, default=list(DIALECTS), help="leave out the others")
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
    for clients in given.clients:
        runs: dict[str, list[Run]] = {name: [] for name in given.only}
        for _ in range(given.rounds):
            for name in given.only:
                try:
                    runs[name].append(
                        measure(name, DIALECTS[name], clients, given.messages // clients, given.turn, given.lose)
                    )
                except Failed as failure:
                    print(f"WRONG: {failure}", file=sys.stderr)
                    return 1
        show(clients, runs)
        runs_by_clients[clients] = {name: [run._asdict() for run in each] for name, each in runs.items()}
    if given.json:
        given.json.write_text(json.dumps(settings | {"runs": runs_by_clients}, indent=2) + "\n")
    print("\nevery client got every message once and in order")
    return 0


def show(clients: int, runs: dict[str, list[Run]]) -> None:
    """Print what came of one number of clients."""
    columns = ("delivered msg/s", "msg/server s", "of native", "bytes/msg", "MB/server s", "of native")
    print(f"\n{f'{clients:,} clients':<14}" + "".join(f"{column:>16}" for column in columns))
    per_second = {name: median(run.messages_per_s / run.server for run in each) for name, each in runs.items()}
    sizes = {name: len(framed(name, 0)) for name in runs}
    for name, each in runs.items():
        other = NATIVE if NATIVE in runs else name
        messages = per_second[name] / per_second[other]
        cells = (
            f"{median(run.messages_per_s for run in each):,.0f}", f"{per_second[name]:,.0f}", f"{messages:.0%}",
            f"{sizes[name]}", f"{per_second[name] * sizes[name] / 1e6:,.0f}",
            f"{messages * sizes[name] / sizes[other]:.0%}",
        )  # fmt: skip
        print(f"  {name:<12}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
