"""Attacks with messages: too large, too many, in pieces without end, compressed, not text, asking for everything."""

from __future__ import annotations

import asyncio
import contextlib
import json
import zlib
from collections import Counter

import pytest
from websockets.frames import Opcode

from hostile.stage import FULL, MIB, SYMBOL, WAIT_SECONDS, Attacker, Stage, address, limit
from tickwire.limits import (
    FLOOD_FACTOR,
    FRAGMENTS_MAX,
    MESSAGE_BYTES_MAX,
    REQUESTS_PER_SECOND_MAX,
)
from tickwire.model.channel import BOOK_DEPTHS, BOOK_INTERVALS_MS, CANDLE_INTERVALS_NS

ATTACKERS = 20 if FULL else 10
DEFLATE = {"Sec_WebSocket_Extensions": "permessage-deflate; server_no_context_takeover; client_no_context_takeover"}
SYMBOLS = ["SIM:BTC-USDT", "SIM:ETH-USDT", "SIM:SOL-USDT", "SIM:EUR-USD", "SIM:GBP-USD", "SIM:ACME-USD"]
Params = dict[str, object]
STREAMS_MAX = 300
"""Of a session of the attacked server; see conftest.py."""


async def opened(stage: Stage, count: int = ATTACKERS, headers: dict[str, str] | None = None) -> list[Attacker]:
    source = address()
    return [await Attacker.upgraded(stage, source, **headers or {}) for _ in range(count)]


async def codes(attackers: list[Attacker]) -> Counter[int]:
    """How the server closes them."""
    return Counter(await asyncio.gather(*(each.code() for each in attackers)))


def unread_mib(count: int) -> int:
    """Memory that so many who do not read may cost, and a growing buffer is twice there when it moves."""
    return 24 + 2 * count * int(limit("SEND_BUFFER_MAX_BYTES")) // MIB


async def ping_without_end(attacker: Attacker) -> None:
    """Send as fast as the server takes it."""
    while True:
        attacker.send((bytes([0x89, 0xFD, 0, 0, 0, 0]) + bytes(125)) * 1_000)
        await attacker.writer.drain()


def header(size: int) -> bytes:
    """Of a masked text frame that is said to be of this size."""
    return b"\x81\xff" + size.to_bytes(8, "big") + bytes(4)


@pytest.mark.parametrize("size", [MESSAGE_BYTES_MAX + 1, 2**31, 2**63 - 1])
async def test_a_message_too_large_is_closed_1009(stage: Stage, size: int) -> None:
    async with stage.attacked(f"messages of {size:.0e} bytes"):
        attackers = await opened(stage)
        for each in attackers:
            each.send(header(size) + b" " * 1_000_000)
        assert await codes(attackers) == {1009: ATTACKERS}


@pytest.mark.parametrize("size", [0, 1, 1_000])
async def test_a_message_without_an_end_is_closed_1009(stage: Stage, size: int) -> None:
    async with stage.attacked(f"endless fragments of {size} bytes"):
        attackers = await opened(stage)
        for each in attackers:
            each.say(b" " * size, fin=False)
            for _ in range(min(FRAGMENTS_MAX, MESSAGE_BYTES_MAX // max(1, size))):
                each.say(b" " * size, Opcode.CONT, fin=False)
        assert await codes(attackers) == {1009: ATTACKERS}


async def test_messages_that_are_never_finished_are_bounded(stage: Stage) -> None:
    count = 900 if FULL else 90
    held = count * MESSAGE_BYTES_MAX // MIB
    async with stage.attacked("messages that are never finished", memory_mib=24 + 2 * held):
        attackers = await opened(stage, min(count, 90))
        while len(attackers) < count:
            attackers += await opened(stage, 90)
        for each in attackers:
            each.say(b" " * (MESSAGE_BYTES_MAX - 1), fin=False)
        assert await codes(attackers) == {4103: count}


async def test_bombs_do_not_go_off(stage: Stage) -> None:
    deflate = zlib.compressobj(9, wbits=-15)
    bomb = deflate.compress(bytes(100 * MIB)) + deflate.flush(zlib.Z_FULL_FLUSH)
    assert len(bomb) < MESSAGE_BYTES_MAX * 2
    async with stage.attacked("decompression bombs, 100 MiB each"):
        whole, pieces = await opened(stage, headers=DEFLATE), await opened(stage, headers=DEFLATE)
        for each in whole:
            each.say(bomb, rsv1=True)
        for each in pieces:
            each.say(bomb[:999], fin=False, rsv1=True)
            each.say(bomb[999:], Opcode.CONT)
        assert await codes(whole + pieces) == {1009: 2 * ATTACKERS}


async def test_compression_that_was_not_agreed_on_is_closed_1002(stage: Stage) -> None:
    async with stage.attacked("compressed, but not agreed on"):
        attackers = await opened(stage)
        for each in attackers:
            each.say(b"\xaa\x56\x02\x00", rsv1=True)
        assert await codes(attackers) == {1002: ATTACKERS}


@pytest.mark.parametrize(
    "pieces",
    [[b"\xff"], [b"\xc0\x80"], [b"\xed\xa0\x80"], [b"\xf4\x90\x80\x80"], [b"a\xe2\x82"], [b"\xe2\x82", b"a"]],
    ids=["byte", "overlong", "surrogate", "beyond", "cut", "cut in pieces"],
)
async def test_text_that_is_none_is_closed_1007(stage: Stage, pieces: list[bytes]) -> None:
    async with stage.attacked("text that is not UTF-8"):
        attackers = await opened(stage)
        for each in attackers:
            for number, piece in enumerate(pieces):
                each.say(piece, Opcode.CONT if number else Opcode.TEXT, fin=number == len(pieces) - 1)
        assert await codes(attackers) == {1007: ATTACKERS}


async def test_a_close_reason_that_is_no_text_is_closed_1007(stage: Stage) -> None:
    async with stage.attacked("a close reason that is not UTF-8"):
        attackers = await opened(stage)
        for each in attackers:
            each.say(b"\x03\xe8\xff", Opcode.CLOSE)
        assert await codes(attackers) == {1007: ATTACKERS}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("[" * 60_000, "invalid_json"),
        ('{"id":1,"method":"ping","params":' + '{"a":' * 10_000, "invalid_json"),
        ('{"id":' + "9" * 60_000 + ',"method":"ping"}', "invalid_json"),
        ('{"id":1e999999999,"method":"ping"}', "invalid_json"),
        ("nonsense", "invalid_json"),
        ('{"method":{}}', "invalid_request"),
    ],
    ids=["deep", "deep params", "a long number", "a large number", "nonsense", "no id"],
)
async def test_nonsense_is_answered(stage: Stage, message: str, code: str) -> None:
    async with stage.attacked("nonsense"):
        attackers = await opened(stage)
        for each in attackers:
            each.say(message)
            reply = await each.reply(None)
            assert reply["error"]["code"] in (code, "invalid_request"), reply
            each.ask(7, "ping")
            assert "rate" in (await each.reply(7))["result"]


async def test_pings_whose_pongs_are_not_read_cut_the_socket(stage: Stage) -> None:
    count = 5
    async with stage.attacked("a flood of pings, pongs not read", memory_mib=unread_mib(count)):
        attackers = await opened(stage, count)
        for each in attackers:
            each.writer.transport.pause_reading()  # type: ignore[attr-defined]
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(ping_without_end(each), WAIT_SECONDS)


async def test_replies_that_are_not_read_cut_the_socket(stage: Stage) -> None:
    count = 5
    async with stage.attacked("snapshots asked for and not read", memory_mib=unread_mib(count)):
        attackers = await opened(stage, count)
        for each in attackers:
            each.writer.transport.pause_reading()  # type: ignore[attr-defined]

        async def ask(attacker: Attacker) -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    attacker.ask(1, "subscribe", channel="book_l3", symbols=SYMBOLS)
                    await attacker.writer.drain()
                    await asyncio.sleep(1.1 / REQUESTS_PER_SECOND_MAX)

        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.gather(*map(ask, attackers))


def everything() -> list[Params]:
    """All that a session can subscribe to, a request a stream of all symbols."""
    channels = ("trades", "book", "book_l3", "quotes", "ticker", "status")
    found: list[Params] = [{"channel": channel} for channel in channels]
    found += [{"channel": "candles", "interval": interval} for interval in CANDLE_INTERVALS_NS]
    found += [{"channel": "book", "depth": depth} for depth in BOOK_DEPTHS]
    found += [{"channel": "book", "interval_ms": ms} for ms in BOOK_INTERVALS_MS]
    found += [
        {"channel": "book", "depth": depth, "interval_ms": ms} for depth in BOOK_DEPTHS for ms in BOOK_INTERVALS_MS
    ]
    return found


async def subscribe_to_everything(attacker: Attacker) -> Counter[str]:
    """How many streams are given, and how many requests are refused, by code."""
    found: Counter[str] = Counter()
    for number, params in enumerate(everything()):
        attacker.ask(number, "subscribe", symbols=SYMBOLS, **params)
        reply = await attacker.reply(number)
        if "error" in reply:
            found[reply["error"]["code"]] += 1
        else:
            found["given"] += len(reply["result"]["streams"])
        await asyncio.sleep(1.1 / REQUESTS_PER_SECOND_MAX)
    return found


async def test_whoever_wants_everything_gets_what_a_session_may_have(stage: Stage) -> None:
    refused = len(everything()) - STREAMS_MAX // len(SYMBOLS)
    assert refused > 0
    async with stage.attacked("subscriptions to everything", memory_mib=64):
        attackers = await opened(stage)
        for found in await asyncio.gather(*map(subscribe_to_everything, attackers)):
            assert found == {"given": STREAMS_MAX, "too_many_subscriptions": refused}


async def test_requests_for_many_symbols_are_answered_once(stage: Stage) -> None:
    async with stage.attacked("requests for very many symbols"):
        attackers = await opened(stage)
        for each in attackers:
            each.ask(1, "subscribe", channel="book", symbols=[f"SIM:X{n}-USD" for n in range(256)])
            error = (await each.reply(1))["error"]
            assert (error["code"], error["field"]) == ("unknown_symbol", "symbols[0]")
            each.ask(2, "subscribe", channel="book", symbols=[SYMBOL] * (STREAMS_MAX + 1))
            error = (await each.reply(2))["error"]
            assert (error["code"], error["field"]) == ("too_many_subscriptions", "symbols")
            each.ask(3, "subscribe", channel="book", symbols=[SYMBOL] * STREAMS_MAX)
            assert [stream["symbol"] for stream in (await each.reply(3))["result"]["streams"]] == [SYMBOL]


async def test_coming_and_going_without_end_is_rate_limited_and_closed_4101(stage: Stage) -> None:
    async with stage.attacked("subscribe, unsubscribe, without end"):
        attackers = await opened(stage)

        async def churn(attacker: Attacker) -> Counter[str]:
            pair = [
                json.dumps({"id": number, "method": method, "params": {"channel": "book_l3", "symbols": SYMBOLS}})
                for number, method in enumerate(("subscribe", "unsubscribe"))
            ]
            for number in range(2 * FLOOD_FACTOR * REQUESTS_PER_SECOND_MAX):
                attacker.say(pair[number % 2])
            answered: Counter[str] = Counter()
            while True:
                first, payload = await attacker.frame()
                if first & 0x0F == Opcode.CLOSE:
                    answered[str(int.from_bytes(payload[:2], "big"))] += 1
                    return answered
                if payload.startswith(b'{"id":'):
                    answered[json.loads(payload).get("error", {"code": "ok"})["code"]] += 1

        for answered in await asyncio.gather(*map(churn, attackers)):
            assert answered.keys() - {"not_subscribed"} == {"ok", "rate_limited", "4101"}
            assert REQUESTS_PER_SECOND_MAX <= answered["ok"] <= 3 * REQUESTS_PER_SECOND_MAX
            assert answered["rate_limited"] >= FLOOD_FACTOR * REQUESTS_PER_SECOND_MAX
