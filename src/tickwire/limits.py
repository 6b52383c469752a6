"""Every bound of the system, each with its reason. What happens at the bound is said where it is enforced."""

from __future__ import annotations

# ---- market ---------------------------------------------------------------------------------------

RECENT_TRADES_MAX = 100
"""Trades that a `trades` snapshot shows: enough to fill a screen, small enough to send to everyone."""

TRADES_KEPT_MAX = 1_000
"""Newest trades of one instrument that `history` can tell: what a screen pages back through; 200 KB of memory."""

CANDLES_KEPT_MAX = 10_000
"""Newest closed candles that are kept of one instrument and interval: a week of minutes, 27 years of days, 3 MB on the
disk. The oldest go first."""

CANDLES_WAITING_MAX = 100_000
"""Closed candles that wait in memory to be written: 60 MB, twice what 10,000 instruments close at a quarter hour.
Beyond it they are written at once, which holds the server up."""

CANDLE_SERIES_PER_TURN = 200
"""Series of closed candles, each with a page of its own, that a turn writes if few wait: a few milliseconds."""

HISTORY_ROWS_MAX = 1_000
"""Rows of one answer to `history`: 300 KB, five milliseconds of the server's time."""

HISTORY_ROWS_PER_REQUEST = 100
"""Rows of `history` that count as one request, as that is what making them costs."""

INSTRUMENTS_MAX = 10_000
"""Instruments of one server. Beyond it a listing is refused: each costs a few KiB and a turn a second."""

# ---- streams --------------------------------------------------------------------------------------

RETAINED_BYTES_MAX = 256 * 1024 * 1024
"""Published segments kept for clients that lag, over all streams together. The oldest go first; a client
that had not read them gets a gap and a snapshot. Roughly a second of a fully loaded server."""

RETAINED_BYTES_PER_STREAM_MAX = 32 * 1024 * 1024
"""The same for one stream, so that a busy one can't push out all the others."""

WINDOW_EVENTS_MAX = 1_000
"""Events that a stream which is said at an interval collects; beyond it they are said at once."""

RESUME_SECONDS = 60
"""How long, by the tape's clock, the log of a lossless stream is kept for a client that comes back: a change of
networks, a restart. Also how much of the tape's end is told anew after a restart of the server."""

RESUME_EVENTS_MAX = 50_000
"""Newest events that are told anew after a restart of the server: half a second of its start."""

IDLE_LOGS_MAX = 4_096
"""Logs kept for clients that come back; the one that has waited longest goes first."""

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

SHARED_SEGMENT_BYTES_MIN = 16 * 1024
"""A segment of at least so much is handed to sockets as a file's pages, without a copy for each; below, copies are
cheaper."""

CATCH_UP_BYTES_MAX = 256 * 1024
"""Bytes handed to a lagging client's socket in one turn, so that it can't hold up the others."""

READ_BYTES_PER_TURN_MAX = 32 * 1024
"""Bytes read from one client at once beyond which the others are served before more is read: 500 orders, or a flood."""

UPGRADES_PER_TURN_MAX = 8
"""Upgrades between two looks at the other sockets: a millisecond or two."""

CONNECTIONS_MAX = 20_000
"""Open sockets, whatever they are used for. Beyond it: HTTP 503."""

FILES_RESERVED = 64
"""Of the files that the process may have open (`ulimit -n`), those that are not for clients: the tape, the keys, feeds,
sockets that are being refused. Where the rest is fewer than `CONNECTIONS_MAX`, it is the bound."""

DRAIN_SECONDS = 5
"""Over which a planned stop spreads its closes: 20,000 clients then come back at 4,000 a second, not all at once."""

DRAIN_SECONDS_MAX = 3_600
"""The longest that a stop may be told to take."""

DRAIN_ACCEPT_SECONDS = 1
"""How long a stopping server still takes connections, to tell probes and clients so with HTTP 503."""

CLOSING_SECONDS_MAX = 1
"""How long the clients that were closed last may take to answer the close before their sockets are cut; and those whose
upgrade was refused, to read that."""

RETRY_AFTER_SECONDS = 1
"""What an upgrade that is refused for now is told to wait (`Retry-After`)."""

PING_INTERVAL_SECONDS = 20
"""Between WebSocket pings; a peer that answers none of two is gone, and its socket is closed."""

# ---- the edge: what one address, key or socket may cost ---------------------------------------------

CONNECTIONS_PER_IP_MAX = 1_000
"""Sockets of one address (of a v6 /64): an office behind one address fits, and twenty of them fill the server. Beyond
it: HTTP 429."""

CONNECTIONS_PER_KEY_MAX = 100
"""Sessions that are logged in with one key. Beyond it: the error `too_many_connections` and close 4102, or HTTP 429."""

UPGRADES_PER_SECOND_MAX = 100
"""Upgrades of one address, with a burst of as many: a twentieth of what a core can open. Beyond it: HTTP 429."""

FAILED_LOGINS_PER_MINUTE_MAX = 30
"""Of one address, with a burst of as many: nobody mistypes so fast, and each costs a signature. Beyond it even a right
proof is refused with `rate_limited`."""

FLOOD_FACTOR = 10
"""A session of which more requests are refused in a second than this times what it may make is closed: 4101. Saying no
costs as much as most requests."""

LIMIT_RETRY_SECONDS = 10
"""What a client that is closed or refused for a limit is told to wait."""

FRAGMENTS_MAX = 1_024
"""Fragments of one message, which may be empty, so that `MESSAGE_BYTES_MAX` does not bound them. Beyond it: close
1009."""

HTTP_HEADER_BYTES_MAX = 16_384
"""Request line and headers of an HTTP request or upgrade: a browser's cookies and two tokens fit. Beyond it: HTTP
431."""

HTTP_HEADERS_MAX = 100
"""Header lines of one: browsers behind two proxies send 30. Beyond it: HTTP 431."""

HTTP_PIPELINED_MAX = 16
"""Requests that may wait on one HTTP socket while the one before them is answered; browsers send none so. Beyond it the
socket is cut."""

TLS_HANDSHAKE_SECONDS_MAX = 10
"""How long a TLS handshake may take: the slowest network's takes three. Beyond it the socket is cut."""

HTTP_REQUEST_SECONDS_MAX = 10
"""How long a request or upgrade may take to arrive whole, from the opening of its socket or from when the last piece of
the answer before was handed to it, which must be read in that time, too. Beyond it: HTTP 408."""

HTTP_RESPONSE_SECONDS_MAX = 60
"""How long an HTTP answer may take until its last piece is handed to the socket. Beyond it the socket is cut."""

LOGIN_SECONDS_MAX = 10
"""How long a session may go without a login where a key is required. Beyond it: close 4401."""

IDLE_SECONDS_MAX = 600
"""How long a session that is not logged in and subscribed to nothing may ask for nothing. Beyond it: close 4103."""

ADDRESSES_MAX = 10_000
"""Addresses that a table of recent doings holds: 3 MB. Beyond it the one that was heard of least recently is
forgotten."""

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

SNAPSHOT_EVERY_SECONDS = 120
"""The same, by the tape's clock, for a market with few records: bounds what a restart reads again."""

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
