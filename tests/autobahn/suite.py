"""The Autobahn test suite itself: its interpreter, its installation, and a run of it against the four echoes.

It needs Python 2.7. All of it goes into the folder `.autobahn`: the packages, which pip installs as a user's with that
folder for a home, and the reports of the last run, to be opened in a browser.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from autobahn.peers import BARE_CLIENT, BARE_SERVER, CLIENT, SERVER

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".autobahn"
REQUIREMENTS = ROOT / "requirements" / "autobahn.txt"
START_SECONDS_MAX = 30
RUN_SECONDS_MAX = 3_600

Results = dict[str, dict[str, Any]]
"""By peer and case, what the suite's index says of it."""


class Missing(Exception):
    """The suite can't be run here; the message says what is wanted."""


def python2() -> str:
    """A Python 2.7 that runs: what the variable PYTHON2 names, one on the path, or one of pyenv's.

    Raises:
        Missing: there is none.
    """
    named = os.environ.get("PYTHON2")
    for command in [named] if named else _candidates():
        probe = [command, "-c", "import sys, pip; print(sys.version[:4])"]
        try:
            if subprocess.run(probe, capture_output=True, timeout=START_SECONDS_MAX).stdout.strip() == b"2.7.":
                return command
        except (OSError, subprocess.TimeoutExpired):
            continue
    if named:
        raise Missing(f"PYTHON2 is {named}, which is no Python 2.7 with pip")
    raise Missing("the Autobahn test suite needs Python 2.7 with pip, and none is here; PYTHON2 may name one")


def _candidates() -> list[str]:
    found = [path for name in ("python2.7", "python2") if (path := shutil.which(name))]
    if pyenv := shutil.which("pyenv"):
        versions = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, text=True).stdout.split()
        for version in versions:
            if version.startswith("2.7."):
                prefix = subprocess.run([pyenv, "prefix", version], capture_output=True, text=True).stdout.strip()
                found.append(f"{prefix}/bin/python")
    return found


def installed() -> bool:
    """Whether `install` has nothing to do."""
    stamp = FOLDER / "installed"
    return stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text()


def install() -> None:
    """Have the pinned packages in `FOLDER`.

    Raises:
        Missing: there is no Python 2.7, or pip fails.
    """
    if installed():
        return
    python = python2()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-warn-script-location"]
    if subprocess.run([*pip, "--no-deps", "--user", "-r", str(REQUIREMENTS)], env=_environment()).returncode:
        raise Missing(f"pip of {python} could not install {REQUIREMENTS.relative_to(ROOT)}")
    (FOLDER / "installed").write_text(REQUIREMENTS.read_text())


def _environment() -> dict[str, str]:
    names = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return names | {"PYTHONUSERBASE": str(FOLDER), "PYTHONWARNINGS": "ignore"}


# ---- a run ---------------------------------------------------------------------------------------


async def run(cases: list[str], folder: Path) -> Results:
    """Run cases against all four peers, servers and clients at once.

    Args:
        cases: patterns such as `6.*`.
        folder: for the reports.
    """
    async with asyncio.timeout(RUN_SECONDS_MAX), asyncio.TaskGroup() as group:
        sides = [group.create_task(side(cases, folder)) for side in (_servers, _clients)]
    return {peer: results for side in sides for peer, results in side.result().items()}


async def _servers(cases: list[str], folder: Path) -> Results:
    async with _peer(SERVER) as ours, _peer(BARE_SERVER) as bare:
        urls = {SERVER: f"ws://127.0.0.1:{await _port(ours)}/ws", BARE_SERVER: f"ws://127.0.0.1:{await _port(bare)}"}
        spec = {"servers": [{"agent": name, "url": url} for name, url in urls.items()]}
        async with _suite("fuzzingclient", spec, cases, folder) as suite:
            await suite.wait()
    return _results("fuzzingclient", folder)


async def _clients(cases: list[str], folder: Path) -> Results:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"ws://127.0.0.1:{port}"
    async with _suite("fuzzingserver", {"url": url}, cases, folder):
        await _listening(port)
        for name in (CLIENT, BARE_CLIENT):
            async with _peer(name, url) as client:
                await client.wait()
    return _results("fuzzingserver", folder)


@asynccontextmanager
async def _peer(*arguments: str) -> AsyncIterator[Process]:
    command = [sys.executable, "-m", "autobahn.peers", *arguments]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    async with _running(await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=environment)) as peer:
        yield peer


@asynccontextmanager
async def _suite(mode: str, spec: dict[str, Any], cases: list[str], folder: Path) -> AsyncIterator[Process]:
    spec |= {"cases": cases, "exclude-cases": [], "exclude-agent-cases": {}, "outdir": str(folder / mode)}
    path = folder / f"{mode}.json"
    path.write_text(json.dumps(spec))
    command = [str(FOLDER / "bin" / "wstest"), "-m", mode, "-u", "0", "-s", str(path)]
    with (folder / f"{mode}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, env=_environment())
    async with _running(process) as suite:
        yield suite


@asynccontextmanager
async def _running(process: Process) -> AsyncIterator[Process]:
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _port(server: Process) -> int:
    assert server.stdout is not None
    async with asyncio.timeout(START_SECONDS_MAX):
        return int(await server.stdout.readline())


async def _listening(port: int) -> None:
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _results(mode: str, folder: Path) -> Results:
    index = folder / mode / "index.json"
    assert index.exists(), f"the suite has written no report; {folder / mode}.log says why"
    results: Results = json.loads(index.read_text())
    return results
