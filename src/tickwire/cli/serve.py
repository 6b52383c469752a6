"""`tickwire serve`: run a server."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from tickwire.config import ServerSettings, parse_feed, parse_speed
from tickwire.errors import ConfigError
from tickwire.limits import REQUESTS_PER_SECOND_MAX, TAPE_BYTES_MAX, TAPE_HOURS_MAX
from tickwire.tape.base import Durability

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
    require_key: Annotated[
        bool,
        typer.Option(
            "--require-key", help="Nothing without a login, market data either.", envvar="TICKWIRE_REQUIRE_KEY"
        ),
    ] = False,
    requests_per_second: Annotated[
        int, typer.Option(help="Requests of one session.", envvar="TICKWIRE_REQUESTS_PER_SECOND")
    ] = REQUESTS_PER_SECOND_MAX,
    log_level: Annotated[
        str, typer.Option(help="debug, info, warning or error.", envvar="TICKWIRE_LOG_LEVEL")
    ] = "info",
) -> None:
    """Run a server: every change of every market, to everyone who subscribes.

    Examples:

      tickwire serve                                       the built-in market on port 8000

      tickwire serve --data-dir data                       the same, and it goes on after a restart

      tickwire serve --feed recorded:binance:btcusdt.gz --speed 10 --loop

    Stop it with Ctrl-C or SIGTERM.
    """
    log_to_stderr(log_level)
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
            require_key=require_key,
            requests_per_second=requests_per_second,
        )
    )


def run_server(settings: ServerSettings) -> None:
    """Serve until the process is told to stop, and say on stderr where.

    Raises:
        TickwireError: the server can't start, or can't go on; the message says why.
    """
    import uvloop

    from tickwire.server.app import Server

    async def main() -> None:
        server = Server(settings)
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[bold]tickwire[/] serves [bold]{server.url}[/]")
        console.print(f"  try   tickwire watch SYMBOL --url {server.url}")
        console.print(f"  page  {server.url.replace('ws://', 'http://').removesuffix('ws')}")
        kept = f"kept in {settings.data_dir}" if settings.data_dir else "in memory: nothing outlives the process"
        console.print(f"  tape  {kept}, epoch {server.tape.epoch}, transaction {server.tape.last_seq}")
        await server.serve()

    uvloop.run(main())


def log_to_stderr(level: str) -> None:
    """Log to stderr from this level on.

    Raises:
        ConfigError: there is no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigError(f"log level {level!r}: give debug, info, warning or error")
    handler = RichHandler(console=Console(stderr=True, soft_wrap=True), show_path=False, log_time_format="[%X]")
    logging.basicConfig(level=number, format="%(message)s", handlers=[handler])
    logging.getLogger("uvicorn.error").setLevel(max(number, logging.WARNING))
    logging.getLogger("websockets").setLevel(max(number, logging.WARNING))
