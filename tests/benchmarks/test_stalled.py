from __future__ import annotations

from argparse import Namespace

import pytest

from benchmarks.results import Wrong
from benchmarks.stalled import POINTS, growth, per_stalled, run


def test_growth_is_what_the_last_look_before_a_time_has_seen() -> None:
    last = POINTS - 1
    samples = [(0, 100), (5 * last, 150), (15 * last, 400), (40 * last, 1_000)]
    assert growth(samples, 0, 20 * last) == [
        50 if 5 * last <= 20 * n < 15 * last else 300 if 20 * n >= 15 * last else 0 for n in range(POINTS)
    ]
    assert growth(samples, 50 * last, 60 * last) == [900] * POINTS


def test_memory_of_a_stalled_client_is_what_is_more_than_undisturbed() -> None:
    assert per_stalled([0, 1_024, 2_048], [0, 5_120, 4_096], 2) == [0.0, 2.0, 1.0]


@pytest.mark.parametrize("stalled", [0, 2])
def test_a_message_that_is_lost_is_found(stalled: int) -> None:
    given = Namespace(clients=3, rate=500, seconds=0.2, lose=20)
    with pytest.raises(Wrong, match=f"tickwire, {stalled} of 3 clients stalled: message 20 was to come"):
        run("tickwire", given, stalled)
