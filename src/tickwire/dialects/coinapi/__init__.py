"""The protocols of CoinAPI and FinFeedAPI: market data and order entry over WebSocket, and REST."""
