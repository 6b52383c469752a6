"""The end of a run: has everybody caught up, and is what they hold what the tape makes of it?"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from simulation.checker import Record, Violation, lossless
from simulation.clients import Follower, Trader, Watcher
from simulation.server import ACCOUNTS, COIN, DEPOSIT, CrashTape, SimulatedServer
from tickwire.client import LiveBook
from tickwire.market.market import Market
from tickwire.model.channel import PRIVATE_CHANNELS, StreamKey
from tickwire.model.records import Guard
from tickwire.model.units import ASSET_DECIMALS
from tickwire.protocol.messages import FillData
from tickwire.protocol.render import Renderer
from tickwire.server.pipeline import restore

Someone: TypeAlias = Trader | Watcher | Follower


def unsettled(server: SimulatedServer, clients: Sequence[Someone]) -> str:
    """Who has not caught up yet, and with what; "" when all have."""
    market, hub = server.market, server.hub
    if len(server.connections) != len(clients):
        return f"the server has {len(server.connections)} connections for {len(clients)} clients"
    for client in clients:
        witness = client.witness
        if isinstance(client, Follower):
            problem = client.busy()
        elif not client.task.done():
            problem = "it still works"
        else:
            client.task.result()
            problem = _behind(client, market)
        if not problem and not (witness.connected and witness.beats):
            problem = "no heartbeat yet"
        for key, seq in witness.stands().items():
            published, newest = hub.last_seq(StreamKey(*key)), market.seq(StreamKey(*key))
            if not problem and (seq != published or (lossless(key) and published != newest)):
                problem = f"{key} at {seq}, published {published}, newest {newest}"
        if problem:
            return f"{witness.name}: {problem}"
    gone = set(market.guarded_sessions) - {client.witness.session for client in clients}
    return f"guards of sessions that are gone: {gone}" if gone else ""


def _behind(client: Trader | Watcher, market: Market) -> str:
    consumed = {tuple(key) for key in client.client._keeper._consumers}
    if consumed != client.witness.streams.keys():
        return f"subscribed to {client.witness.streams.keys()} instead of {consumed}"
    if isinstance(client, Trader):
        if client.account is None or not client.account.valid:
            return "its account is not valid"
        renderer = _renderer(market)
        for name, live in client.orders.items():
            order = market.order(client.account.account, 0, name)
            if order is not None and renderer.order(order) != live.data:
                return f"{live!r} is {order}"
        return ""
    books = [*client.books, *([client.orders] if client.orders is not None else [])]
    return "" if all(book.valid for book in books) else "a book is not valid"


def check_end(server: SimulatedServer, clients: Sequence[Someone], tape: CrashTape, record: Record) -> None:
    """Hold all that was said, and all that clients hold, to what the tape makes of it.

    Raises:
        Violation: something of it is another.
    """
    market = _folded(tape, record)
    digest = server.market.digest()
    if market.digest() != digest:
        raise Violation("the live market is not what its tape makes")
    if restore(tape).digest() != digest:
        raise Violation("the market recovered from snapshot and tape is not the live one")
    if imbalances := market.ledger.imbalances():
        raise Violation(f"money is not conserved: {imbalances}")
    for name in ACCOUNTS:
        _check_money(name, market)
    renderer = _renderer(market)
    live = {client.witness.session for client in clients}
    for client in clients:
        if isinstance(client, Trader):
            _check_trader(client, market, renderer, tape)
        elif isinstance(client, Watcher):
            _check_watcher(client, market)
    _check_orders(market, tape, record, live)
    _check_steps(record)


def _check_steps(record: Record) -> None:
    """In a stream of the latest class, what others were sent and one was not has to be said: `skipped`."""
    for key, steps in record.steps.items():
        published = sorted({seq for _, seq in steps})
        for last, seq in steps:
            between = published[bisect_right(published, last) : bisect_left(published, seq)]
            if between:
                raise Violation(f"{key}: {seq} follows {last}, others were sent {between}")


def _renderer(market: Market) -> Renderer:
    return Renderer(lambda symbol: market.listing(symbol).instrument)


def _plain(data: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(data))


def _folded(tape: CrashTape, record: Record) -> Market:
    """The market of the tape, folded from its beginning; every message that anybody was sent is compared on the way."""
    market = Market()
    renderer = _renderer(market)
    updates = {place[:2]: data for place, data in record.said.items() if place[2] == "update"}
    states: dict[StreamKey, dict[int, Any]] = {}
    for (key, seq, kind), data in record.said.items():
        if kind != "update" and key[0] != "candles":
            states.setdefault(StreamKey(*key), {})[seq] = data
    for records in tape.committed:
        for each in records:
            for event in market.apply(each):
                place = (event.channel, event.symbol, 0, 0, ""), event.seq
                if place in updates and (right := _plain(renderer.data(event))) != (said := updates.pop(place)):
                    raise Violation(f"{place} was published as {said}, the tape makes {right}")
        for stream, wanted in states.items():
            if stream.channel not in PRIVATE_CHANNELS and stream.symbol not in market._listings:
                continue
            seq = market.seq(stream)
            if seq in wanted:
                view = market.view(stream)
                state: Any = None if view is None else _plain(renderer.data(view))
                if stream.channel == "positions":
                    for row in state["positions"]:
                        row["mark"] = row["unrealised"] = None
                if (said := wanted.pop(seq)) != state:
                    raise Violation(f"{stream} was shown at {seq} as {said}, the tape makes {state}")
    updates = {place: data for place, data in updates.items() if lossless(place[0])}
    left = [*updates, *((stream, seq) for stream, wanted in states.items() for seq in wanted)]
    if left:
        raise Violation(f"published and not of the tape: {left[:3]}")
    return market


def _check_money(name: str, market: Market) -> None:
    """What an account has is what it was given and what its fills have moved."""
    fills = market.missed_fills(name, 0)
    terms = market.listing(COIN.symbol).terms  # type: ignore[attr-defined]
    assert fills is not None, "more fills than the market keeps"
    coin = cash = DEPOSIT * 10**ASSET_DECIMALS
    for fill in fills:
        sign = 1 if fill.side == "buy" else -1
        coin += sign * fill.size * terms.lot_value
        cash -= sign * fill.size * fill.price * terms.notional_value + fill.fee
    for asset, right in ((COIN.base, coin), (COIN.quote, cash)):
        balance = market.ledger.balances[name][asset]
        if balance.available + balance.held != right:
            raise Violation(f"{name} has {balance.available} + {balance.held} of {asset}, its fills make {right}")


def _check_trader(client: Trader, market: Market, renderer: Renderer, tape: CrashTape) -> None:
    account = client.account
    assert account is not None
    name = account.account
    orders = {str(order.order_id): renderer.order(order) for order in market.open_orders_of(name)}
    if account.orders != orders:
        raise Violation(f"{name} has the open orders {account.orders}, the market {orders}")
    for channel, held in (("balances", account.balances), ("positions", account.positions)):
        rows = _plain(renderer.data(market.view(StreamKey(channel, name))))[channel]  # type: ignore[arg-type]
        kept = [_plain(row) for row in held.values()]
        for row in (*rows, *kept):
            row.pop("mark", None)
            row.pop("unrealised", None)
        if sorted(rows, key=str) != sorted(kept, key=str):
            raise Violation(f"{name} has the {channel} {kept}, the market {rows}")
    if client.fills:
        if not all(isinstance(fill, FillData) for fill in client.fills):
            raise Violation(f"{name} was told of lost fills: {client.fills}")
        missed = market.missed_fills(name, client.fills[0].seq - 1)
        if missed is None or [renderer.fill(fill) for fill in missed] != client.fills:
            raise Violation(f"{name} has got the fills {client.fills}, they are {missed}")
    for client_order_id in client.orders:
        if (name, client_order_id) not in tape.placed:
            raise Violation(f"{client_order_id} was acknowledged and is not on the tape")
    for client_order_id in client.not_placed:
        if market.order(name, 0, client_order_id) is not None:
            raise Violation(f"the client says that {client_order_id} was not placed; it was")


def _check_watcher(client: Watcher, market: Market) -> None:
    for book in client.books:
        _check_book(book, market)
    if client.orders is not None:
        for side in ("buy", "sell"):
            held = [order.order_id for order in client.orders.orders(side)]
            right = [str(order.order_id) for order in market.book(client.orders.symbol).listed(side)]
            if held != right:
                raise Violation(f"{client.witness.name} has the {side} orders {held}, the market {right}")


def _check_book(book: LiveBook, market: Market) -> None:
    listing = market.listing(book.symbol)
    for held, side in ((book.bids(), listing.ladder.bids), (book.asks(), listing.ladder.asks)):
        price, size = listing.instrument.price.format, listing.instrument.size.format
        right = [(price(ticks), size(lots)) for ticks, lots in side.top(None)]
        if [(str(level[0]), str(level[1])) for level in held] != right:
            raise Violation(f"the book of {book.symbol} is {held}, it should be {right}")
    if book.checksum != listing.checksum():
        raise Violation(f"the checksum of {book.symbol} is {book.checksum}, it should be {listing.checksum()}")


def _check_orders(market: Market, tape: CrashTape, record: Record, live: set[str]) -> None:
    ids: dict[tuple[str, str], set[str]] = {}
    for (key, _, _), data in record.said.items():
        if key[0] == "orders" and data is not None:
            for row in data.get("orders", [data]):
                ids.setdefault((key[1], row["client_order_id"]), set()).add(row["order_id"])
    twice = {name: found for name, found in ids.items() if len(found) > 1}
    if twice:
        raise Violation(f"orders that were placed twice: {twice}")
    for name, answer in record.answers.items():
        if isinstance(answer, dict) and name in ids and {answer["order"]["order_id"]} != ids[name]:
            raise Violation(f"{name} was answered {answer}, and is {ids[name]}")
    guards = {r.session: r.scope for records in tape.committed for r in records if isinstance(r, Guard)}
    for account in ACCOUNTS:
        for order in market.open_orders_of(account):
            if guards.get(order.session) == "connection" and order.session not in live:
                raise Violation(f"order {order.order_id} of {account} is open, its guarded session is gone")
