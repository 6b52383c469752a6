"""The TypeScript client and a real server: `clients/typescript/test/server.test.ts`, run by the Node that is here."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VITEST = ROOT / "node_modules" / "vitest" / "vitest.mjs"
SECONDS_MAX = 180
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None or not VITEST.exists(), reason="no Node, or `npm ci` was not run")
async def test_the_client_and_the_server_keep_their_promises_to_each_other() -> None:
    assert NODE is not None
    # Node has had a WebSocket since 21; 20 has it for the asking
    environment = os.environ | {"TICKWIRE_PYTHON": sys.executable, "NODE_OPTIONS": "--experimental-websocket"}
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(VITEST),
        *("run", "clients/typescript/test/server.test.ts"),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS_MAX):
            said = (await process.stdout.read()).decode()
            assert await process.wait() == 0, said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "3 passed" in said, said
