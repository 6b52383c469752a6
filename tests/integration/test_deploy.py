"""The files in deploy/, as far as they can be run without systemd as the first process and without a container engine.

The unit's command line is started as systemd would, with a notify socket. The image's build steps are carried out in a
folder of their own, on the files that they copy alone, and what they make is served, probed and drained.
"""

from __future__ import annotations

import asyncio
import configparser
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.asyncio.client import connect

from tickwire import __version__
from tickwire.limits import CLOSING_SECONDS_MAX, CONNECTIONS_MAX, DRAIN_SECONDS
from tickwire.server.app import STOP_SECONDS_MAX

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "tickwire.service"
PROGRAM = "/opt/tickwire/bin/tickwire"
WAIT_SECONDS = 60
READY_LINE = re.compile(r"serves (ws://\S+)")


def environment(**more: str) -> dict[str, str]:
    """That of a service: no setting of this shell."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TICKWIRE_")} | more


@asynccontextmanager
async def started(command: list[str], env: dict[str, str], cwd: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that has ended when the block ends."""
    process = await asyncio.create_subprocess_exec(*command, env=env, cwd=cwd, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def url_of(process: asyncio.subprocess.Process) -> str:
    """Where a server says that it serves."""
    assert process.stderr is not None
    said = ""
    while (found := READY_LINE.search(said)) is None:
        line = await process.stderr.readline()
        assert line, f"the server has ended: {said}"
        said += line.decode()
    return found[1]


# ---- systemd -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return parser


def exec_start(unit: configparser.ConfigParser, state: Path) -> list[str]:
    """The unit's command line with the program of this environment and a folder of the test's."""
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert program == PROGRAM
    return [sys.executable, "-m", "tickwire", *(argument.replace("%S", str(state)) for argument in arguments)]


def test_the_unit_stops_restarts_and_confines_as_the_server_needs(unit: configparser.ConfigParser) -> None:
    service = unit["Service"]
    assert (service["Type"], service["KillSignal"], service["Restart"]) == ("notify", "SIGTERM", "on-failure")
    assert int(service["TimeoutStopSec"]) > 2 * (DRAIN_SECONDS + CLOSING_SECONDS_MAX + STOP_SECONDS_MAX)
    assert int(service["LimitNOFILE"]) > 2 * CONNECTIONS_MAX
    assert (service["StateDirectory"], service["DynamicUser"]) == ("tickwire", "yes")
    assert service["MemoryMax"] == "2G"
    assert (service["ProtectSystem"], service["NoNewPrivileges"], service["CapabilityBoundingSet"]) == (
        "strict",
        "yes",
        "",
    )


async def test_the_units_command_says_when_it_is_ready_and_stops_in_order(
    unit: configparser.ConfigParser, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        loop = asyncio.get_running_loop()
        env = environment(NOTIFY_SOCKET=str(tmp_path / "notify"), TICKWIRE_PORT="0")
        async with started(exec_start(unit, tmp_path), env, tmp_path) as process:
            assert await loop.sock_recv(manager, 100) == b"READY=1"
            async with connect(await url_of(process)) as ws:
                assert json.loads(await ws.recv())["type"] == "hello"
            process.send_signal(getattr(signal, unit["Service"]["KillSignal"]))
            assert await loop.sock_recv(manager, 100) == b"STOPPING=1"
            assert await process.wait() == 0
    assert (tmp_path / "tickwire" / "tape.db").exists()


async def test_settings_that_are_wrong_end_with_the_code_that_is_not_tried_again(
    unit: configparser.ConfigParser, tmp_path: Path
) -> None:
    async with started(exec_start(unit, tmp_path), environment(TICKWIRE_PORT="99999"), tmp_path) as process:
        assert await process.wait() == int(unit["Service"]["RestartPreventExitStatus"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace(PROGRAM, sys.executable))  # it looks whether the program is there
    verify = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (verify.returncode, verify.stderr) == (0, "")
    copy.write_text(copy.read_text().replace("Type=notify", "Typ=notify"))
    verify = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert re.search("Unknown key.* 'Typ'", verify.stderr)


# ---- container ---------------------------------------------------------------------------------------


class Step(NamedTuple):
    """An instruction of the Dockerfile."""

    name: str
    text: str

    @property
    def sources(self) -> list[str]:
        """What a COPY takes from the repository; nothing where that is from another stage."""
        return [] if self.text.startswith("--from") else self.text.split()[:-1]


def stages() -> list[list[Step]]:
    """The Dockerfile's instructions, a list for each FROM."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    steps = [Step(*line.split(maxsplit=1)) for line in joined.splitlines() if line]
    starts = [index for index, step in enumerate(steps) if step.name == "FROM"]
    assert starts[0] == 0
    return [steps[start:end] for start, end in zip(starts, [*starts[1:], len(steps)], strict=True)]


PAGE, BUILD, IMAGE = stages()
ENV = dict(word.split("=", 1) for step in IMAGE if step.name == "ENV" for word in step.text.split())


def only(name: str) -> str:
    """The one instruction of this name in the last stage."""
    (text,) = [step.text for step in IMAGE if step.name == name]
    return text


def healthcheck() -> list[str]:
    command: list[str] = json.loads(only("HEALTHCHECK").partition("CMD ")[2])
    return command


def test_the_image_runs_as_nobody_in_particular_and_keeps_its_data_in_a_volume() -> None:
    known = {"FROM", "WORKDIR", "RUN", "COPY", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL"}
    assert {step.name for step in BUILD + IMAGE} == known | {"ENTRYPOINT", "CMD"}
    assert BUILD[0].text.split()[0] == IMAGE[0].text
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", IMAGE[0].text)
    assert only("USER") == "10001"
    assert "--uid 10001 " in only("RUN")
    assert only("VOLUME") == ENV["TICKWIRE_DATA_DIR"]
    assert only("EXPOSE") == ENV["TICKWIRE_PORT"]
    assert only("STOPSIGNAL") == "SIGTERM"
    assert only("COPY").split() == ["--from=build", "/opt/tickwire", "/opt/tickwire"]


def test_all_that_is_copied_is_there_and_nothing_else_is_sent_to_the_engine() -> None:
    sources = [source for step in PAGE + BUILD if step.name == "COPY" for source in step.sources]
    assert {"src", "dashboard"} < set(sources)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    assert ignored[1] == "*"
    assert allowed == set(sources)
    assert all((ROOT / source).exists() for source in sources)


def test_what_is_installed_is_pinned_with_hashes() -> None:
    (install,) = [step.text for step in BUILD if "run.txt" in step.text and step.name == "RUN"]
    assert "--require-hashes" in install
    text = (ROOT / "requirements" / "run.txt").read_text()
    pins = re.split(r"\n(?=\S)", text.strip())
    assert len(pins) > 10
    assert all(re.match(r"[a-z0-9-]+==[^ ]+ .*\\\n +--hash=sha256:", pin, re.DOTALL) for pin in pins if pin[0] != "#")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The build stage, carried out: /opt/tickwire of the image. The page, which the stage before builds, is that of the
    checkout."""
    folder, made = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("opt") / "tickwire"
    for step in BUILD:
        if step.name == "COPY":
            target = step.text.split()[-1]
            for source in step.sources:
                copy = folder / target / (source if target == "./" else "")
                copy.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, copy, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copyfile(ROOT / source, copy)
        elif step.name == "RUN":
            command = shlex.split(step.text.replace("/opt/tickwire", str(made)))
            command[0] = sys.executable if command[0] == "python" else command[0]
            run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if "connection broken by" in run.stderr:
                pytest.skip("there is no package index here to build from")
            assert run.returncode == 0, run.stderr
    yield made
    shutil.rmtree(made)


async def probe(built: Path, port: str) -> int | None:
    """The exit code of the image's health check."""
    env = environment(**ENV | {"PATH": f"{built / 'bin'}:{os.environ['PATH']}", "TICKWIRE_PORT": port})
    command = [str(built / "bin" / "python"), *healthcheck()[1:]]
    process = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


def test_the_program_in_the_image_knows_its_version(built: Path) -> None:
    version = subprocess.run([built / "bin" / "tickwire", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"tickwire {__version__}\n"


def test_the_page_is_in_the_image(built: Path) -> None:
    page = ROOT / "src" / "tickwire" / "page"
    if not page.exists():
        pytest.skip("the page is not built: there is no npm here")
    (installed,) = built.glob("lib/python*/site-packages/tickwire/page")
    names = {path.name: path.read_bytes() for path in installed.rglob("*") if path.is_file()}
    assert names == {path.name: path.read_bytes() for path in page.rglob("*") if path.is_file()}
    assert "index.html" in names


async def test_the_image_serves_and_its_health_check_knows_a_server_that_drains(built: Path, tmp_path: Path) -> None:
    assert healthcheck()[0] == "python"

    command = json.loads(only("ENTRYPOINT")) + json.loads(only("CMD"))
    assert command[0] == "tickwire"
    settings = {"TICKWIRE_HOST": "127.0.0.1", "TICKWIRE_PORT": "0", "TICKWIRE_DATA_DIR": str(tmp_path / "data")}
    assert settings.keys() <= ENV.keys()
    env = environment(**ENV | settings | {"TICKWIRE_DRAIN_SECONDS": "600", "PATH": os.environ["PATH"]})
    async with started([str(built / "bin" / command[0]), *command[1:]], env, tmp_path) as process:
        url = await url_of(process)
        port = url.removesuffix("/ws").rpartition(":")[2]
        assert await probe(built, port) == 0
        async with connect(url) as ws:
            process.send_signal(getattr(signal, only("STOPSIGNAL")))
            while json.loads(await ws.recv())["type"] != "drain":
                pass
            assert await probe(built, port) == 1
        assert await process.wait() == 0
        assert await probe(built, port) == 1
    assert (tmp_path / "data" / "tape.db").exists()
