"""Other people's protocols on the same market: bytes of a client to commands and subscriptions, events to bytes. Pure.

Each is a folder with a `Dialect`; `tickwire.dialects.all` lists them. See docs/howto/dialect.md.
"""
