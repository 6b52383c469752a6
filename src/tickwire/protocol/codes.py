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
    "login_failed": ErrorCode(
        "the key is unknown, revoked or not allowed from this address, or the signature is wrong",
        "sign the challenge of this connection's `hello` with a key that is in force",
    ),
    "not_logged_in": ErrorCode("the method or channel needs a login", "call `auth.login` first"),
    "not_permitted": ErrorCode("the key lacks the scope", "use a key with the scope that the message names"),
    "not_entitled": ErrorCode(
        "the key may not see this channel or symbol", "use a key that may; the message names those of this one"
    ),
    "too_many_connections": ErrorCode(
        "the key is logged in on as many connections as it may; this one is closed (4102)",
        "close one of them, or log in with `takeover`",
        True,
    ),
    "not_tradable": ErrorCode("the instrument is another venue's", "trade one whose kind is `matched`"),
    "trading_halted": ErrorCode("the instrument is not open", "wait until its `status` is open", True),
    "unknown_order": ErrorCode("the account has no such order, or it ended long ago", "ask `order.list`"),
    "order_closed": ErrorCode("the order has ended", "ask `order.get` how"),
    "no_change": ErrorCode("the amend changes nothing", "give another price or size"),
    "insufficient_balance": ErrorCode("the account has less available than this needs", "deposit, cancel or ask less"),
    "price_out_of_band": ErrorCode("the price is too far from the market", "give one within the band that is named"),
    "size_too_large": ErrorCode("above the instrument's largest size", "split the order"),
    "notional_too_small": ErrorCode("price x size is below the instrument's least", "order more"),
    "notional_too_large": ErrorCode("price x size is above the instrument's most", "split the order"),
    "too_many_orders": ErrorCode("the account has as many open orders as it may", "cancel some first"),
    "kill_switch": ErrorCode("the account or the instrument is switched off", "ask the operator"),
    "would_take": ErrorCode("a post-only order would match at once", "give a price that rests"),
    "would_not_fill": ErrorCode("a fill-or-kill order can't be filled whole", "ask less, or use ioc"),
    "would_trigger": ErrorCode(
        "the stop price is already reached", "give one that the last trade has not reached, or no stop"
    ),
    "would_increase": ErrorCode("a reduce-only order would not reduce the position", "ask `account.positions`"),
    "deadline_passed": ErrorCode("the order came after its deadline", "decide anew"),
    "duplicate_id": ErrorCode("this id was used before with other content", "use a new id"),
    "busy": ErrorCode("the server has more to do than it can queue; nothing was done", "try again in a second", True),
    "outcome_unknown": ErrorCode(
        "the server failed while the request was under way",
        "connect again and ask `order.get` with the client_order_id: it may or may not have been done",
    ),
    "rate_limited": ErrorCode(
        "more requests than the session may make, or more failed logins than the address may",
        "wait a second, then go on slower; `ping` says what is left",
        True,
    ),
}

CLOSE_CODES: dict[int, str] = {
    1000: "done",
    1002: "the WebSocket protocol was broken",
    1007: "a text message was not UTF-8",
    1009: "a message was larger than `message_bytes`, or in too many fragments",
    1011: "the server failed; its log says how",
    1012: "the server stops or restarts, which it says with `drain`: reconnect and resume",
    4001: "slow consumer: reconnect and resume (seen as 1006 where the socket was too full to say it)",
    4101: "far more requests than the session may make: reconnect after `retry_after` seconds, and go on slower",
    4102: "the key is logged in on as many connections as it may: reconnect after `retry_after` seconds",
    4103: "nobody logged in, nothing subscribed, nothing asked for: reconnect when there is something to ask for",
    4400: "a message of a dialect was wrong; the error before it says how: do not reconnect before that is mended",
    4401: "not logged in in time, where a key is required: do not reconnect without one",
    4403: "the session's key was revoked: do not reconnect with it",
    4409: "another session of the key has taken over: do not reconnect",
}
