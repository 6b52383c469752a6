"""`tickwire replay`: serve a recording as if it happened now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tickwire.cli.serve import run_server
from tickwire.config import FeedSpec, ServerSettings, parse_speed
from tickwire.observe.logs import log_to_stderr


def replay(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="A recording, or a folder of files that belong together.")
    ],
    format_name: Annotated[
        str, typer.Option("--format", help="What the file holds: tickwire (of `tickwire record`), or a venue's own.")
    ] = "tickwire",
    speed: Annotated[str, typer.Option(help="Recorded seconds per second, or `max`.")] = "1",
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Begin when a first client has subscribed.")] = False,
    host: Annotated[str, typer.Option(envvar="TICKWIRE_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="TICKWIRE_PORT", help="Port; 0 takes a free one.")] = 8000,
) -> None:
    """Serve a recording as if it happened now: the same as `tickwire serve --feed recorded:FORMAT:FILE`.

    Examples:
      tickwire replay btc.jsonl.gz                       as fast as it was
      tickwire replay btc.jsonl.gz --speed 10 --loop --port 9000
      tickwire replay spot.gz --format binance --speed max --wait

    The server stays when the recording has ended; stop it with Ctrl-C.
    """
    log_to_stderr("info")
    run_server(
        ServerSettings(
            host=host,
            port=port,
            feeds=(FeedSpec("recorded", format_name, path),),
            speed=parse_speed(speed),
            loop=loop,
            wait_for_subscriber=wait,
        )
    )
