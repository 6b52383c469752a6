"""The command `tickwire`: one file per command; here what holds for all of them.

A setting is taken from its flag, else from its environment variable, else from the configuration file, else it
has its default. What goes wrong is one line on stderr. Exit codes: 2 when what was asked is wrong, 1 when it can't
be done, 130 after Ctrl-C.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tickwire import __version__
from tickwire.cli.bench import bench
from tickwire.cli.doctor import doctor
from tickwire.cli.instruments import instruments
from tickwire.cli.keys import keys
from tickwire.cli.plot import plot
from tickwire.cli.record import record
from tickwire.cli.replay import replay
from tickwire.cli.serve import serve
from tickwire.cli.tail import tail
from tickwire.cli.watch import watch
from tickwire.errors import ConfigError, InvalidInput, TickwireError

CONFIG_FILE = Path("tickwire.toml")
"""Read from the working directory when no other file is named."""


class _Commands(TyperGroup):
    """Ends every command that fails with one line on stderr and its exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        def run() -> Any:
            return super(_Commands, self).main(args, prog_name, complete_var, False, windows_expand_args, **extra)

        if not standalone_mode:
            return run()
        try:
            code = run()
        except typer.TyperException as error:
            context = getattr(error, "ctx", None)
            hint = f"; see {context.command_path} --help" if context is not None else ""
            _say(error.format_message().rstrip(".") + hint)
            code = error.exit_code
        except (InvalidInput, ConfigError) as error:
            _say(str(error))
            code = 2
        except OSError as error:
            _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
            code = 1
        except TickwireError as error:
            _say(str(error))
            code = 1
        sys.exit(code if isinstance(code, int) else 0)


def _say(message: str) -> None:
    """One line on stderr, whatever the message holds."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    typer.echo(f"tickwire: {line}", err=True)


app = typer.Typer(cls=_Commands, rich_markup_mode="rich", pretty_exceptions_enable=False)
for command in (serve, watch, instruments, tail, record, replay, doctor):
    app.command()(command)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)(bench)
app.add_typer(plot, name="plot")
app.add_typer(keys, name="keys")


def _show_version(wanted: bool) -> None:
    if wanted:
        market = find_spec("tickwire.market.market")  # of the modules that can be compiled, one
        compiled = market is not None and not str(market.origin).endswith(".py")
        typer.echo(f"tickwire {__version__}{', compiled' if compiled else ''}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def tickwire(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            envvar="TICKWIRE_CONFIG",
            help=f"Settings: a TOML file with a table per command. Without it, {CONFIG_FILE} where there is one.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A self-hosted, real-time WebSocket API for financial markets.

    Examples:
      tickwire serve                        a server with the built-in market
      tickwire watch SIM:BTC-USDT           its order book and trades, live
      tickwire tail trades SIM:BTC-USDT     every trade, a line of JSON each

    A file with settings has the long names of the flags:
      \\[serve]
      port = 9000
      \\[watch]
      url = "ws://127.0.0.1:9000/ws"

    A flag wins over its environment variable, that over the file.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)
        raise typer.Exit
    if config is not None or CONFIG_FILE.exists():
        assert isinstance(context.command, TyperGroup)
        context.default_map = _settings(config or CONFIG_FILE, context.command)


def _settings(path: Path, group: TyperGroup) -> dict[str, dict[str, Any]]:
    """The tables of a configuration file: one a command, with the names of its flags.

    Raises:
        ConfigError: it can't be read, or a name in it is unknown.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from None
    commands = {name: each for name, each in group.commands.items() if not isinstance(each, TyperGroup)}
    settings: dict[str, dict[str, Any]] = {}
    for table, values in content.items():
        if table not in commands or not isinstance(values, dict):
            tables = ", ".join(f"[{name}]" for name in commands)
            raise ConfigError(f"{path}: {table!r} is no table of a command; there are {tables}")
        flags = {_key(flag): param for param in commands[table].params for flag in param.opts}
        settings[table] = {}
        for key, value in values.items():
            param = flags.get(_key(key))
            if param is None or param.name is None:
                raise ConfigError(f"{path}: no setting {key!r} in [{table}]; there are {', '.join(sorted(flags))}")
            several = getattr(param, "multiple", False) or param.nargs != 1
            settings[table][param.name] = [value] if several and not isinstance(value, list) else value
    return settings


def _key(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")
