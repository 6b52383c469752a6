"""The TypeScript client with a real server (`clients/typescript/test/server.test.ts`), and its package as published."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest

from serving import serving
from tickwire.keyfile import KeyKind
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


def run(*command: str, cwd: Path = PACKAGE, **environment: str) -> str:
    """What a command prints; its errors are the test's."""
    environment = ENVIRONMENT | environment
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=WAIT_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_the_client_and_a_server_keep_their_promises_to_each_other(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path / "keys.db")) as store:
        for kind in get_args(KeyKind):
            store.create("alice", scopes=["read", "trade"], kind=kind)[1].save(tmp_path / f"{kind}.key")
    world = {"TICKWIRE_PYTHON": sys.executable, "TICKWIRE_FOLDER": str(tmp_path)}
    vitest = str(ROOT / "node_modules" / "vitest" / "vitest.mjs")
    said = await asyncio.to_thread(
        run, "node", vitest, "run", "clients/typescript/test/server.test.ts", cwd=ROOT, **world
    )
    assert "7 passed" in said, said


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
