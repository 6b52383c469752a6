"""The command line without a server: help, settings, errors and exit codes."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tickwire import __version__
from tickwire.cli.main import app
from tickwire.cli.record import Recording, channels_of
from tickwire.cli.session import chosen, first_of
from tickwire.cli.watch import State
from tickwire.config import FeedSpec, ServerSettings
from tickwire.errors import ConfigError, InvalidInput, RequestRefused, TapeError
from tickwire.market import market
from tickwire.protocol.client_outcomes import Notice
from tickwire.protocol.messages import Gap, InstrumentInfo, StatusData, StreamMessage

COMMANDS = ("serve", "watch", "instruments", "tail", "record", "replay")
served: list[ServerSettings] = []


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, no settings from outside, and `replay` that only notes what it would serve."""
    monkeypatch.chdir(tmp_path)
    for name in ("URL", "CONFIG", "HOST", "PORT"):
        monkeypatch.delenv(f"TICKWIRE_{name}", raising=False)
    served.clear()
    monkeypatch.setattr("tickwire.cli.replay.run_server", served.append)


def run(*arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)"""
    result = CliRunner().invoke(app, list(arguments), prog_name="tickwire")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


# ---- help ----------------------------------------------------------------------------------------


def test_version() -> None:
    compiled = "" if market.__file__.endswith(".py") else ", compiled"
    assert run("--version") == (0, f"tickwire {__version__}{compiled}\n", "")


def test_no_command_shows_the_help() -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    assert all(f"│ {name} " in out for name in COMMANDS)
    assert "   [serve]" in [line.rstrip() for line in out.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_that_name_existing_flags(command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    examples = [line.strip() for line in out.splitlines() if line.strip().startswith(f"tickwire {command}")]
    assert len(examples) >= 2
    flags = {word for line in examples for word in line.split("|")[0].split() if word.startswith("--")}
    described = {word for line in out.splitlines() if line.startswith("│") for word in line.split()}
    assert flags <= described


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["serv"], 2, "No such command 'serv'. Did you mean 'serve'?; see tickwire --help"),
        (["watch"], 2, "Missing argument 'SYMBOL'; see tickwire watch --help"),
        (
            ["watch", "A:B-C", "--dept", "3"],
            2,
            "No such option: --dept (Possible options: --depth, --help); see tickwire watch --help",
        ),
        (["watch", "A:B-C", "--interval", "2m"], 2, "interval must be one of 1s, 5s, 1m, 5m, 15m, 1h, 4h, 1d"),
        (
            ["tail", "trade", "A:B-C"],
            2,
            "no channel 'trade'; there are trades, book, book_l3, quotes, candles, ticker, rates, status, "
            "orders, fills, balances, positions",
        ),
        (["tail", "book", "A:B-C", "--depth", "7"], 2, "depth must be one of 1, 5, 10, 20, 50, 100, 500, 1000"),
        (["tail", "trades", "A:B-C", "--depth", "5"], 2, "depth belongs to the channel book, not to trades"),
        (["record", "A:B-C"], 2, "Missing option '--out'; see tickwire record --help"),
        (
            ["record", "A:B-C", "--out", "a", "--channel", "depth"],
            2,
            "no channel 'depth'; there are trades, book, book_l3, quotes, candles, ticker, rates, status",
        ),
        (["replay", "a", "--speed", "0"], 2, "speed '0': give a positive number such as 1 or 10, or `max`"),
        (["replay", "a", "--port", "70000"], 2, "port 70000: give one from 0 to 65535"),
        (
            ["instruments", "--url", "ws://127.0.0.1:1/ws"],
            1,
            "nothing listens at ws://127.0.0.1:1/ws: start a server with `tickwire serve`, or name another with --url",
        ),
    ],
)
def test_an_error_is_one_line_on_stderr(arguments: list[str], code: int, line: str) -> None:
    assert run(*arguments) == (code, "", f"tickwire: {line}\n")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("a setting\nis \x1b[31mwrong"), 2, "tickwire: a setting is [31mwrong\n"),
        (InvalidInput("no"), 2, "tickwire: no\n"),
        (TapeError("torn"), 1, "tickwire: torn\n"),
        (RequestRefused("not_available", "no book"), 1, "tickwire: not_available: no book\n"),
        (FileNotFoundError(2, "No such file", "a/b"), 1, "tickwire: a/b: No such file\n"),
        (OSError("disk"), 1, "tickwire: disk\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_exit_codes(error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: ServerSettings) -> None:
        raise error

    monkeypatch.setattr("tickwire.cli.replay.run_server", fail)
    assert run("replay", "a") == (code, "", said)


# ---- settings ------------------------------------------------------------------------------------


def test_replay_is_a_server_of_one_recorded_feed() -> None:
    assert run("replay", "a/b.jsonl") == (0, "", "")
    assert served == [ServerSettings(feeds=(FeedSpec("recorded", "tickwire", Path("a/b.jsonl")),))]
    run("replay", "x", "--format", "binance", "--speed", "max", "--loop", "--wait", "--host", "::1", "--port", "0")
    feed = FeedSpec("recorded", "binance", Path("x"))
    assert served[1] == ServerSettings(
        host="::1", port=0, feeds=(feed,), speed=None, loop=True, wait_for_subscriber=True
    )


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("tickwire.toml").write_text('[replay]\nport = 1\nhost = "file"\n')
    Path("other.toml").write_text("[replay]\nport = 4\n")
    run("replay", "a")
    monkeypatch.setenv("TICKWIRE_PORT", "2")
    run("replay", "a")
    run("replay", "a", "--port", "3")
    monkeypatch.delenv("TICKWIRE_PORT")
    run("--config", "other.toml", "replay", "a")
    monkeypatch.setenv("TICKWIRE_CONFIG", "other.toml")
    run("replay", "a")
    assert [(settings.port, settings.host) for settings in served] == [
        (1, "file"),
        (2, "file"),
        (3, "file"),
        (4, "127.0.0.1"),
        (4, "127.0.0.1"),
    ]


def test_the_file_takes_any_setting_by_its_long_name() -> None:
    Path("tickwire.toml").write_text('[replay]\npath = "rec"\nspeed = "max"\nloop = true\nformat = "kraken"\n')
    assert run("replay") == (0, "", "")
    assert served == [ServerSettings(feeds=(FeedSpec("recorded", "kraken", Path("rec")),), speed=None, loop=True)]


def test_one_value_will_do_where_several_can_be_given() -> None:
    Path("tickwire.toml").write_text('[record]\nsymbols = "A:B-C"\nout = "x"\nchannel = "depth"\n')
    code, _, err = run("record")
    assert (code, err.partition(";")[0]) == (2, "tickwire: no channel 'depth'")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[srve]\n",
            "tickwire.toml: 'srve' is no table of a command; there are "
            "[serve], [watch], [instruments], [tail], [record], [replay], [doctor], [bench]",
        ),
        (
            "replay = 1\n",
            "tickwire.toml: 'replay' is no table of a command; there are "
            "[serve], [watch], [instruments], [tail], [record], [replay], [doctor], [bench]",
        ),
        (
            "[watch]\nurl_ = 1\n",
            "tickwire.toml: no setting 'url_' in [watch]; there are depth, interval, once, symbol, url",
        ),
        ("replay = \n", "tickwire.toml can't be read: Invalid value (at line 1, column 10)"),
    ],
)
def test_what_is_unknown_in_the_file_is_named(text: str, line: str) -> None:
    Path("tickwire.toml").write_text(text)
    assert run("replay", "a") == (2, "", f"tickwire: {line}\n")
    assert served == []


def test_a_named_file_must_be_there() -> None:
    code, _, err = run("--config", "none.toml", "replay", "a")
    assert (code, err) == (
        2,
        "tickwire: none.toml can't be read: [Errno 2] No such file or directory: 'none.toml'\n",
    )


# ---- what the client commands share --------------------------------------------------------------


def info(symbol: str, *channels: str) -> InstrumentInfo:
    return InstrumentInfo(
        symbol, "SIM", "B", "Q", "crypto", "matched", "1", "1", list(channels), StatusData("open", "live", "")
    )


LISTED = [info("SIM:BTC-USDT"), info("SIM:ETH-USDT"), info("FX:EUR-USD")]


def test_chosen_instruments() -> None:
    assert chosen(LISTED, ["FX:EUR-USD", "SIM:BTC-USDT", "FX:EUR-USD"]) == [LISTED[2], LISTED[0]]
    assert chosen(LISTED, ["all"]) == LISTED


@pytest.mark.parametrize(
    ("symbol", "hint"),
    [
        ("SIM:BTC", "did you mean SIM:BTC-USDT?"),
        ("btc", "did you mean SIM:BTC-USDT?"),
        ("eur-usd", "did you mean FX:EUR-USD?"),
        ("???", "`tickwire instruments` lists those there are"),
    ],
)
def test_an_unknown_symbol_is_answered_with_the_most_alike(symbol: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        chosen(LISTED, ["SIM:BTC-USDT", symbol])
    assert str(caught.value) == f"no instrument {symbol}: {hint}"


@pytest.mark.parametrize(
    ("has", "wanted", "channels"),
    [
        (["trades", "book", "book_l3", "quotes", "rates", "status"], None, ["trades", "book_l3"]),
        (["trades", "book", "quotes", "candles"], None, ["trades", "book"]),
        (["trades", "quotes", "candles", "rates", "status"], None, ["trades", "quotes", "rates"]),
        (["trades", "book", "quotes"], ["quotes", "book"], ["book", "quotes"]),
        (["trades", "quotes"], ["book_l3"], []),
    ],
)
def test_what_is_recorded_of_an_instrument(has: list[str], wanted: list[str] | None, channels: list[str]) -> None:
    assert channels_of(info("SIM:B-Q", *has), wanted) == channels


async def test_first_of_stops_the_others_and_raises_what_ended_it() -> None:
    ended: list[str] = []

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def act(last: Callable[[], None]) -> None:
        await asyncio.sleep(0)
        last()

    def fail() -> None:
        raise ConfigError("it")

    await first_of(forever("a"), act(lambda: None), forever("b"))
    assert ended == ["a", "b"]
    with pytest.raises(ConfigError, match="it"):
        await first_of(forever("c"), act(fail))
    assert ended == ["a", "b", "c"]


# ---- the file of a recording ---------------------------------------------------------------------


def messages_in(name: str) -> list[dict[str, object]]:
    return [json.loads(line)["message"] for line in Path(name).read_text().splitlines()]


async def arriving(*messages: StreamMessage | Notice) -> AsyncIterator[StreamMessage | Notice]:
    for message in messages:
        yield message


def update(seq: int) -> StreamMessage:
    return StreamMessage("status", "A:B-C", "update", seq, 5, None)


def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.mark.parametrize(("name", "opened"), [("a.jsonl", open), ("a.jsonl.gz", gzip.open)])
async def test_what_was_flushed_can_be_read_though_the_recording_is_never_closed(
    name: str, opened: Callable[..., io.TextIOWrapper]
) -> None:
    recording = Recording(Path(name), None, console())
    for seqs in ((1, 2), (3,)):
        await recording.read(arriving(*map(update, seqs)))
        recording.flush()
    await recording.read(arriving(update(4)))
    with opened(name, "rt") as file:
        lines = [json.loads(line) for line in file]
    assert [line["message"]["seq"] for line in lines] == [1, 2, 3]
    assert all(line["at"] > 1_700_000_000_000_000_000 for line in lines)
    recording.close()
    with opened(name, "rt") as file:
        assert json.loads(file.readlines()[-1])["message"]["seq"] == 4


async def test_a_gap_is_recorded_and_said_and_does_not_count_as_a_message() -> None:
    told = console()
    recording = Recording(Path("a"), 2, told)
    await recording.read(arriving(update(1), Gap("status", "A:B-C", 2, 3), update(4), update(5)))
    recording.close()
    messages = messages_in("a")
    gap = {"type": "gap", "channel": "status", "symbol": "A:B-C", "from": 2, "to": 3}
    assert [message.get("seq", message) for message in messages] == [1, gap, 4]
    assert recording.full.is_set()
    assert isinstance(told.file, io.StringIO)
    assert told.file.getvalue() == f"something is missing: {json.dumps(gap, separators=(',', ':'))}\n"


# ---- watch ---------------------------------------------------------------------------------------


def test_silence_is_said_before_the_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    time = 100.0
    monkeypatch.setattr("tickwire.cli.watch.monotonic", lambda: time)
    stats = SimpleNamespace(messages=10, gaps=1, lost=2, connections=3)
    client: Any = SimpleNamespace(stats=stats, connected=True, url="u", hello=SimpleNamespace(heartbeat_ms=4000))
    state = State(client, info("A:B-C", "quotes"), 5, "1m")
    state._problem = ""
    seen = []
    for time, stats.messages in ((100.0, 10), (101.0, 30), (107.0, 30), (107.5, 30), (108.0, 31)):  # noqa: B007
        view = state.view()
        seen.append((view.problem, view.messages_per_s, view.gaps, view.reconnects))
    assert seen == [
        ("", None, 3, 2),
        ("", 20.0, 3, 2),
        ("", 20 / 7, 3, 2),
        ("nothing was heard for 6 s", 20 / 7.5, 3, 2),
        ("", 21 / 8, 3, 2),
    ]
