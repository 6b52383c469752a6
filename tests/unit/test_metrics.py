"""Metrics: what is counted where, how it is shown, and that the dashboard, the alerts and the page name just these."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scraping import Values, of, values
from support import BTC, START_NS, ListSink, World, order
from tickwire.meters import FAST_NS, Histogram, Meters
from tickwire.model.channel import StreamKey
from tickwire.model.records import FeedStatus
from tickwire.observe.metrics import ROWS, Metrics, Observed
from tickwire.protocol.codec import JSON, MSGPACK, NativeCodec
from tickwire.protocol.session import ALL_METHODS
from tickwire.streams.log import Cursor, Log, Retention
from tickwire.tape.memory import MemoryTape
from tickwire.testing.clock import ManualClock

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BOOK = StreamKey("book", BTC.symbol)
QUOTES = StreamKey("quotes", BTC.symbol)
NAMES = {row.name for row in ROWS}
LIBRARY = {
    "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_cpu_seconds_total",
    "python_gc_collections_total",
}  # fmt: skip
"""Those of prometheus-client that the dashboard and the page name."""


CODEC = NativeCodec(JSON, World().renderer)


class FakeClient:
    """A connection, as far as metrics see one."""

    def __init__(self, encoding: str = JSON.name, key_id: str | None = None, unsent: int = 0, *behind: int) -> None:
        self.encoding = encoding
        self.key_id = key_id
        self.unsent_bytes = unsent
        self.lagging: dict[Cursor, None] = {}
        for count in behind:
            cursor = Cursor(Log(BOOK, CODEC, 100), ListSink(encoding))
            cursor.index, cursor.seq = 0, 100 - count
            self.lagging[cursor] = None


def scraped(
    *clients: FakeClient, meters: Meters | None = None, world: World | None = None, unready: str = ""
) -> Values:
    world = world or World()
    observed = Observed(
        meters=meters or Meters(),
        market=world.market,
        tape=MemoryTape(),
        now=world.clock,
        clients=lambda: clients,
        unready=lambda: unready,
        pending_records=lambda: 7,
    )
    body, content_type = Metrics(observed).text()
    assert content_type.startswith("text/plain; version=")
    return values(body.decode())


# ---- counting ----------------------------------------------------------------------------------------


def test_a_histogram_counts_a_value_at_its_bound_below_it() -> None:
    histogram = Histogram((10, 20))
    for value in (0, 10, 11, 20, 21, 1000, -7):
        histogram.add(value)
    assert (histogram.counts, histogram.total) == ([3, 2, 2], 1062)


def test_the_hub_counts_what_it_hands_over_by_encoding() -> None:
    meters = Meters()
    world = World(meters=meters)
    sinks = [ListSink(), ListSink(), ListSink(MSGPACK.name)]
    for sink in sinks:
        world.hub.subscribe(BOOK, sink)
    meters.sent.clear()
    world.do(order("buy", 100, 1), order("buy", 99, 1))  # two updates of the book: one segment
    world.do(order("sell", 101, 1))
    size = {sink: len(b"".join(b"".join(write) for write in sink.writes)) for sink in sinks}
    assert sent(meters) == {JSON.name: (6, size[sinks[0]] + size[sinks[1]]), MSGPACK.name: (3, size[sinks[2]])}
    assert meters.dropped == {"gap": 0, "skipped": 0}


@pytest.mark.parametrize(("key", "kind", "count"), [(BOOK, "gap", 5), (QUOTES, "skipped", 4)])
def test_what_a_slow_client_is_not_given_is_counted(key: StreamKey, kind: str, count: int) -> None:
    meters = Meters()
    world = World(Retention(bytes_max=1), meters=meters)
    sink = ListSink()
    world.hub.subscribe(key, sink)
    world.do(order("buy", 90, 1))
    sink.fill()
    sink.messages()
    meters.sent.clear()
    for price in range(91, 96):  # five messages of the stream, of which the newest is kept
        world.do(order("buy", price, 1))
    assert sent(meters) == {JSON.name: (0, 0)}
    sink.ready = True
    world.hub.catch_up(sink)
    messages = sink.messages()
    told = next(message for message in messages if message.get("type") == kind)
    assert told["to"] - told["from"] + 1 == count
    assert meters.dropped == {"gap": 0, "skipped": 0} | {kind: count}
    assert meters.sent[JSON.name].messages == len(messages) == 3


def test_orders_are_counted_by_what_they_came_to_also_in_batches() -> None:
    meters = Meters()
    meters.requests.update(
        {
            ("order.place", "ok"): 3,
            ("order.place", "insufficient_balance"): 2,
            ("order.list", "ok"): 9,
            ("ping", "ok"): 1,
        }
    )
    meters.batched.update({("order.place", "ok"): 10, ("order.cancel", "unknown_order"): 4})
    assert of(scraped(meters=meters), "tickwire_orders_total") == {
        ("place", "accepted"): 13,
        ("place", "insufficient_balance"): 2,
        ("cancel", "unknown_order"): 4,
    }


def sent(meters: Meters) -> dict[str, tuple[int, int]]:
    return {encoding: (each.messages, each.size) for encoding, each in meters.sent.items()}


# ---- showing -----------------------------------------------------------------------------------------


def test_clients_are_summed_up() -> None:
    found = scraped(
        FakeClient(),
        FakeClient(JSON.name, "77aa", 10, 3, 40),
        FakeClient(MSGPACK.name, "77bb", 500, 7),
    )
    assert of(found, "tickwire_connections") == {(JSON.name,): 2, (MSGPACK.name,): 1}
    assert of(found, "tickwire_sessions_logged_in") == {(): 2}
    assert of(found, "tickwire_clients_lagging") == {(): 2}
    assert of(found, "tickwire_lag_messages_max") == {(): 43}
    assert of(found, "tickwire_unsent_bytes") == {(): 510}
    assert of(found, "tickwire_unsent_bytes_max") == {(): 500}
    assert of(found, "tickwire_pending_records") == {(): 7}


def test_a_histogram_is_shown_in_seconds_and_cumulated() -> None:
    meters = Meters()
    for value in (50_000, 60_000, 20_000_000_000):
        meters.commit_ns.add(value)
    found = scraped(meters=meters)
    buckets = {labels[0]: value for labels, value in of(found, "tickwire_tape_commit_seconds_bucket").items()}
    assert (buckets["5e-05"], buckets["0.0001"], buckets["5.0"], buckets["+Inf"]) == (1, 2, 2, 3)
    assert len(buckets) == len(FAST_NS) + 1
    assert of(found, "tickwire_tape_commit_seconds_sum") == {(): 20.00011}
    assert of(found, "tickwire_tape_commit_seconds_count") == {(): 3}
    meters.transaction_records.add(3)
    sizes = of(scraped(meters=meters), "tickwire_transaction_records_bucket")
    assert (sizes[("2.0",)], sizes[("5.0",)]) == (0, 1)


def test_close_codes_that_no_table_has_share_one_label() -> None:
    meters = Meters()
    meters.closes.update({4001: 2, 1000: 1, 4999: 3, 3000: 4})
    assert of(scraped(meters=meters), "tickwire_closes_total") == {("4001",): 2, ("1000",): 1, ("other",): 7}


def test_a_feed_shows_its_state_and_its_age() -> None:
    world, meters = World(), Meters()
    world.do(FeedStatus("test", "live"), FeedStatus("other", "stale", "nothing for 10 seconds"))
    meters.feed_ns["test"] = world.clock() - 2_500_000_000
    found = scraped(meters=meters, world=world)
    assert {key for key, value in of(found, "tickwire_feed_state").items() if value} == {
        ("test", "live"),
        ("other", "stale"),
    }
    assert len(of(found, "tickwire_feed_state")) == 6
    assert of(found, "tickwire_feed_age_seconds") == {("test",): 2.5}
    assert of(found, "tickwire_tape_age_seconds") == {(): 0}
    world.clock.advance(ms=1500)
    assert of(scraped(world=world), "tickwire_tape_age_seconds") == {(): 1.5}


def test_ready_says_what_readyz_says() -> None:
    assert of(scraped(), "tickwire_ready") == {(): 1}
    assert of(scraped(unready="draining"), "tickwire_ready") == {(): 0}


def test_every_metric_is_there_from_the_start_with_its_help() -> None:
    observed = Observed(Meters(), World().market, MemoryTape(), ManualClock(START_NS), tuple, lambda: "", lambda: 0)
    text = Metrics(observed).text()[0].decode()
    for row in ROWS:
        assert f"# HELP {row.name} {row.help}" in text
        assert f"# TYPE {row.name} {row.kind}" in text
    for name in LIBRARY:
        assert f"\n{name}" in text


def test_names_carry_their_units_and_kinds() -> None:
    assert len(NAMES) == len(ROWS)
    for row in ROWS:
        assert re.fullmatch(r"tickwire_[a-z_]+", row.name)
        assert row.name.endswith("_total") == (row.kind == "counter")
        if row.kind == "histogram":
            assert row.name.endswith(("_seconds", "_records"))


def test_methods_of_the_label_are_those_of_the_protocol() -> None:
    assert {"order.place", "subscribe", "ping"} <= set(ALL_METHODS)
    assert "unknown" not in ALL_METHODS


# ---- what names them ---------------------------------------------------------------------------------


def expressions(node: Any) -> list[str]:
    """Every query in a dashboard."""
    if isinstance(node, dict):
        return [
            text
            for name, each in node.items()
            for text in ([each] if name in ("expr", "query") and isinstance(each, str) else expressions(each))
        ]
    return [text for each in node for text in expressions(each)] if isinstance(node, list) else []


def named(text: str) -> set[str]:
    """The metrics in queries; of a histogram's series, the histogram."""
    found = set(re.findall(r"\b(?:tickwire|process|python)_[a-z_]+", text))
    histograms = {row.name for row in ROWS if row.kind == "histogram"}
    return {
        next((base for base in histograms if name in (f"{base}_bucket", f"{base}_sum", f"{base}_count")), name)
        for name in found
    }


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    assert named("\n".join(expressions(dashboard))) == NAMES | LIBRARY
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    for at, one in enumerate(places):
        assert one["x"] + one["w"] <= 24
        for two in places[:at]:
            apart = (
                one["x"] >= two["x"] + two["w"]
                or two["x"] >= one["x"] + one["w"]
                or one["y"] >= two["y"] + two["h"]
                or two["y"] >= one["y"] + one["h"]
            )
            assert apart, (one, two)


def test_the_queries_use_labels_that_the_metrics_have() -> None:
    labels = {row.name: {*row.labels, "job", "instance", "le"} for row in ROWS}
    texts = [*expressions(json.loads((DEPLOY / "grafana.json").read_text())), *alerts().values()]
    for text in texts:
        for name, selector in re.findall(r"\b(tickwire_[a-z_]+)\{([^}]*)\}", text):
            (base,) = named(name)
            assert set(re.findall(r"(\w+)(?:=~|!=|=)", selector)) <= labels[base], text
        for by, name in re.findall(r"by \(([^)]*)\) \((?:rate\()?(tickwire_[a-z_]+)", text):
            (base,) = named(name)
            assert set(by.split(", ")) <= labels[base], text


def alerts() -> dict[str, str]:
    """The alerts' expressions by name."""
    text = (DEPLOY / "alerts.yml").read_text()
    return dict(re.findall(r"- alert: (\w+)\n +expr: (.+)\n", text))


def test_the_alerts_name_metrics_that_there_are_and_the_page_explains_each() -> None:
    found = alerts()
    assert len(found) == (DEPLOY / "alerts.yml").read_text().count("- alert:") >= 5
    assert named("\n".join(found.values())) <= NAMES | LIBRARY
    assert {"tickwire_ready", "tickwire_feed_state", "tickwire_loop_lag_seconds", "tickwire_clients_lagging"} <= named(
        "\n".join(found.values())
    )
    page = (ROOT / "docs" / "howto" / "observe.md").read_text()
    assert set(re.findall(r"^\| `(Tickwire\w+)` \|", page, re.MULTILINE)) == set(found)
    assert named(page) - {"tickwire_"} <= NAMES | LIBRARY
