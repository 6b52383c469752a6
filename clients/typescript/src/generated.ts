// Generated from the server's own types and tables by clients/generate.py: change those, then run it.

/** An exact decimal number, as prices, sizes and amounts are on the wire. */
export type Decimal = string;

/** Nanoseconds since the Unix epoch, UTC. */
export type Time = bigint;

/** Of an order, and of whoever took in a trade. */
export type Side = "buy" | "sell";

/** Of an order; the last four wait for their stop price. */
export type OrderType = "limit" | "market" | "stop" | "stop_limit" | "take_profit" | "take_profit_limit";

/** How long an order may rest: until canceled, not at all, not at all and whole or nothing, until `expires_at`. */
export type TimeInForce = "gtc" | "ioc" | "fok" | "gtd";

/** What is done instead of a trade of an account with itself. */
export type SelfTradePrevention = "cancel_newest" | "cancel_oldest" | "cancel_both" | "decrement";

/** Whose orders are canceled when a connection is lost. */
export type GuardScope = "off" | "connection" | "account";

/** Whether an instrument can be traded. */
export type TradingState = "open" | "halted" | "closed";

/** Whether what drives an instrument is up to date. */
export type FeedState = "live" | "stale" | "down";

/** Where an order stands. */
export type OrderStatus = "open" | "waiting" | "filled" | "canceled" | "expired";

/** Why a request is refused; a later server may know more. */
export type ErrorCode =
  | "invalid_json"
  | "invalid_request"
  | "unknown_method"
  | "invalid_params"
  | "unknown_channel"
  | "unknown_symbol"
  | "not_available"
  | "not_subscribed"
  | "too_many_subscriptions"
  | "login_failed"
  | "not_logged_in"
  | "not_permitted"
  | "not_entitled"
  | "too_many_connections"
  | "not_tradable"
  | "trading_halted"
  | "unknown_order"
  | "order_closed"
  | "no_change"
  | "insufficient_balance"
  | "price_out_of_band"
  | "size_too_large"
  | "notional_too_small"
  | "notional_too_large"
  | "too_many_orders"
  | "kill_switch"
  | "would_take"
  | "would_not_fill"
  | "would_trigger"
  | "would_increase"
  | "deadline_passed"
  | "duplicate_id"
  | "busy"
  | "outcome_unknown"
  | "rate_limited";

/** Channels of an instrument. */
export type PublicChannel = "trades" | "book" | "book_l3" | "quotes" | "candles" | "ticker" | "rates" | "status";

/** Channels of an account. */
export type PrivateChannel = "orders" | "fills" | "balances" | "positions";

/** See `BOOK_DEPTHS`. */
export type BookDepth = 1 | 5 | 10 | 20 | 50 | 100 | 500 | 1000;

/** See `BOOK_INTERVALS_MS`. */
export type BookInterval = 100 | 250 | 500 | 1000 | 5000;

/** See `CANDLE_INTERVALS`. */
export type CandleInterval = "1s" | "5s" | "1m" | "5m" | "15m" | "1h" | "4h" | "1d";

/** A channel's name. */
export type Channel = PublicChannel | PrivateChannel;

/** A level of a book. */
export type PriceSize = [price: Decimal, size: Decimal];

/** An order of a book. */
export type OrderRow = [order_id: string, price: Decimal, size: Decimal];

/** What a client sends. `params` stays undecoded until the method is known; `id` and `method` are checked by the
 * session, so that even a wrong request is answered under its id. */
export interface Request {
  id?: unknown;
  method?: unknown;
  params?: unknown;
}

/** A place in a stream; or, by symbol, in each of those that a request names. */
export interface Position {
  epoch: string;
  seq: number | Record<string, number>;
}

/** Parameters of `subscribe` and `unsubscribe`. A private channel takes no symbols: it is the account's. */
export interface StreamParams {
  channel: Channel;
  symbols?: string[];
  depth?: number | null;
  interval_ms?: number | null;
  interval?: string | null;
  from?: Position | null;
}

/** Parameters of `snapshot`. A private channel takes no symbol. */
export interface SnapshotParams {
  channel: Channel;
  symbol?: string;
  depth?: number | null;
  interval_ms?: number | null;
  interval?: string | null;
}

/** Parameters of `history`: closed candles whose `start`, or trades whose `ts`, is from `start` on and before `end`.
 * Where there are more than `limit`, the newest of them; the one that comes first is the `end` of the page before. */
export interface HistoryParams {
  channel: "candles" | "trades";
  symbol: string;
  interval?: string | null;
  start?: Time | null;
  end?: Time | null;
  limit?: number;
}

/** Parameters of `instruments`: each narrows the list, none means all. */
export interface InstrumentsParams {
  venue?: string | null;
  asset_class?: string | null;
}

/** Parameters of a method that takes none. */
export type NoParams = Record<string, never>;

/** Parameters of `auth.login`: a key and its signature over the challenge of `hello` (base64url without padding), or
 * a token (JWT) alone, or `demo` alone for the demonstration account where `hello` offers it. `takeover` closes the
 * key's other sessions, or the one of them that it names; of the demonstration account only the latter. */
export interface LoginParams {
  key?: string;
  signature?: string;
  token?: string;
  takeover?: boolean | string;
  demo?: boolean;
}

/** Parameters of `order.place`. Prices and sizes are decimal strings, times integer nanoseconds. */
export interface PlaceParams {
  symbol: string;
  side: Side;
  size: Decimal;
  type?: OrderType;
  price?: Decimal | null;
  stop_price?: Decimal | null;
  time_in_force?: TimeInForce;
  expires_at?: Time | null;
  post_only?: boolean;
  reduce_only?: boolean;
  display_size?: Decimal | null;
  client_order_id?: string;
  self_trade_prevention?: SelfTradePrevention;
  deadline?: Time | null;
}

/** Parameters of `order.amend`; `size` is the new total, what has been filled included. */
export interface AmendParams {
  order_id?: string;
  client_order_id?: string;
  price?: Decimal | null;
  size?: Decimal | null;
}

/** Parameters of `order.cancel` and `order.get`: one of the two ids. */
export interface OrderParams {
  order_id?: string;
  client_order_id?: string;
}

/** Parameters of `order.cancel_all` and `order.list`; no symbol means all. */
export interface CancelAllParams {
  symbol?: string;
}

/** One operation of `order.batch`: the method is `place`, `amend` or `cancel`. */
export interface Operation {
  method: "amend" | "cancel" | "place";
  params: PlaceParams | AmendParams | OrderParams;
}

/** Parameters of `order.batch`: 1 to 50 operations. */
export interface BatchParams {
  operations: Operation[];
}

/** Parameters of `session.cancel_on_disconnect`. */
export interface GuardParams {
  scope: GuardScope;
}

/** Parameters of `session.dead_man`: call it again before the time is over; 0 disarms. */
export interface DeadManParams {
  timeout_ms: number;
}

/** Parameters of `account.portfolio`: the asset that everything is valued in. */
export interface PortfolioParams {
  currency: string;
}

/** Parameters of `admin.deposit` and `admin.withdraw`. The same `transfer_id` never moves the money twice. */
export interface TransferParams {
  account: string;
  asset: string;
  amount: Decimal;
  transfer_id: string;
}

/** Parameters of `admin.kill_switch`: an account or a symbol. */
export interface KillSwitchParams {
  on: boolean;
  account?: string;
  symbol?: string;
}

/** Parameters of `admin.trading_status`. */
export interface TradingParams {
  symbol: string;
  state: TradingState;
}

/** What the session may do, told in `hello`. */
export interface Limits {
  message_bytes: number;
  requests_per_second: number;
  subscriptions: number;
}

/** First message of every session. `demo`: there is a demonstration account, which needs no key. */
export interface Hello {
  type: "hello";
  session: string;
  epoch: string;
  time: Time;
  version: string;
  heartbeat_ms: number;
  challenge: string;
  limits: Limits;
  demo: boolean;
}

/** A stream and the last `seq` that was published on it; for a private one `symbol` is the account. `recovered`, or
 * the `reason` why not, answers a subscription `from` a place in the stream. */
export interface StreamState {
  channel: string;
  symbol: string;
  seq: number;
  depth?: number;
  interval_ms?: number;
  interval?: string;
  recovered?: boolean | null;
  reason?: string;
}

/** Every `heartbeat_ms`: where every stream of the session stands. */
export interface Heartbeat {
  type: "heartbeat";
  time: Time;
  streams: StreamState[];
}

/** The server is about to stop. Everything works until it closes this connection, at `deadline` (ns, its clock). */
export interface Drain {
  type: "drain";
  deadline: Time;
}

/** This client reads too slowly: it is `messages` behind, over all of its streams. What it missed follows, or what
 * says that it was dropped. */
export interface Lagging {
  type: "lagging";
  messages: number;
}

/** Messages `from` to `to` of a lossless stream were dropped for this client; a snapshot follows. */
export interface Gap {
  type: "gap";
  channel: string;
  symbol: string;
  from: number;
  to: number;
}

/** Messages of a latest-class stream that this client was too slow for; the newest follows. Those with `from` <= seq
 * <= `to` were left out. */
export interface Skipped {
  type: "skipped";
  channel: string;
  symbol: string;
  from: number;
  to: number;
  depth?: number;
  interval_ms?: number;
  interval?: string;
}

/** Why a request was refused: a code from the table, in words, the field, whether trying again can help. */
export interface ErrorBody {
  code: string;
  message: string;
  field?: string | null;
  retry?: boolean;
}

/** Answer to a request: either `result` or `error`. */
export interface Reply {
  id: number | string | null;
  time_in: Time;
  time_out: Time;
  result?: unknown;
  error?: ErrorBody | null;
}

/** `trades`, update. */
export interface TradeData {
  id: string;
  price: Decimal;
  size: Decimal;
  /** the taker's */
  side: Side | null;
  ts_event: Time;
  buy_order_id: string | null;
  sell_order_id: string | null;
}

/** `trades`, snapshot: the newest trades, oldest first. */
export interface TradesSnapshot {
  trades: TradeData[];
}

/** `book`, snapshot (all levels, or the best `depth`) and update (changed levels; size "0" deletes). */
export interface BookData {
  bids: PriceSize[];
  asks: PriceSize[];
  checksum: number;
}

/** `book_l3`, snapshot: every order in priority order. */
export interface OrdersData {
  bids: OrderRow[];
  asks: OrderRow[];
}

/** `book_l3`, update. `size` is what remains; `filled` and `trade_id` only with the action `fill`. */
export interface OrderChangeData {
  action: "add" | "cancel" | "fill" | "modify";
  order_id: string;
  side: Side;
  price: Decimal;
  size: Decimal;
  filled?: Decimal | null;
  trade_id?: string | null;
}

/** `quotes`. A side is null where the book has none. */
export interface QuoteData {
  bid: Decimal | null;
  bid_size: Decimal | null;
  ask: Decimal | null;
  ask_size: Decimal | null;
  ts_event: Time;
}

/** `candles`. */
export interface CandleData {
  interval: string;
  start: Time;
  open: Decimal;
  high: Decimal;
  low: Decimal;
  close: Decimal;
  volume: Decimal;
  quote_volume: Decimal;
  trades: number;
  closed: boolean;
  /** of it, what takers bought */
  buy_volume: Decimal;
  buy_quote_volume: Decimal;
}

/** `ticker`: rolling 24 hours. */
export interface TickerData {
  last: Decimal;
  open: Decimal;
  high: Decimal;
  low: Decimal;
  volume: Decimal;
  quote_volume: Decimal;
  change: Decimal;
  change_pct: Decimal;
  trades: number;
}

/** `rates`. */
export interface RateData {
  rate: Decimal;
  bid?: Decimal | null;
  ask?: Decimal | null;
  ts_event?: Time;
}

/** `status`: of the instrument, and of the feed that drives it. */
export interface StatusData {
  instrument: TradingState;
  feed: FeedState;
  reason: string;
}

/** An order: `orders` updates, and the result of what is done with one. `status` is open, waiting (for its stop
 * price), filled, canceled or expired; `remaining` may still fill. */
export interface OrderData {
  order_id: string;
  client_order_id: string;
  symbol: string;
  side: Side;
  type: OrderType;
  status: OrderStatus;
  time_in_force: TimeInForce;
  price: Decimal | null;
  stop_price: Decimal | null;
  size: Decimal;
  remaining: Decimal;
  filled: Decimal;
  average_price: Decimal | null;
  fee: Decimal;
  post_only: boolean;
  reduce_only: boolean;
  display_size: Decimal | null;
  self_trade_prevention: SelfTradePrevention;
  expires_at: Time | null;
  reason: string;
  created: Time;
  updated: Time;
}

/** `orders`, snapshot: every open or waiting order, oldest first. */
export interface OpenOrdersData {
  orders: OrderData[];
}

/** `fills`, update: an order's part in a trade. `fee` is in the quote asset, negative for a rebate. */
export interface FillData {
  symbol: string;
  trade_id: string;
  order_id: string;
  client_order_id: string;
  side: Side;
  price: Decimal;
  size: Decimal;
  fee: Decimal;
  fee_asset: string;
  liquidity: "maker" | "taker";
  seq: number;
  ts: Time;
}

/** `fills`, snapshot: the newest fills, oldest first. */
export interface FillsSnapshot {
  fills: FillData[];
}

/** One asset: `available` to trade with, `held` by open orders. */
export interface BalanceData {
  asset: string;
  available: Decimal;
  held: Decimal;
}

/** `balances`: those that changed; all of them in a snapshot. */
export interface BalancesData {
  balances: BalanceData[];
}

/** What the fills on an instrument add up to. Profits are in the quote asset, fees apart; null without a price. */
export interface PositionData {
  symbol: string;
  size: Decimal;
  average_price: Decimal | null;
  realised: Decimal;
  unrealised: Decimal | null;
  fees: Decimal;
  mark: Decimal | null;
}

/** `positions`: those that changed; all of them in a snapshot. */
export interface PositionsData {
  positions: PositionData[];
}

/** Result of `account.balances`: the stream `balances` as it stood at `seq`. */
export interface AccountBalances {
  balances: BalanceData[];
  epoch: string;
  seq: number;
}

/** Result of `account.positions`: the stream `positions` as it stood at `seq`. */
export interface AccountPositions {
  positions: PositionData[];
  epoch: string;
  seq: number;
}

/** Result of `account.fills`: the stream `fills` as it stood at `seq`. */
export interface AccountFills {
  fills: FillData[];
  epoch: string;
  seq: number;
}

/** Result of `order.place`, `order.amend`, `order.cancel` and `order.get`: the order as it stood then, and the fills
 * of this request (`order.get`: those of its last 1,000 that are the order's). */
export interface OrderResult {
  order: OrderData;
  fills: FillData[];
}

/** Result of `order.list`: the stream `orders` as it stood at `seq`. */
export interface OrdersResult {
  orders: OrderData[];
  epoch: string;
  seq: number;
}

/** Result of `order.cancel_all`: the ids of what was canceled. */
export interface CanceledResult {
  order_ids: string[];
}

/** What one operation of a batch came to: either `result` or `error`. */
export interface BatchItem {
  result?: OrderResult;
  error?: ErrorBody | null;
}

/** Result of `order.batch`, in the order of the operations. */
export interface BatchResult {
  results: BatchItem[];
}

/** One asset of a portfolio; `value` is null where no rate leads to the currency. */
export interface Holding {
  asset: string;
  amount: Decimal;
  value: Decimal | null;
}

/** Result of `account.portfolio`: `total` leaves out what has no value. `seq` is that of `balances`. */
export interface PortfolioResult {
  currency: string;
  total: Decimal;
  holdings: Holding[];
  epoch: string;
  seq: number;
}

/** What is left of a limit: `remaining` of `limit` now, all of it again in `reset_ms` if none is used. */
export interface Rate {
  limit: number;
  remaining: number;
  reset_ms: number;
}

/** Result of `ping`: how many requests the session may make. */
export interface PingResult {
  rate: Rate;
}

/** Result of `auth.login`. */
export interface LoginResult {
  account: string;
  scopes: string[];
}

/** Result of `history`: messages of a stream, oldest first, as they were said when each was new; `seq` is where the
 * stream stands now. */
export interface HistoryResult {
  epoch: string;
  channel: string;
  symbol: string;
  seq: number;
  messages: StreamMessage<"candles" | "trades">[];
}

/** One row of the result of `instruments`. */
export interface InstrumentInfo {
  symbol: string;
  venue: string;
  base: string;
  quote: string;
  asset_class: string;
  kind: string;
  tick_size: Decimal;
  lot_size: Decimal;
  channels: string[];
  status: StatusData;
  maker_fee: Decimal;
  taker_fee: Decimal;
  price_band: string;
  size_max: string;
  notional_min: string;
  notional_max: string;
}

/** Result of `instruments`. */
export interface InstrumentsResult {
  instruments: InstrumentInfo[];
}

/** Result of `time`: the server's clock. */
export interface TimeResult {
  time: Time;
}

/** Result of `subscribe`, `unsubscribe` and `subscriptions`. `recovered` answers a subscription `from` a place:
 * whether all of its streams go on from there. */
export interface StreamsResult {
  streams: StreamState[];
  recovered?: boolean | null;
}

/** Result of a method that has nothing to tell. */
export type NoResult = Record<string, never>;

/** What came after message `after` of a stream is missing, found out on this side; a snapshot follows. Never on the
 * wire; shaped like `Gap` and `Skipped`, which the server says, so that all three read alike. */
export interface Lost {
  type: "lost";
  channel: string;
  symbol: string;
  after: number;
  reason: string;
  depth?: number;
  interval_ms?: number;
  interval?: string;
}

/** Over another connection a lossless stream goes on after message `after`; the `missed` ones that had been
 * published by then follow, then the new ones. Nothing is missing. */
export interface Resumed {
  type: "resumed";
  channel: string;
  symbol: string;
  after: number;
  missed: number;
}

/** What `data` is, by channel and type of message. */
export interface StreamData {
  trades: { snapshot: TradesSnapshot; update: TradeData };
  book: { snapshot: BookData; update: BookData };
  book_l3: { snapshot: OrdersData; update: OrderChangeData };
  quotes: { snapshot: QuoteData; update: QuoteData };
  candles: { snapshot: CandleData; update: CandleData };
  ticker: { snapshot: TickerData; update: TickerData };
  rates: { snapshot: RateData; update: RateData };
  status: { snapshot: StatusData; update: StatusData };
  orders: { snapshot: OpenOrdersData; update: OrderData };
  fills: { snapshot: FillsSnapshot; update: FillData };
  balances: { snapshot: BalancesData; update: BalancesData };
  positions: { snapshot: PositionsData; update: PositionsData };
}

/** What messages of all streams have. `symbol` is the account in a private stream; options not set are absent. */
export interface StreamHead {
  symbol: string;
  seq: number;
  ts: Time;
  depth?: number;
  interval_ms?: number;
  interval?: string;
}

/** A stream as it stands: at its beginning, or in its midst where all of it has changed. `data` is null where nothing
 * has happened yet. */
export interface Snapshot<C extends Channel> extends StreamHead {
  channel: C;
  type: "snapshot";
  data: StreamData[C]["snapshot"] | null;
}

/** What has changed, or the newest state. */
export interface Update<C extends Channel> extends StreamHead {
  channel: C;
  type: "update";
  data: StreamData[C]["update"];
}

/** One message of one stream: `channel` and `type` tell what `data` is. */
export type StreamMessage<C extends Channel = Channel> = { [K in C]: Snapshot<K> | Update<K> }[C];

/** What the server says that is neither an answer nor of a stream. */
export type Control = Hello | Heartbeat | Drain | Lagging | Gap | Skipped;

/** Something of a stream was left out, or it goes on after its connection was lost. */
export type Notice = Gap | Skipped | Lost | Resumed;

/** The parameters of each method. */
export interface Params {
  /** What is left of the session's requests. */
  ping: NoParams;
  /** The server's clock. */
  time: NoParams;
  /** Read streams from now on; a snapshot of each follows, or what it missed. */
  subscribe: StreamParams;
  /** Stop reading streams. */
  unsubscribe: StreamParams;
  /** The streams of this session. */
  subscriptions: NoParams;
  /** The instruments that the caller may see. */
  instruments: InstrumentsParams;
  /** A stream as it stands. */
  snapshot: SnapshotParams;
  /** What a stream has said: closed candles, or the newest trades. */
  history: HistoryParams;
  /** Prove a key. */
  "auth.login": LoginParams;
  /** End the login; disarms session.cancel_on_disconnect. */
  "auth.logout": NoParams;
  /** What is canceled when this connection is lost. */
  "session.cancel_on_disconnect": GuardParams;
  /** Enter an order. */
  "order.place": PlaceParams;
  /** Change an open order. */
  "order.amend": AmendParams;
  /** Take an open order off. */
  "order.cancel": OrderParams;
  /** Take all open orders off, or those of one instrument. */
  "order.cancel_all": CancelAllParams;
  /** Up to 50 operations, each answered on its own. */
  "order.batch": BatchParams;
  /** An order, open or ended not long ago, and its fills. */
  "order.get": OrderParams;
  /** The open and waiting orders. */
  "order.list": CancelAllParams;
  /** The account's balances. */
  "account.balances": NoParams;
  /** The account's positions. */
  "account.positions": NoParams;
  /** The account's newest fills. */
  "account.fills": NoParams;
  /** What the account has, valued in one currency. */
  "account.portfolio": PortfolioParams;
  /** Cancel all orders unless this is called again in time. */
  "session.dead_man": DeadManParams;
  /** Bring money into an account. */
  "admin.deposit": TransferParams;
  /** Take money out of an account. */
  "admin.withdraw": TransferParams;
  /** Cancel all of an account or instrument and refuse what is new. */
  "admin.kill_switch": KillSwitchParams;
  /** Open, halt or close an instrument. */
  "admin.trading_status": TradingParams;
}

/** The result of each method. */
export interface Results {
  /** What is left of the session's requests. */
  ping: PingResult;
  /** The server's clock. */
  time: TimeResult;
  /** Read streams from now on; a snapshot of each follows, or what it missed. */
  subscribe: StreamsResult;
  /** Stop reading streams. */
  unsubscribe: StreamsResult;
  /** The streams of this session. */
  subscriptions: StreamsResult;
  /** The instruments that the caller may see. */
  instruments: InstrumentsResult;
  /** A stream as it stands. */
  snapshot: StreamMessage & { epoch: string };
  /** What a stream has said: closed candles, or the newest trades. */
  history: HistoryResult;
  /** Prove a key. */
  "auth.login": LoginResult;
  /** End the login; disarms session.cancel_on_disconnect. */
  "auth.logout": NoResult;
  /** What is canceled when this connection is lost. */
  "session.cancel_on_disconnect": NoResult;
  /** Enter an order. */
  "order.place": OrderResult;
  /** Change an open order. */
  "order.amend": OrderResult;
  /** Take an open order off. */
  "order.cancel": OrderResult;
  /** Take all open orders off, or those of one instrument. */
  "order.cancel_all": CanceledResult;
  /** Up to 50 operations, each answered on its own. */
  "order.batch": BatchResult;
  /** An order, open or ended not long ago, and its fills. */
  "order.get": OrderResult;
  /** The open and waiting orders. */
  "order.list": OrdersResult;
  /** The account's balances. */
  "account.balances": AccountBalances;
  /** The account's positions. */
  "account.positions": AccountPositions;
  /** The account's newest fills. */
  "account.fills": AccountFills;
  /** What the account has, valued in one currency. */
  "account.portfolio": PortfolioResult;
  /** Cancel all orders unless this is called again in time. */
  "session.dead_man": NoResult;
  /** Bring money into an account. */
  "admin.deposit": NoResult;
  /** Take money out of an account. */
  "admin.withdraw": NoResult;
  /** Cancel all of an account or instrument and refuse what is new. */
  "admin.kill_switch": CanceledResult;
  /** Open, halt or close an instrument. */
  "admin.trading_status": NoResult;
}

/** A method's name. */
export type Method = keyof Results;

/** WebSocket subprotocols: each stands for an encoding. */
export const SUBPROTOCOLS = { json: "tickwire.v1.json", msgpack: "tickwire.v1.msgpack" } as const;

/** A row of `ERROR_CODES`. */
export interface ErrorMeaning {
  meaning: string;
  what_to_do: string;
  retry: boolean;
}

/** What each error code means, what to do next, and whether the same request may work later. */
export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorMeaning>> = {
  invalid_json: {
    meaning: "the message is not one JSON (or MessagePack) object",
    what_to_do: "send one object a message, in the negotiated encoding",
    retry: false,
  },
  invalid_request: {
    meaning: "`id` or `method` is missing or of the wrong type",
    what_to_do: "fix the field that is named",
    retry: false,
  },
  unknown_method: {
    meaning: "there is no such method",
    what_to_do: "use one of the methods that the message lists",
    retry: false,
  },
  invalid_params: {
    meaning: "a parameter is missing, unknown, of the wrong type or out of bounds",
    what_to_do: "fix it",
    retry: false,
  },
  unknown_channel: {
    meaning: "there is no such channel",
    what_to_do: "use one of the channels that the message lists",
    retry: false,
  },
  unknown_symbol: {
    meaning: "no instrument has this symbol",
    what_to_do: "ask `instruments` for those there are",
    retry: false,
  },
  not_available: {
    meaning: "this instrument does not have this channel",
    what_to_do: "ask `instruments` for its channels",
    retry: false,
  },
  not_subscribed: {
    meaning: "there is no such subscription",
    what_to_do: "ask `subscriptions` for those there are",
    retry: false,
  },
  too_many_subscriptions: {
    meaning: "the session has as many as it may",
    what_to_do: "unsubscribe first, or open another",
    retry: false,
  },
  login_failed: {
    meaning: "the key is unknown, revoked or not allowed from this address, or the signature is wrong",
    what_to_do: "sign the challenge of this connection's `hello` with a key that is in force",
    retry: false,
  },
  not_logged_in: {
    meaning: "the method or channel needs a login",
    what_to_do: "call `auth.login` first",
    retry: false,
  },
  not_permitted: {
    meaning: "the key lacks the scope",
    what_to_do: "use a key with the scope that the message names",
    retry: false,
  },
  not_entitled: {
    meaning: "the key may not see this channel or symbol",
    what_to_do: "use a key that may; the message names those of this one",
    retry: false,
  },
  too_many_connections: {
    meaning: "the key is logged in on as many connections as it may; this one is closed (4102)",
    what_to_do: "close one of them, or log in with `takeover`",
    retry: true,
  },
  not_tradable: {
    meaning: "the instrument is another venue's",
    what_to_do: "trade one whose kind is `matched`",
    retry: false,
  },
  trading_halted: {
    meaning: "the instrument is not open",
    what_to_do: "wait until its `status` is open",
    retry: true,
  },
  unknown_order: {
    meaning: "the account has no such order, or it ended long ago",
    what_to_do: "ask `order.list`",
    retry: false,
  },
  order_closed: {
    meaning: "the order has ended",
    what_to_do: "ask `order.get` how",
    retry: false,
  },
  no_change: {
    meaning: "the amend changes nothing",
    what_to_do: "give another price or size",
    retry: false,
  },
  insufficient_balance: {
    meaning: "the account has less available than this needs",
    what_to_do: "deposit, cancel or ask less",
    retry: false,
  },
  price_out_of_band: {
    meaning: "the price is too far from the market",
    what_to_do: "give one within the band that is named",
    retry: false,
  },
  size_too_large: {
    meaning: "above the instrument's largest size",
    what_to_do: "split the order",
    retry: false,
  },
  notional_too_small: {
    meaning: "price x size is below the instrument's least",
    what_to_do: "order more",
    retry: false,
  },
  notional_too_large: {
    meaning: "price x size is above the instrument's most",
    what_to_do: "split the order",
    retry: false,
  },
  too_many_orders: {
    meaning: "the account has as many open orders as it may",
    what_to_do: "cancel some first",
    retry: false,
  },
  kill_switch: {
    meaning: "the account or the instrument is switched off",
    what_to_do: "ask the operator",
    retry: false,
  },
  would_take: {
    meaning: "a post-only order would match at once",
    what_to_do: "give a price that rests",
    retry: false,
  },
  would_not_fill: {
    meaning: "a fill-or-kill order can't be filled whole",
    what_to_do: "ask less, or use ioc",
    retry: false,
  },
  would_trigger: {
    meaning: "the stop price is already reached",
    what_to_do: "give one that the last trade has not reached, or no stop",
    retry: false,
  },
  would_increase: {
    meaning: "a reduce-only order would not reduce the position",
    what_to_do: "ask `account.positions`",
    retry: false,
  },
  deadline_passed: {
    meaning: "the order came after its deadline",
    what_to_do: "decide anew",
    retry: false,
  },
  duplicate_id: {
    meaning: "this id was used before with other content",
    what_to_do: "use a new id",
    retry: false,
  },
  busy: {
    meaning: "the server has more to do than it can queue; nothing was done",
    what_to_do: "try again in a second",
    retry: true,
  },
  outcome_unknown: {
    meaning: "the server failed while the request was under way",
    what_to_do: "connect again and ask `order.get` with the client_order_id: it may or may not have been done",
    retry: false,
  },
  rate_limited: {
    meaning: "more requests than the session may make, or more failed logins than the address may",
    what_to_do: "wait a second, then go on slower; `ping` says what is left",
    retry: true,
  },
};

/** Why a server closes a connection, by the close code. */
export const CLOSE_CODES: Readonly<Record<number, string>> = {
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
};

/** How a channel is delivered. */
export type ChannelClass = "lossless" | "latest" | "private";

/** How each channel is delivered: every message (lossless), or the newest state (latest); private ones are the
 * account's and lossless. A `book` with `depth` or `interval_ms` is latest, too. */
export const CHANNELS: Readonly<Record<Channel, ChannelClass>> = {
  trades: "lossless",
  book: "lossless",
  book_l3: "lossless",
  quotes: "latest",
  candles: "latest",
  ticker: "latest",
  rates: "latest",
  status: "lossless",
  orders: "private",
  fills: "private",
  balances: "private",
  positions: "private",
};

/** Depths that `book` can be had in. */
export const BOOK_DEPTHS = [1, 5, 10, 20, 50, 100, 500, 1000] as const;

/** Intervals that `book` can be had at, ms. */
export const BOOK_INTERVALS_MS = [100, 250, 500, 1000, 5000] as const;

/** Names of the candle intervals and their lengths in nanoseconds. */
export const CANDLE_INTERVALS: Readonly<Record<CandleInterval, bigint>> = {
  "1s": 1_000_000_000n,
  "5s": 5_000_000_000n,
  "1m": 60_000_000_000n,
  "5m": 300_000_000_000n,
  "15m": 900_000_000_000n,
  "1h": 3_600_000_000_000n,
  "4h": 14_400_000_000_000n,
  "1d": 86_400_000_000_000n,
};

/** Fields that are times wherever they are integers: a codec reads and writes them as bigint. */
export const TIME_FIELDS = [
  "created",
  "deadline",
  "end",
  "expires_at",
  "start",
  "time",
  "time_in",
  "time_out",
  "ts",
  "ts_event",
  "updated",
] as const;

/** Digits of a number from outside. */
export const DIGITS_MAX = 40;

/** Steps of one price or size. */
export const UNITS_MAX = 1_000_000_000_000_000_000n;

/** Every method of the socket. */
export const METHODS = [
  "ping",
  "time",
  "subscribe",
  "unsubscribe",
  "subscriptions",
  "instruments",
  "snapshot",
  "history",
  "auth.login",
  "auth.logout",
  "session.cancel_on_disconnect",
  "order.place",
  "order.amend",
  "order.cancel",
  "order.cancel_all",
  "order.batch",
  "order.get",
  "order.list",
  "account.balances",
  "account.positions",
  "account.fills",
  "account.portfolio",
  "session.dead_man",
  "admin.deposit",
  "admin.withdraw",
  "admin.kill_switch",
  "admin.trading_status",
] as const;
