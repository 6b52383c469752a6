"""`tickwire keys`: who may log in to a server, also while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, TypeAlias, TypedDict

import typer
from rich.console import Console
from rich.table import Table

from tickwire.errors import InvalidInput
from tickwire.keyfile import KeyKind, api_key, decode_base64url
from tickwire.server.keys import Key, KeyStore

DataDir: TypeAlias = Annotated[
    Path, typer.Option("--data-dir", envvar="TICKWIRE_DATA_DIR", help="The server's folder; its keys are in keys.db.")
]
DEFAULT_DATA_DIR = Path("data")

keys = typer.Typer(help="Create, list and revoke the keys that may log in to a server.")


class _Granted(TypedDict):
    scopes: Sequence[str]
    allow_ips: Sequence[str]
    name: str
    channels: Sequence[str]
    symbols: Sequence[str]


def _store(data_dir: Path) -> closing[KeyStore]:
    return closing(KeyStore(data_dir / "keys.db"))


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text else []


@keys.command()
def create(
    account: Annotated[str, typer.Option(help="What the key acts for.")],
    scopes: Annotated[str, typer.Option(help="What it may do: read, trade, admin.")] = "read,trade",
    kind: Annotated[
        KeyKind, typer.Option(help="ed25519: the server can't sign for its owner. hmac: a shared secret.")
    ] = "ed25519",
    allow_ip: Annotated[
        list[str] | None,
        typer.Option(help="Address or network it may be used from, may be given several times. Unless told: any."),
    ] = None,
    channels: Annotated[str, typer.Option(help="Public channels it may see, by commas. Unless told: all.")] = "",
    symbols: Annotated[
        str,
        typer.Option(help="Symbols it may see, by commas: `SIM:BTC-USDT`, or a beginning, `SIM:*`. Unless told: all."),
    ] = "",
    name: Annotated[str, typer.Option(help="A note that the list shows.")] = "",
    public_key: Annotated[
        Path | None,
        typer.Option(help="Let in who has made a key of their own: its public half in PEM, Ed25519 or RSA."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The key file to make. Unless told: ACCOUNT.key.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create a key and write it to a file, its only copy; or let in a key that its owner has made.

    Examples:
      tickwire keys create --account alice
      tickwire keys create --account ops --scopes admin --allow-ip 10.0.0.0/8 --out ops.key
      tickwire keys create --account guest --scopes read --channels trades,quotes --symbols 'SIM:*'
      tickwire keys create --account bob --public-key bob.pem
    """
    granted: _Granted = {
        "scopes": _listed(scopes),
        "allow_ips": allow_ip or (),
        "name": name,
        "channels": _listed(channels),
        "symbols": _listed(symbols),
    }
    with _store(data_dir) as store:
        if public_key is not None:
            if out is not None:
                raise InvalidInput("--public-key makes no key file, so leave --out away", field="out")
            _created(store.enroll(account, public_key.read_bytes(), **granted))
            return
        key, key_file = store.create(account, kind=kind, **granted)
        path = out or Path(f"{account}.key")
        try:
            key_file.save(path)
        except OSError as error:
            store.revoke(key.key_id)
            if isinstance(error, FileExistsError):
                raise InvalidInput(f"{path} exists already; give another name with --out", field="out") from None
            raise
    _created(key)
    typer.echo(f"{path} is its only copy: hand it to its owner, keep it secret")
    if kind == "hmac":
        shown = api_key(decode_base64url(key_file.secret))
        typer.echo(f"{shown} is the same as an API key for /binance and /coinapi: as secret")


def _created(key: Key) -> None:
    typer.echo(f"{key.key_id} is in force for {key.account} ({', '.join(key.scopes)}); no restart is needed")


@keys.command("list")
def list_keys(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List the keys in force."""
    with _store(data_dir) as store:
        rows = store.list()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("key", "account", "scopes", "kind", "from", "sees", "name"):
        table.add_column(title, no_wrap=True)
    for key in rows:
        allowed = " ".join(key.allow_ips) or "anywhere"
        sees = f"{','.join(key.channels) or 'all'} of {','.join(key.symbols) or 'all'}"
        sees = sees if key.channels or key.symbols else "everything"
        table.add_row(key.key_id, key.account, ",".join(key.scopes), key.kind, allowed, sees, key.name)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 200)  # nobody reads a wrapped table out of a pipe
    console.print(table)


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument()], data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Take a key out of force at once and for good; a server closes its sessions."""
    with _store(data_dir) as store:
        store.revoke(key_id)
    typer.echo(f"{key_id} is revoked")
