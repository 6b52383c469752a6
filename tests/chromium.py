"""Chromium, driven by Playwright, for the tests that need a browser. Without Chromium they are skipped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

from benchmarks.chromium import MISSING, OPTIONS, PROGRAM

needs_chromium = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser without a window, ended with the block."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=PROGRAM, args=OPTIONS) as browser,
    ):
        yield browser
