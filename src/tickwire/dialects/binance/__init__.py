"""Binance's spot protocol on our market: streams, WebSocket API and REST."""
