"""cryptofeed over TLS against a server: book, trades, ticker and candles."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from clients.peer import peer
from clients.venue import Book, candles, levels, venue
from edge import Authority


async def test_book_trades_ticker_and_candles(tmp_path: Path) -> None:
    authority, trusted = Authority(), tmp_path / "authority.pem"
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.issue(cert, key)
    trusted.write_text(authority.pem)
    environment = {"SSL_CERT_FILE": str(trusted), "REQUESTS_CA_BUNDLE": str(trusted)}
    async with venue(tmp_path / "data", context=authority.context, tls_cert=cert, tls_key=key) as ours:
        urls = {"http": ours.url("https", "binance"), "ws": ours.url("wss", "binance")}
        async with peer("cryptofeed", {"symbol": "BTC-USDT", **urls}, environment) as client:
            await ours.trade_until(client.call("seen", name="l2_book", count=10))
            best = ours.seen.books[await ours.settle()]
            trades = ours.seen.trades

            for one in await client.call("seen", name="l2_book", id=ours.seen.seq):
                assert Book(levels(one["bids"]), levels(one["asks"])) == ours.seen.books[one["id"]]

            told = await client.call("seen", name="trades", **{"raw.l": max(trades)})
            numbers: list[int] = []
            for one in told:
                parts = [trades[number] for number in range(one["raw"]["f"], one["raw"]["l"] + 1)]
                numbers += range(one["raw"]["f"], one["raw"]["l"] + 1)
                assert {(Decimal(part.price), part.side) for part in parts} == {(Decimal(one["price"]), one["side"])}
                assert sum(Decimal(part.size) for part in parts) == Decimal(one["amount"])
            assert numbers == list(range(numbers[0], max(trades) + 1))

            for one in await client.call("seen", name="ticker", bid=str(best.bids[0][0]), ask=str(best.asks[0][0])):
                book = ours.seen.books[one["raw"]["u"]]
                assert [Decimal(one["bid"]), Decimal(one["ask"])] == [book.bids[0][0], book.asks[0][0]]

            start, *values, count = candles(ours.seen)[-1]
            told = await client.call("seen", name="candles", start=float(start) / 1000, trades=int(count))
            fields = ("open", "high", "low", "close", "volume")
            assert [Decimal(told[-1][field]) for field in fields] == values
