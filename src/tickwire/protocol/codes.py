"""The one table of error codes and the one table of close codes.

Python, the documentation and later the TypeScript client are generated from or tested against these.
"""

from __future__ import annotations

from typing import NamedTuple


class ErrorCode(NamedTuple):
    """What an error code means, what the client should do next, and whether the same request may work later."""

    meaning: str
    what_to_do: str
    retry: bool = False


ERROR_CODES: dict[str, ErrorCode] = {
    "invalid_json": ErrorCode(
        "the message is not one JSON (or MessagePack) object", "send one object a message, in the negotiated encoding"
    ),
    "invalid_request": ErrorCode("`id` or `method` is missing or of the wrong type", "fix the field that is named"),
    "unknown_method": ErrorCode("there is no such method", "use one of the methods that the message lists"),
    "invalid_params": ErrorCode("a parameter is missing, unknown, of the wrong type or out of bounds", "fix it"),
    "unknown_channel": ErrorCode("there is no such channel", "use one of the channels that the message lists"),
    "unknown_symbol": ErrorCode("no instrument has this symbol", "ask `instruments` for those there are"),
    "not_available": ErrorCode("this instrument does not have this channel", "ask `instruments` for its channels"),
    "not_subscribed": ErrorCode("there is no such subscription", "ask `subscriptions` for those there are"),
    "too_many_subscriptions": ErrorCode("the session has as many as it may", "unsubscribe first, or open another"),
    "rate_limited": ErrorCode("more requests than the session may make", "wait a second, then go on slower", True),
}

CLOSE_CODES: dict[int, str] = {
    1000: "done",
    1002: "the WebSocket protocol was broken",
    1007: "a text message was not UTF-8",
    1009: "a message was larger than `message_bytes`",
    1011: "the server failed; its log says how",
    1012: "the server restarts: reconnect",
    4001: "slow consumer: reconnect and resume (seen as 1006 where the socket was too full to say it)",
}
