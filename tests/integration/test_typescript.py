"""The TypeScript client, built and run by Node, against a real server: what it sees is asserted here."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from proxy import Proxy
from serving import serving
from tickwire import connect
from tickwire.keyfile import KeyFile, KeyKind
from tickwire.server.keys import KeyStore

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "clients" / "typescript"
WAIT_SECONDS = 60
# Node 22 and newer have a WebSocket without being told
ENVIRONMENT = {**os.environ, "NODE_OPTIONS": "--experimental-websocket --no-warnings"}

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="needs Node"),
    pytest.mark.skipif(not (ROOT / "node_modules").is_dir(), reason="needs the packages of Node: npm ci"),
]


def run(*command: str, cwd: Path = PACKAGE) -> str:
    """What a command prints; its errors are the test's."""
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=WAIT_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`test/live.ts`, and with it the client, as JavaScript."""
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tsconfig.json").write_text(
        json.dumps(
            {
                "extends": str(PACKAGE / "tsconfig.build.json"),
                "compilerOptions": {
                    "rootDir": str(PACKAGE),
                    "outDir": str(folder),
                    "types": ["node"],
                    "typeRoots": [str(ROOT / "node_modules" / "@types")],
                },
                "files": [str(PACKAGE / "test" / "live.ts")],
                "include": [],
            }
        )
    )
    run(str(ROOT / "node_modules" / ".bin" / "tsc"), "-p", str(folder))
    return folder / "test" / "live.js"


class Program:
    """A running `live.ts`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def said(self) -> dict[str, Any]:
        """The next that it says."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = await self._process.stdout.readline()
        assert line, (await self._process.stderr.read()).decode()
        said: dict[str, Any] = json.loads(line)
        return said

    def go_on(self) -> None:
        """Let it go on where it waits."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")


@asynccontextmanager
async def running(program: Path, *arguments: str) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        "node",
        str(program),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
        env=ENVIRONMENT,
    )
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            yield Program(process)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def key(folder: Path, account: str, scope: str, kind: KeyKind) -> KeyFile:
    with closing(KeyStore(folder / "keys.db")) as store:
        return store.create(account, scopes=["read", scope], kind=kind)[1]


@pytest.mark.parametrize(("encoding", "kind"), [("json", "ed25519"), ("msgpack", "hmac")])
async def test_a_client_trades_and_survives_a_cut(program: Path, tmp_path: Path, encoding: str, kind: KeyKind) -> None:
    data = tmp_path / "data"
    data.mkdir()
    key(data, "alice", "trade", kind).save(tmp_path / "alice.key")
    operator = key(data, "operator", "admin", "hmac")
    async with serving("--data-dir", str(data)) as server:
        async with connect(server.url, key=operator) as admin:
            deposit = {"account": "alice", "asset": "USDT", "amount": "1000", "transfer_id": "one"}
            await admin.request("admin.deposit", deposit)
        port = urlsplit(server.url).port
        assert port is not None
        async with Proxy(port) as proxy, running(program, proxy.url, encoding, str(tmp_path / "alice.key")) as node:
            assert await node.said() == {"account": "alice", "scopes": ["read", "trade"], "state": "open", "ping": True}

            said = await node.said()
            same_book(said["compared"])
            assert said["balances"] == [{"asset": "USDT", "available": "1000", "held": "0"}]

            said = await node.said()
            order = said["placed"]
            assert (order["client_order_id"], order["status"]) == ("one", "open")
            assert (order["price"], order["size"], order["remaining"]) == ("96000.00", "0.01000", "0.01000")
            assert int(order["created"]) > 1_700_000_000_000_000_000
            assert float(said["held"]) >= 960  # with the fee
            said = await node.said()
            assert said["amended"] == "0.00500"
            assert (said["canceled"]["order_id"], said["canceled"]["status"]) == (order["order_id"], "canceled")
            assert said["held"] == "0"

            said = await node.said()
            assert (said["bought"]["status"], said["bought"]["type"]) == ("filled", "market")
            assert (said["bought"]["filled"], said["fills"][0]["liquidity"]) == ("0.00100", "taker")
            assert said["told"] == said["fills"]
            assert await node.said() == {"refusal": "duplicate_id"}

            assert await node.said() == {"ready": "to be cut"}
            proxy.cut()
            proxy.mend()
            node.go_on()
            said = await node.said()
            same_book(said["compared"])
            assert said["valid"] == [True, True]
            went_on(said)
            assert await node.said() == {"state": "closed", "end": "it is closed"}


def same_book(compared: dict[str, Any]) -> None:
    assert compared["live"] == compared["server"]
    assert min(map(len, compared["server"][:2])) > 5


def went_on(said: dict[str, Any]) -> None:
    """Over a second connection, with every trade and nothing else."""
    events = said["events"]
    assert events[:3] == ["lost", "waiting", "connecting"]
    assert events[-2:] == ["login", "open"]
    types, seqs = zip(*said["trades"], strict=True)
    assert types == ("snapshot", *["update"] * (len(seqs) - 1))
    assert list(seqs) == list(range(seqs[0], seqs[0] + len(seqs)))
    assert [notice["type"] for notice in said["notices"]] == ["resumed"]
    assert seqs[0] <= said["notices"][0]["after"] < seqs[-1]
    stats = said["stats"]
    assert stats["resumed"] == 7  # book, book_l3, trades and four of the account
    wrong = ("lost", "gaps", "skipped", "checksumMismatches", "unknown", "unexpected", "malformed")
    assert {name: stats[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert stats["connections"] == 2


async def test_the_package_is_whole_and_its_example_runs_in_plain_node(tmp_path: Path) -> None:
    (packed,) = json.loads(run("npm", "pack", "--json", "--pack-destination", str(tmp_path)))
    names = {file["path"] for file in packed["files"]}
    modules = {path.stem for path in (PACKAGE / "src").glob("*.ts")}
    built = {f"dist/{name}.{ending}" for name in modules for ending in ("js", "d.ts")}
    assert names == {"README.md", "LICENSE", "package.json", *built}
    shutil.unpack_archive(tmp_path / packed["filename"], tmp_path)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "package").rename(tmp_path / "node_modules" / "tickwire")
    example = re.findall(r"```js\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    assert len(example) == 1
    async with serving() as server:
        (tmp_path / "example.mjs").write_text(example[0].replace("ws://127.0.0.1:8000/ws", server.url))
        said = await asyncio.to_thread(run, "node", "example.mjs", cwd=tmp_path)
    level = r"\[ '\d+\.\d\d', '\d+\.\d{5}' \]"
    trade = r"\d+ (buy|sell) \d+\.\d{5} at \d+\.\d\d\n"
    assert re.fullmatch(rf"spread: {level} {level}\nopen \d+ \d+\.\d+\n({trade}){{5}}", said), said


def test_the_license_is_the_project_s() -> None:
    assert (PACKAGE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
