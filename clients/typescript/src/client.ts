/** The client: everything a tickwire server offers, over a connection that mends itself. */

import { LiveBook, LiveOrders, openBook, openOrders } from "./books.ts";
import { checkOptions, isPrivate, optionsOf, streamKey, type StreamKey, type StreamOptions } from "./channel.ts";
import type { Encoding } from "./codec.ts";
import type { SocketConstructor } from "./connection.ts";
import { ConnectionLost, InvalidInput, RequestRefused } from "./errors.ts";
import type { ClientEvent, State } from "./events.ts";
import { SUBPROTOCOLS } from "./generated.ts";
import type {
  Channel,
  Hello,
  HistoryParams,
  InstrumentInfo,
  InstrumentsParams,
  LoginResult,
  Lost,
  Method,
  Params,
  Results,
  SnapshotParams,
  StreamMessage,
} from "./generated.ts";
import { Keeper } from "./keeper.ts";
import type { Login } from "./login.ts";
import type { Stats } from "./outcomes.ts";
import { Queue, Subscription, type Item, type Listener } from "./subscription.ts";
import { checkTimeout, Trading } from "./trading.ts";

/** How long a reply may take: twice the default heartbeat, so that a dead connection is noticed first or nearly. */
export const REQUEST_TIMEOUT_MS = 10_000;

const OPTIONS: Record<keyof ClientOptions, true> = {
  encoding: true, reconnect: true, keepTrying: true, requestTimeoutMs: true, login: true, signal: true, WebSocket: true,
  random: true, newId: true, now: true, after: true,
}; // prettier-ignore

/** How a client connects. The last five are for tests, and for programs without a global `WebSocket`. */
export interface ClientOptions {
  /** `json`, or `msgpack`, which is smaller. */
  readonly encoding?: Encoding | undefined;
  /** false lets subscriptions and books end with `ConnectionLost` instead. */
  readonly reconnect?: boolean | undefined;
  /** true repeats the first connection as well, instead of rejecting. */
  readonly keepTrying?: boolean | undefined;
  /** How long a reply may take. */
  readonly requestTimeoutMs?: number | undefined;
  /** What to log in with on every connection; nothing for public data only. */
  readonly login?: Login | undefined;
  /** Gives the connecting up, which then rejects with the signal's reason; later it has no effect: see `Client.close`. */
  readonly signal?: AbortSignal | undefined;
  readonly WebSocket?: SocketConstructor | undefined;
  /** The jitter of reconnections: 0 up to 1. */
  readonly random?: (() => number) | undefined;
  /** Ids of orders, new every time. */
  readonly newId?: (() => string) | undefined;
  /** A clock that only rises, ms. */
  readonly now?: (() => number) | undefined;
  /** Call a function in so many ms, unless the one that is returned is called before. */
  readonly after?: ((ms: number, run: () => void) => () => void) | undefined;
}

/**
 * A client of one server; `connect` makes it.
 *
 * When the connection is lost, or mute for 2.5 heartbeats, it is made anew, with full-jitter exponential backoff, and at
 * once when the browser says that it is online again. Lossless streams then go on from their last message, and so do the
 * live books and the account that they keep: the server sends what was missed, or says that it can't and sends a snapshot.
 * Streams of the latest class begin with a snapshot. Requests are not repeated: their caller gets `ConnectionLost` (what
 * `place` does, it says itself). After a close code from 4400 to 4499, which a refused login counts as, there is no
 * reconnection.
 */
export class Client extends Trading {
  readonly url: string;
  declare protected readonly desk: Keeper;

  /** Use `connect`. */
  constructor(url: string, keeper: Keeper) {
    super(keeper);
    this.url = url;
  }

  // ---- the connection ------------------------------------------------------------------------------

  /** How it is connected: `waiting` is between two attempts, `closed` for good. */
  get state(): State {
    return this.desk.state;
  }

  /** What the server said first on the newest connection. @throws ConnectionLost there was none yet. */
  get hello(): Hello {
    if (this.desk.hello === null) throw new ConnectionLost("not connected yet");
    return this.desk.hello;
  }

  /** Counters over all connections. */
  get stats(): Readonly<Stats> {
    return this.desk.stats;
  }

  /** The account that it is logged in as, null when it is not. */
  get accountName(): string | null {
    return this.desk.identity?.account ?? null;
  }

  /** What the login may do: some of read, trade and admin. */
  get scopes(): readonly string[] {
    return this.desk.identity?.scopes ?? [];
  }

  /**
   * ms since the server was heard last, on whichever connection; infinite before the first. The server speaks every
   * `hello.heartbeat_ms` or more often: after twice that, what is shown may be old.
   */
  get silenceMs(): number {
    return this.desk.silenceMs;
  }

  /** When the server, which stops or restarts, closes the newest connection: ns on its clock. null: it has not said so. */
  get draining(): bigint | null {
    return this.desk.drain?.deadline ?? null;
  }

  /** When the next attempt to connect is, on the clock of `performance.now`; null unless the state is `waiting`. */
  get retryAt(): number | null {
    return this.desk.retryAt;
  }

  /**
   * What the server's clock shows now, ns since the Unix epoch, for the `deadline` and `expires_at` of orders. Known from
   * the last heartbeat without asking, so behind by the time that one was on its way.
   *
   * @throws ConnectionLost there was no connection yet.
   */
  serverTime(): bigint {
    return this.desk.serverTime();
  }

  /** Hear what happens to the connection, until the function that is returned is called. */
  listen(listener: (event: ClientEvent) => void): () => void {
    return this.desk.events.add(listener);
  }

  /** Connect at once where it waits for the next attempt. */
  wake(): void {
    this.desk.wake();
  }

  /** Close the connection; subscriptions end, and what waits rejects with `ConnectionLost`. Closing twice is no error. */
  close(): Promise<void> {
    return this.desk.stop();
  }

  /** Log in, now and on every later connection. Errors as of `request`; on these, all stays as it was. */
  login(login: Login): Promise<LoginResult> {
    return this.desk.logInAs(login);
  }

  /** Log out for good: no later connection logs in, the private streams end, and no guard fires. */
  logout(): Promise<void> {
    return this.desk.logOut();
  }

  // ---- requests ------------------------------------------------------------------------------------

  /**
   * Any request of the protocol.
   *
   * @throws RequestRefused the server says no; `code`, `field` and `retry` say more.
   * @throws ConnectionLost not connected, or the connection was lost before the reply; the message says which.
   * @throws TickwireError no reply in time; the message says whether the request was sent.
   */
  async request<M extends Method>(method: M, params?: Params[M]): Promise<Results[M]> {
    return this.desk.connection().request(method, params);
  }

  /** Round trip to the server, ms. Errors as of `request`. */
  async ping(): Promise<number> {
    const begin = this.desk.now();
    await this.request("ping");
    return this.desk.now() - begin;
  }

  /** The instruments, all or those of a venue or an asset class. Errors as of `request`. */
  instruments(filter: InstrumentsParams = {}): Promise<InstrumentInfo[]> {
    return this.desk.listInstruments(filter);
  }

  /** One instrument, from the list that is asked for once a connection. @throws InvalidInput there is none. */
  instrument(symbol: string): Promise<InstrumentInfo> {
    return this.desk.instrument(symbol);
  }

  /** Closed candles or the newest trades, oldest first: the messages that the stream has sent. Errors as of `request`. */
  async history<C extends "candles" | "trades">(params: HistoryParams & { channel: C }): Promise<StreamMessage<C>[]> {
    const { messages } = await this.request("history", params);
    return messages as StreamMessage[] as StreamMessage<C>[];
  }

  /** How a stream stands, without subscribing. Errors as of `subscribe`. */
  async snapshot<C extends Channel>(
    channel: C,
    symbol: string,
    options: StreamOptions = {},
  ): Promise<StreamMessage<C>> {
    const key = streamKey(channel, symbol, options);
    const params: SnapshotParams = { channel, ...(isPrivate(channel) ? {} : { symbol }), ...optionsOf(key) };
    return (await this.request("snapshot", params)) as StreamMessage as StreamMessage<C>;
  }

  // ---- streams -------------------------------------------------------------------------------------

  /**
   * Subscribe to a channel of one symbol or several. The channels of the account take none ("" or []).
   *
   * @param listener called with each message and notice as it arrives, and with the subscription, to close it; the first
   *   can come before this resolves.
   * @throws InvalidInput no such channel or option.
   * @throws RequestRefused, ConnectionLost, TickwireError as `request`.
   */
  async subscribe<C extends Channel>(
    channel: C,
    symbols: string | readonly string[],
    options: StreamOptions,
    listener: Listener<C>,
  ): Promise<Subscription> {
    const keys = this.keys(channel, symbols, options);
    if (typeof listener !== "function") throw new InvalidInput("listener must be a function", "listener");
    const subscription = new Subscription(this.desk, keys, listener as Listener);
    await this.desk.join(subscription);
    return subscription;
  }

  /**
   * The messages and notices of a channel: `for await (const message of client.messages("trades", "SIM:BTC-USDT"))`. It
   * subscribes when the iteration begins, and ends with it. Read steadily: of more than 10,000 that wait, or 16 MiB, the
   * rest is left out, which a `lost` says, and a snapshot follows. Nobody else who takes these streams misses anything.
   *
   * Throws at once `InvalidInput`, and while iterating what `subscribe` does, and `ConnectionLost` when there is no other
   * connection.
   */
  messages<C extends Channel>(
    channel: C,
    symbols: string | readonly string[] = [],
    options: StreamOptions = {},
  ): AsyncGenerator<Item<C>, void, void> {
    const queue = new Queue(this.keys(channel, symbols, options));
    const items = this.read(queue) as AsyncGenerator<Item<C>, void, void>;
    const end = items.return.bind(items);
    items.return = (value) => {
      queue.fail(null);
      this.desk.leave(queue);
      void end(value); // which comes after whatever a `next` waits for
      return Promise.resolve({ done: true, value: undefined });
    };
    return items;
  }

  private async *read(queue: Queue): AsyncGenerator<Item, void, void> {
    await this.desk.join(queue);
    try {
      for (;;) {
        for (let item = await queue.next(); item !== undefined; item = await queue.next()) yield item;
        if (queue.ended) return;
        yield* await this.joinAnew(queue);
      }
    } finally {
      this.desk.leave(queue);
    }
  }

  /** Subscribe again for a queue that was full; others who take its streams hear nothing of it but a snapshot. */
  private async joinAnew(queue: Queue): Promise<Lost[]> {
    for (;;) {
      try {
        await this.desk.again({ open: false });
        this.desk.leave(queue);
        const lost = queue.begin();
        if (!queue.ended) await this.desk.join(queue);
        return lost;
      } catch (error) {
        if (queue.ended) return [];
        const later = error instanceof RequestRefused ? error.retry : error instanceof ConnectionLost;
        if (!later || this.desk.ended !== null) throw error;
      }
      await this.desk.pause();
    }
  }

  /** A live book by level, valid when this resolves. Errors as of `subscribe`. */
  book(symbol: string, options: Omit<StreamOptions, "interval"> = {}): Promise<LiveBook> {
    return openBook(this.desk, symbol, options);
  }

  /** A live book by order, valid when this resolves. Errors as of `subscribe`. */
  bookL3(symbol: string): Promise<LiveOrders> {
    return openOrders(this.desk, symbol);
  }

  private keys(channel: Channel, symbols: string | readonly string[], options: StreamOptions): StreamKey[] {
    const given: unknown = typeof symbols === "string" ? [symbols] : symbols;
    if (!Array.isArray(given) || !given.every((symbol) => typeof symbol === "string")) {
      throw new InvalidInput("symbols must be a symbol or a list of symbols", "symbols");
    }
    const names = isPrivate(channel) ? [this.desk.account()] : [...new Set(given)];
    if (names.length === 0) throw new InvalidInput("symbols is empty; name at least one", "symbols");
    return names.map((name) => streamKey(channel, name, options));
  }
}

/**
 * A client of the server at `url`, such as `ws://127.0.0.1:8000/ws`. Resolves when it is connected, and logged in where
 * `options.login` says so.
 *
 * @throws InvalidInput the URL is none of a WebSocket, there is no WebSocket to use, or an option is wrong.
 * @throws ConnectionLost the first attempt failed (unless `keepTrying`); the message says what to check.
 */
export async function connect(url: string, options: ClientOptions = {}): Promise<Client> {
  const { encoding = "json", requestTimeoutMs = REQUEST_TIMEOUT_MS, signal } = options;
  const WebSocket = options.WebSocket ?? ("WebSocket" in globalThis ? globalThis.WebSocket : undefined);
  if (!URL.canParse(url) || !/^wss?:$/.test(new URL(url).protocol) || url.includes("#")) {
    throw new InvalidInput(`${url} is no address of a WebSocket: it should read like ws://host:8000/ws`, "url");
  }
  checkOptions(options, OPTIONS);
  checkTimeout(requestTimeoutMs, "requestTimeoutMs");
  if (!Object.hasOwn(SUBPROTOCOLS, encoding)) throw new InvalidInput("encoding must be json or msgpack", "encoding");
  if (WebSocket === undefined) {
    const text = "there is no WebSocket here: Node has one from 22 on, and 20 with --experimental-websocket";
    throw new InvalidInput(text, "WebSocket");
  }
  const clock = { now: options.now ?? (() => performance.now()), after: options.after ?? after };
  const keeper = new Keeper({
    url,
    encoding,
    WebSocket,
    clock,
    requestTimeoutMs,
    reconnect: options.reconnect ?? true,
    keepTrying: options.keepTrying ?? false,
    login: options.login ?? null,
    random: options.random ?? Math.random,
    newId: options.newId ?? newId,
  });
  const wake = (): void => {
    keeper.wake();
  };
  // a browser's window and workers say when the network is back; other programs have no such events
  if (typeof globalThis.addEventListener === "function") {
    globalThis.addEventListener("online", wake);
    keeper.events.add(({ type }) => {
      if (type === "closed") globalThis.removeEventListener("online", wake);
    });
  }
  const abort = (): void => void keeper.stop();
  signal?.throwIfAborted();
  signal?.addEventListener("abort", abort);
  try {
    await keeper.start();
  } finally {
    signal?.removeEventListener("abort", abort);
    signal?.throwIfAborted();
  }
  return new Client(url, keeper);
}

function after(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms);
  return () => {
    clearTimeout(timer);
  };
}

/** 128 random bits; `crypto.randomUUID` is not there on pages that are not secure. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
