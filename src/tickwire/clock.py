"""Time, as everything that needs it is given it: a function that returns nanoseconds since the Unix epoch, UTC."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

NowNs: TypeAlias = Callable[[], int]

wall_clock_ns: NowNs = time.time_ns
