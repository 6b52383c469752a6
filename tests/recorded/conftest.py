"""Where the recordings are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of recorded data; the test is skipped for want of it."""
    folder = os.environ.get("TICKWIRE_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set TICKWIRE_DATA to the folder of recorded data")
    return Path(folder)
