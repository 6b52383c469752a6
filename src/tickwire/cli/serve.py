"""`tickwire serve`: run a server."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from tickwire.config import METRICS_ALLOW, ServerSettings, parse_feed, parse_speed
from tickwire.limits import (
    CONNECTIONS_PER_IP_MAX,
    DRAIN_SECONDS,
    REQUESTS_PER_SECOND_MAX,
    TAPE_BYTES_MAX,
    TAPE_HOURS_MAX,
    UPGRADES_PER_SECOND_MAX,
)
from tickwire.observe.logs import LogFormat, log_to_stderr
from tickwire.tape.base import Durability

if TYPE_CHECKING:
    from tickwire.server.app import Server

log = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024

FEED_HELP = """What drives the market; may be given several times. `simulated` is the built-in exchange;
`recorded:FORMAT:PATH` plays a recording (formats: binance, coinbase, equity, fx, independent_reserve, kraken,
tickwire)."""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.", envvar="TICKWIRE_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", envvar="TICKWIRE_PORT")] = 8000,
    feed: Annotated[list[str] | None, typer.Option(help=FEED_HELP, envvar="TICKWIRE_FEED")] = None,
    speed: Annotated[
        str, typer.Option(help="Of recordings: seconds per second, or `max`.", envvar="TICKWIRE_SPEED")
    ] = "1",
    loop: Annotated[
        bool, typer.Option("--loop", help="Begin a recording again when it ends.", envvar="TICKWIRE_LOOP")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Start recordings when a first client has subscribed.", envvar="TICKWIRE_WAIT"),
    ] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the tape, made if it is missing. Without it nothing outlives the process.",
            envvar="TICKWIRE_DATA_DIR",
        ),
    ] = None,
    durability: Annotated[
        Durability | None,
        typer.Option(
            help="What a record on the tape survives: a killed process or a power cut.  [default: process with "
            "--data-dir, else none]",
            envvar="TICKWIRE_DURABILITY",
        ),
    ] = None,
    tape_mb: Annotated[
        int, typer.Option(help="Size that the tape is kept to, MiB.", envvar="TICKWIRE_TAPE_MB")
    ] = TAPE_BYTES_MAX // MEGABYTE,
    tape_hours: Annotated[
        int, typer.Option(help="Age that the tape is kept to, hours.", envvar="TICKWIRE_TAPE_HOURS")
    ] = TAPE_HOURS_MAX,
    seed: Annotated[int, typer.Option(help="Of the built-in market.", envvar="TICKWIRE_SEED")] = 1,
    deflate: Annotated[
        bool,
        typer.Option(
            "--deflate",
            help="Offer compression (permessage-deflate): fewer bytes, more work.",
            envvar="TICKWIRE_DEFLATE",
        ),
    ] = False,
    require_key: Annotated[
        bool,
        typer.Option(
            "--require-key", help="Nothing without a login, market data either.", envvar="TICKWIRE_REQUIRE_KEY"
        ),
    ] = False,
    requests_per_second: Annotated[
        int, typer.Option(help="Requests of one session.", envvar="TICKWIRE_REQUESTS_PER_SECOND")
    ] = REQUESTS_PER_SECOND_MAX,
    connections_per_ip: Annotated[
        int, typer.Option(help="Sockets of one address.", envvar="TICKWIRE_CONNECTIONS_PER_IP")
    ] = CONNECTIONS_PER_IP_MAX,
    upgrades_per_second: Annotated[
        int, typer.Option(help="WebSockets that one address may open a second.", envvar="TICKWIRE_UPGRADES_PER_SECOND")
    ] = UPGRADES_PER_SECOND_MAX,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of the certificate and its chain, for wss and https. Read again when it changes.",
            envvar="TICKWIRE_TLS_CERT",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="PEM file of the certificate's key.", envvar="TICKWIRE_TLS_KEY")
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Origin of web pages that may use the server, besides its own, such as https://app.example; may be "
            "given several times.",
            envvar="TICKWIRE_ORIGIN",
        ),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="Address or network (CIDR) of a proxy whose X-Forwarded-For and -Proto are believed; may be given "
            "several times.",
            envvar="TICKWIRE_TRUSTED_PROXY",
        ),
    ] = None,
    drain_seconds: Annotated[
        float,
        typer.Option(help="Over which a stop spreads the closes; 0 for all at once.", envvar="TICKWIRE_DRAIN_SECONDS"),
    ] = DRAIN_SECONDS,
    log_level: Annotated[
        str, typer.Option(help="debug, info, warning or error.", envvar="TICKWIRE_LOG_LEVEL")
    ] = "info",
    log_format: Annotated[
        LogFormat, typer.Option(help="For people, or one JSON object a line.", envvar="TICKWIRE_LOG_FORMAT")
    ] = "text",
    metrics_allow: Annotated[
        list[str] | None,
        typer.Option(
            help="Address or network (CIDR) that /metrics is for; may be given several times.  [default: this machine]",
            envvar="TICKWIRE_METRICS_ALLOW",
        ),
    ] = None,
) -> None:
    """Run a server: every change of every market, to everyone who subscribes.

    Examples:

      tickwire serve                                       the built-in market on port 8000

      tickwire serve --data-dir data                       the same, and it goes on after a restart

      tickwire serve --feed recorded:binance:btcusdt.gz --speed 10 --loop

    Stop it with Ctrl-C or SIGTERM: clients are told and closed one after the other. A second time stops at once.
    """
    log_to_stderr(log_level, log_format)
    run_server(
        ServerSettings(
            host=host,
            port=port,
            data_dir=data_dir,
            durability=durability,
            feeds=tuple(parse_feed(text) for text in feed or ["simulated"]),
            speed=parse_speed(speed),
            loop=loop,
            wait_for_subscriber=wait,
            seed=seed,
            tape_bytes_max=tape_mb * MEGABYTE,
            tape_hours_max=tape_hours,
            deflate=deflate,
            require_key=require_key,
            requests_per_second=requests_per_second,
            connections_per_ip=connections_per_ip,
            upgrades_per_second=upgrades_per_second,
            tls_cert=tls_cert,
            tls_key=tls_key,
            origins=tuple(origin or ()),
            trusted_proxies=tuple(trusted_proxy or ()),
            drain_seconds=drain_seconds,
            metrics_allow=tuple(metrics_allow or METRICS_ALLOW),
        ),
        log_format,
    )


def run_server(settings: ServerSettings, log_format: LogFormat = "text") -> None:
    """Serve until the process is told to stop, and say on stderr where.

    Args:
        log_format: of the log; with "json" where is said as an event of it.

    Raises:
        TickwireError: the server can't start, or can't go on; the message says why.
    """
    import uvloop

    from tickwire.server.app import Server
    from tickwire.server.files import raise_files_max

    raise_files_max()

    async def main() -> None:
        server = Server(settings)
        if log_format == "json":
            place = {"url": server.url, "epoch": server.tape.epoch, "transaction": server.tape.last_seq}
            log.info("tickwire serves", extra=place)
        else:
            _welcome(server)
        gc.collect()
        gc.freeze()  # what is there from the start stays; looking again and again whether it is garbage cost a tenth
        await server.serve()

    uvloop.run(main())


def _welcome(server: Server) -> None:
    """Say on stderr where it serves, and what to do next."""
    from tickwire.server.page import PAGE

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold]tickwire[/] serves [bold]{server.url}[/]")
    console.print(f"  try   tickwire watch SYMBOL --url {server.url}")
    page = "" if (PAGE / "index.html").exists() else " (without the dashboard, and how to build it)"
    console.print(f"  page  {server.url.replace('ws', 'http', 1).removesuffix('ws')}{page}")
    data_dir = server.settings.data_dir
    kept = f"kept in {data_dir}" if data_dir else "in memory: nothing outlives the process"
    console.print(f"  tape  {kept}, epoch {server.tape.epoch}, transaction {server.tape.last_seq}")
