"""Every bound of the system, each with its reason. What happens at the bound is said where it is enforced."""

from __future__ import annotations

# ---- market ---------------------------------------------------------------------------------------

RECENT_TRADES_MAX = 100
"""Trades that a `trades` snapshot shows: enough to fill a screen, small enough to send to everyone."""

INSTRUMENTS_MAX = 10_000
"""Instruments of one server. Beyond it a listing is refused: each costs a few KiB and a turn a second."""

# ---- streams --------------------------------------------------------------------------------------

RETAINED_BYTES_MAX = 256 * 1024 * 1024
"""Published segments kept for clients that lag, over all streams together. The oldest go first; a client
that had not read them gets a gap and a snapshot. Roughly a second of a fully loaded server."""

RETAINED_BYTES_PER_STREAM_MAX = 32 * 1024 * 1024
"""The same for one stream, so that a busy one can't push out all the others."""

# ---- sessions -------------------------------------------------------------------------------------

MESSAGE_BYTES_MAX = 65_536
"""Largest message a client may send: a batch of 50 orders is a tenth of it. Beyond it: close 1009."""

REQUESTS_PER_SECOND_MAX = 50
"""Requests per session, with a burst of as many. Beyond it: the error `rate_limited`."""

SUBSCRIPTIONS_MAX = 1024
"""Streams per session. Beyond it: the error `too_many_subscriptions`."""

HEARTBEAT_MS = 5_000
"""Between heartbeats: a mute connection is noticed within two of them."""

SEND_BUFFER_HIGH_BYTES = 256 * 1024
"""Unsent bytes in a socket above which a client counts as lagging and only its cursors stay behind."""

SEND_BUFFER_LOW_BYTES = 64 * 1024
"""Unsent bytes below which a lagging client is served again."""

SEND_BUFFER_MAX_BYTES = 16 * 1024 * 1024
"""Unsent bytes (replies and snapshots that a client asks for and does not read) at which it is closed: 4001."""

CATCH_UP_BYTES_MAX = 256 * 1024
"""Bytes handed to a lagging client's socket in one turn, so that it can't hold up the others."""

CONNECTIONS_MAX = 20_000
"""Open sockets. Beyond it the upgrade is answered with HTTP 503."""

PING_INTERVAL_SECONDS = 20
"""Between WebSocket pings; a peer that answers none of two is gone, and its socket is closed."""

# ---- tape -----------------------------------------------------------------------------------------

TAPE_BYTES_MAX = 512 * 1024 * 1024
"""Default size that the tape is kept to: a few days of the built-in market."""

TAPE_HOURS_MAX = 72
"""Default age that the tape is kept to."""

BATCH_RECORDS_MAX = 2_000
"""Records in one transaction of the tape: bounds how long one turn of the loop can take."""

PENDING_RECORDS_MAX = 20_000
"""Records accepted and not yet on the tape. Beyond it whoever offers more waits."""

CLOCK_INTERVAL_MS = 50
"""Longest time between two clock records: how late a candle can close on a quiet market."""

SNAPSHOT_EVERY_RECORDS = 250_000
"""Records between snapshots of the market: bounds recovery to a few seconds of replay."""

# ---- feeds ----------------------------------------------------------------------------------------

FEED_STALE_SECONDS = 10
"""Silence after which a feed counts as stale, unless its recording says that nothing was due."""

HELD_CHANGES_MAX = 1_000
"""Changes of a mirrored book that wait because they would cross it. More means the mirror is wrong: it is
emptied and stale until the venue's next snapshot."""

HELD_SECONDS_MAX = 5
"""How long such a change may wait before the instrument is shown as stale."""

# ---- trading --------------------------------------------------------------------------------------

ACCOUNTS_MAX = 100_000
"""Accounts of one server. Beyond it a command of a new one is refused: each costs memory for good."""

OPEN_ORDERS_MAX = 1_000
"""Open and waiting orders of one account. Beyond it: the error `too_many_orders`."""

CLOSED_ORDERS_MAX = 250
"""Ended orders of one account that `order.get` still knows; the oldest are forgotten first."""

CLIENT_ORDER_IDS_MAX = 2_000
"""Newest `client_order_id`s of one account whose first answer is kept: 40 s at a session's highest rate of requests. A
client that was cut off places nothing meanwhile, so however long that took, what it then repeats is still known."""

FILLS_KEPT_MAX = 1_000
"""Newest fills of one account, from which a reconnecting client is given what it missed."""

FILLS_SHOWN_MAX = 100
"""Fills in the snapshot of `fills`."""

TRANSFER_IDS_MAX = 100_000
"""Newest transfers that are remembered, so that none is made twice."""

ICEBERG_SLICES_MAX = 100
"""Slices that an iceberg may come in: each costs whoever takes it a turn of the matcher."""

BATCH_OPERATIONS_MAX = 50
"""Operations of one `order.batch`."""

KEYS_MAX = 10_000
"""Keys in force on one server. Beyond it none is created until one is revoked."""
