"""The benchmarks check their own answers. No test looks at a time."""

from __future__ import annotations

import ctypes
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import bench_fold
from benchmarks.bench_latency import Sample, quantiles
from benchmarks.bench_orders import Trader, check
from benchmarks.bench_orders_server import steps
from benchmarks.fanout_load import Reader as ByteReader
from benchmarks.fanout_load import Stream, Wrong
from benchmarks.fanout_workload import frame, payload
from tickwire.model.records import CancelOrder
from tickwire.protocol.codec import JSON
from tickwire.tape.memory import MemoryTape

ROOT = Path(__file__).resolve().parents[2]
HEARTBEAT = JSON.frame(
    {"type": "heartbeat", "time": 1, "streams": [{"channel": "trades", "symbol": "S", "seq": 3}] * 3}
)


def run(benchmark: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / benchmark), "--smoke", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def read(chunks: list[bytes], messages: int) -> ByteReader:
    reader = ByteReader(Stream(messages))
    for chunk in chunks:
        buffer = ctypes.create_string_buffer(chunk, len(chunk))
        reader.received(ctypes.addressof(buffer), len(chunk))
    return reader


# ---- fan-out --------------------------------------------------------------------------------------


def test_fanout_runs_and_reports_every_contestant(tmp_path: Path) -> None:
    result = run("fanout.py", "--json", str(tmp_path / "result.json"))
    assert (result.returncode, result.stderr) == (0, "")
    runs = json.loads((tmp_path / "result.json").read_text())["runs"]["5"]
    assert list(runs) == ["tickwire", "websockets", "socketify"]
    assert all(each["messages_per_s"] > 0 for rounds in runs.values() for each in rounds)


@pytest.mark.parametrize("contestant", ["tickwire", "websockets", "socketify"])
def test_fanout_fails_when_a_message_is_lost(contestant: str) -> None:
    result = run("fanout.py", "--only", contestant, "--lose", "7")
    assert result.returncode == 1
    assert f"WRONG: {contestant}, 5 clients: message 7 was to come, but this came" in result.stderr
    assert "000000000008" in result.stderr


def test_a_message_is_127_bytes_on_the_wire_and_bears_its_number() -> None:
    assert len(payload(41)) == 125
    assert payload(41).startswith(b'{"n":000000000041,')
    assert frame(41) == b"\x81\x7d" + payload(41)
    assert payload(41) != payload(42)


@pytest.mark.parametrize("size", [1, 2, 126, 127, 128, 1000])
def test_the_stream_is_accepted_in_pieces_of_any_size(size: int) -> None:
    data = b"".join(map(frame, range(6)))
    reader = read([data[at : at + size] for at in range(0, len(data), size)], 6)
    assert (reader.complete, reader.heartbeats) == (True, 0)


@pytest.mark.parametrize("size", [1, 3, 126, 127, 1000])
def test_a_heartbeat_between_two_messages_is_no_error(size: int) -> None:
    data = HEARTBEAT + frame(0) + HEARTBEAT + HEARTBEAT + frame(1) + frame(2) + HEARTBEAT
    reader = read([data[at : at + size] for at in range(0, len(data), size)], 3)
    assert (reader.complete, reader.begun, reader.heartbeats) == (True, b"", 4)


@pytest.mark.parametrize(
    "frames",
    [
        [frame(0), frame(2), frame(3)],
        [frame(0), frame(0), frame(1)],
        [frame(1), frame(0), frame(2)],
        [frame(0), frame(1)[:-3] + b"?" + frame(1)[-2:], frame(2)],
        [frame(0), frame(1), frame(2), frame(3)],
        [frame(0), JSON.frame({"type": "gap"}), frame(1), frame(2)],
        [frame(0), JSON.frame({"type": "skipped"}), frame(1), frame(2)],
    ],
    ids=["lost", "twice", "swapped", "changed", "too many", "gap", "skipped"],
)
def test_anything_else_is_an_error(frames: list[bytes]) -> None:
    with pytest.raises(Wrong, match="was to come, but this came"):
        read([b"".join(frames)], 3)
    with pytest.raises(Wrong, match="was to come, but this came"):
        read(frames, 3)


# ---- fold -----------------------------------------------------------------------------------------


def test_fold_runs() -> None:
    result = run("bench_fold.py")
    assert (result.returncode, result.stderr) == (0, "")
    rows = [line.split()[:2] for line in result.stdout.splitlines() if line.startswith(("memory", "sqlite"))]
    assert rows == [[tape, size] for size in ("1", "10", "100") for tape in ("memory", "sqlite")]


def test_fold_notices_a_missing_message() -> None:
    opening, commands = bench_fold.inputs(300)
    sink = bench_fold.Sink(keep=True)
    bench_fold.run(MemoryTape(), opening, bench_fold.transactions(commands, 1), sink)
    kept = sink.kept or []
    _, problem = bench_fold.check(kept)
    assert problem == ""
    lost = next(index for index in range(len(kept) // 2, len(kept)) if b'"channel":"book_l3"' in kept[index])
    _, problem = bench_fold.check(kept[:lost] + kept[lost + 1 :])
    assert "channel='book_l3'" in problem


def test_fold_notices_another_state() -> None:
    opening, commands = bench_fold.inputs(300)
    grouped = bench_fold.transactions(commands, 10)
    right = bench_fold.run(MemoryTape(), opening, grouped, bench_fold.Sink(keep=False))
    assert bench_fold.best("memory", opening, grouped, 1, right).digest == right.digest
    with pytest.raises(SystemExit, match="another state"):
        bench_fold.best("memory", opening, grouped, 1, right._replace(digest="another"))


# ---- latency --------------------------------------------------------------------------------------


def trade(n: int, due: int) -> bytes:
    data = {"id": str(n), "price": f"1.0800{n % 7}", "ts_event": due}
    return JSON.frame({"channel": "trades", "symbol": "S", "type": "update", "seq": n + 1, "ts": due + 5, "data": data})


def test_latency_runs(tmp_path: Path) -> None:
    result = run("bench_latency.py", "--json", str(tmp_path / "result.json"))
    assert (result.returncode, result.stderr) == (0, "")
    for latencies in (
        json.loads((tmp_path / "result.json").read_text())[name] for name in ("from_due_ms", "from_tape_ms")
    ):
        assert list(latencies) == ["p50", "p99", "p99.9", "max"]
        assert list(latencies.values()) == sorted(latencies.values())


def test_latency_counts_from_due_time_and_from_the_stamp() -> None:
    sample = Sample()
    data = trade(0, 100) + HEARTBEAT + trade(1, 110)
    sample.received(data[:40], 150)
    sample.received(data[40:-1], 160)
    sample.received(data[-1:], 180)
    assert (sample.from_due, sample.from_tape) == ([60, 70], [55, 65])


@pytest.mark.parametrize(
    "data", [trade(1, 0), trade(0, 0) * 2, JSON.frame({"type": "gap"})], ids=["lost", "twice", "gap"]
)
def test_latency_fails_when_a_trade_is_not_the_next(data: bytes) -> None:
    with pytest.raises(Wrong, match="was to come, but this came"):
        Sample().received(data, 0)


def test_quantiles_are_by_nearest_rank() -> None:
    assert quantiles([n * 1_000_000 for n in range(1000, 0, -1)]) == {"p50": 500, "p99": 990, "p99.9": 999, "max": 1000}


# ---- orders ---------------------------------------------------------------------------------------


def acknowledgement(number: int, name: str, status: str, fills: int = 0) -> bytes:
    order = {"client_order_id": name, "status": status}
    return JSON.frame({"id": number, "result": {"order": order, "fills": [{}] * fills}})


@pytest.fixture
def trader() -> Iterator[Trader]:
    ours, server = socket.socketpair()
    with ours, server:
        result = Trader(ours, steps("account-0", 3), window=2)
        result.send()
        yield result


def test_orders_runs(tmp_path: Path) -> None:
    result = run("bench_orders.py", "--json", str(tmp_path / "result.json"))
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads((tmp_path / "result.json").read_text())
    assert list(report["orders"]) == ["none", "process", "power"]
    assert list(report["latency_ms"]) == ["none", "process", "power", "websockets", "picows"]


def test_an_account_rests_takes_and_cancels() -> None:
    planned = steps("account-0", 33)
    assert [step.status for step in planned[:4]] == ["open", "filled", "open", "filled"]
    assert [step.status for step in planned[20:26]] == ["open", "filled", "canceled"] * 2
    assert planned[22].command == CancelOrder("account-0", client_order_id="rest-0")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_orders_are_acknowledged_one_by_one(trader: Trader, size: int) -> None:
    data = acknowledgement(1, "rest-0", "open") + HEARTBEAT + acknowledgement(2, "take-0", "filled", 1)
    for at in range(0, len(data), size):
        trader.received(data[at : at + size])
    assert (trader.acknowledged, trader.complete) == (2, False)
    trader.send()
    trader.received(acknowledgement(3, "rest-1", "open"))
    assert trader.complete


@pytest.mark.parametrize(
    "data",
    [
        acknowledgement(2, "take-0", "filled", 1),
        acknowledgement(1, "rest-0", "open") * 2,
        acknowledgement(1, "rest-1", "open"),
        acknowledgement(1, "rest-0", "canceled"),
        acknowledgement(1, "rest-0", "open", 1),
        JSON.frame({"id": 1, "error": {"code": "busy", "message": ""}}),
    ],
    ids=["lost", "twice", "another order", "another status", "filled", "refused"],
)
def test_orders_fail_on_any_other_answer(trader: Trader, data: bytes) -> None:
    with pytest.raises(Wrong, match=r"was to be (open|filled), but this came"):
        trader.received(data)


def test_orders_fail_on_an_answer_to_nothing(trader: Trader) -> None:
    trader.received(acknowledgement(1, "rest-0", "open") + acknowledgement(2, "take-0", "filled", 1))
    with pytest.raises(Wrong, match="everything sent was acknowledged, and then this came"):
        trader.received(acknowledgement(3, "rest-1", "open"))


@pytest.mark.parametrize(
    "differing",
    [{"placed": 1}, {"canceled": 1}, {"open": 0}, {"taken": 0}, {"imbalances": ["USDT adds up to 1"]}],
    ids=lambda differing: next(iter(differing)),
)
def test_orders_fail_when_the_server_has_something_else(differing: dict[str, object]) -> None:
    right: dict[str, object] = {"placed": 2, "canceled": 0, "open": 1, "taken": 1, "imbalances": []}
    planned = steps("account-0", 2)
    check(right, planned)
    with pytest.raises(Wrong, match="the server should have"):
        check(right | differing, planned)
