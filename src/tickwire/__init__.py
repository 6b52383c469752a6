"""tickwire: a self-hosted, real-time WebSocket API for financial markets."""

__version__ = "0.1.0"
