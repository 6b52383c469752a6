"""cryptofeed over TLS against a server: book, trades, ticker and candles."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from clients.peer import peer
from clients.venue import Book, best, candles, levels, text, venue
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
            await ours.trade_until(client.seen("l2_book", count=10))
            now = ours.seen.books[await ours.settle()]
            trades = ours.seen.trades

            await client.seen("l2_book", id=ours.seen.seq)
            for one in await client.seen("l2_book"):
                assert Book(levels(one["bids"]), levels(one["asks"])) == ours.seen.books[one["id"]]

            await client.seen("trades", **{"raw.l": max(trades)})
            numbers: list[int] = []
            for one in await client.seen("trades"):
                parts = [trades[number] for number in range(one["raw"]["f"], one["raw"]["l"] + 1)]
                numbers += range(one["raw"]["f"], one["raw"]["l"] + 1)
                assert {(Decimal(part.price), part.side) for part in parts} == {(Decimal(one["price"]), one["side"])}
                assert sum(Decimal(part.size) for part in parts) == Decimal(one["amount"])
            assert numbers == list(range(numbers[0], max(trades) + 1))

            await client.seen("ticker", bid=text(best(now.bids)[0]), ask=text(best(now.asks)[0]))
            for one in await client.seen("ticker"):
                book = ours.seen.books[one["raw"]["u"]]
                assert [Decimal(one["bid"]), Decimal(one["raw"]["B"])] == best(book.bids)
                assert [Decimal(one["ask"]), Decimal(one["raw"]["A"])] == best(book.asks)

            start, *values, count = candles(ours.seen)[-1]
            candle = await client.last("candles", start=float(start) / 1000, trades=int(count))
            fields = ("open", "high", "low", "close", "volume")
            assert [Decimal(candle[field]) for field in fields] == values
