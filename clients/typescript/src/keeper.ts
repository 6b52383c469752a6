/** Keeps a client connected and logged in, and what it is subscribed to going, over one connection after the other. */

import { backoffMs } from "./backoff.ts";
import { byRequest, isPrivate, type StreamKey } from "./channel.ts";
import { Connection, deadline, type Dial } from "./connection.ts";
import type { Consumer } from "./consumer.ts";
import { ConnectionLost, InvalidInput, RequestRefused, TickwireError } from "./errors.ts";
import type { ClientEvent, State } from "./events.ts";
import type { Drain, Hello, InstrumentInfo, InstrumentsParams, LoginResult, StreamMessage } from "./generated.ts";
import { loginParams, type Login } from "./login.ts";
import { Members } from "./members.ts";
import { newStats, type Outcome, type Stats } from "./outcomes.ts";
import { said } from "./session.ts";
import type { Guards, TradingDesk } from "./trading.ts";
import { Listeners } from "./waiting.ts";

/** How long `retry` in an error asks to wait. */
const PAUSE_MS = 1_000;
/** At the end of a close reason: the seconds to stay away, at most 11 days. */
const RETRY_AFTER = /retry_after=(\d{1,6})\)?$/;

/** What a client was told; see `ClientOptions`. */
export interface Settings extends Dial {
  readonly reconnect: boolean;
  readonly keepTrying: boolean;
  readonly login: Login | null;
  readonly random: () => number;
  readonly newId: () => string;
}

/** How long the server asks to stay away, ms; 0 unless it does. */
function retryAfterMs(lost: ConnectionLost): number {
  return Number(RETRY_AFTER.exec(lost.message)?.[1] ?? 0) * 1_000;
}

/** The connection of a client and its consumers. */
export class Keeper implements TradingDesk {
  readonly stats: Stats = newStats();
  readonly events = new Listeners<ClientEvent>();
  state: State = "connecting";
  /** When the next attempt is, ms on the client's clock; null unless waiting. */
  retryAt: number | null = null;
  /** What the server said first on the newest connection. */
  hello: Hello | null = null;
  /** That the server closes the newest one soon, when it has said so. */
  drain: Drain | null = null;
  /** Whom the server takes the client for; null when it is not logged in. */
  identity: LoginResult | null = null;
  ended: ConnectionLost | null = null;
  guards: Guards = {};
  private readonly settings: Settings;
  private login: Login | null;
  private attempt = 0;
  private newest: Connection | null = null;
  private dialling: Connection | null = null;
  private instruments = new Map<string, InstrumentInfo>();
  private listing: Promise<unknown> | null = null;
  private readonly members = new Members();
  private readonly waiters = new Set<() => void>();
  private wakeUp: () => void = () => undefined;

  constructor(settings: Settings) {
    this.settings = settings;
    this.login = settings.login;
  }

  // ---- from the first connection to the last -------------------------------------------------------

  /** Connect, and stay connected. @throws ConnectionLost the first attempt failed (unless told to keep trying). */
  start(): Promise<void> {
    return new Promise((resolve, reject: (error: Error) => void) => {
      let first = true;
      const up = (): void => {
        first = false;
        resolve();
      };
      const over = (error: ConnectionLost): void => {
        this.finish(error, error);
        reject(error);
      };
      this.keepConnected(() => first, up).then(over, (defect: unknown) => {
        over(new ConnectionLost(`the client failed: ${said(defect)}`, 1006, { cause: defect }));
      });
    });
  }

  /** Close the connection and end all consumers. Stopping twice is no error. */
  async stop(): Promise<void> {
    this.finish(new ConnectionLost("the client is closed", 1000), null);
    this.wake();
    await Promise.all([this.newest?.close("the client is closed"), this.dialling?.close("the client is closed")]);
  }

  /** Try at once, where the next attempt would be later. */
  wake(): void {
    this.wakeUp();
  }

  /** The client's clock, ms. */
  now(): number {
    return this.settings.clock.now();
  }

  /** Whether there is a connection now. */
  get connected(): boolean {
    return this.newest?.open ?? false;
  }

  /** ms since anything was received, on whichever connection; infinite before the first. */
  get silenceMs(): number {
    return this.newest === null ? Infinity : this.settings.clock.now() - this.newest.session.receivedMs;
  }

  /** The server's clock. @throws ConnectionLost there was no connection yet. */
  serverTime(): bigint {
    if (this.newest === null) throw new ConnectionLost("not connected yet");
    return this.newest.session.serverTime(this.settings.clock.now());
  }

  get epoch(): string {
    return this.hello?.epoch ?? "";
  }

  get requestTimeoutMs(): number {
    return this.settings.requestTimeoutMs;
  }

  newId(): string {
    return this.settings.newId();
  }

  connection(): Connection {
    if (this.ended !== null) throw new ConnectionLost(this.ended.message, this.ended.code);
    if (this.newest?.open !== true) {
      throw new ConnectionLost(`not connected to ${this.settings.url} now; nothing was sent`);
    }
    return this.newest;
  }

  async again(before: { readonly open: boolean }): Promise<Connection> {
    while (!before.open && this.ended === null && (this.newest === before || !this.connected)) {
      await new Promise<void>((resolve) => this.waiters.add(resolve));
    }
    return this.connection();
  }

  pause(): Promise<void> {
    return new Promise((resolve) => this.settings.clock.after(PAUSE_MS, resolve));
  }

  within<T>(ms: number, run: Promise<T>, late: () => Error): Promise<T> {
    return new Promise((resolve, reject: (error: unknown) => void) => {
      const cancel = deadline(this.settings.clock, ms, () => reject(late()));
      run.then(resolve, reject).finally(cancel);
    });
  }

  /** Connect, and again whenever the connection is lost; returns the loss that ends it. */
  private async keepConnected(first: () => boolean, up: () => void): Promise<ConnectionLost> {
    const { clock, keepTrying, random, reconnect } = this.settings;
    for (;;) {
      this.enter({ type: "connecting" });
      if (this.ended !== null) return this.ended; // a listener has closed it
      const error = await this.connect(up);
      if (this.isEnded()) return error;
      const { code, message } = error;
      if (!(first() ? keepTrying : reconnect) || (code >= 4400 && code <= 4499)) return error;
      const wait = Math.max(backoffMs(this.attempt, random), retryAfterMs(error));
      const woken = new Promise<void>((resolve) => {
        const cancel = clock.after(wait, resolve);
        this.wakeUp = () => {
          cancel();
          resolve();
        };
      });
      this.enter({ type: "waiting", reason: message, retryAt: clock.now() + wait });
      await woken;
      this.attempt += 1;
      if (this.isEnded()) return error;
    }
  }

  /** One connection, from its dialling to its loss. */
  private async connect(up: () => void): Promise<ConnectionLost> {
    const connection = new Connection(this.settings, (outcome) => this.handle(outcome), this.stats);
    this.dialling = connection;
    this.drain = null;
    try {
      this.hello = await connection.greeting();
      await this.logIn(connection, this.hello);
    } catch (error) {
      if (error instanceof ConnectionLost) return error;
      throw error;
    }
    const places = this.newest?.session.places ?? { epoch: "", seqs: new Map() };
    this.newest = connection;
    connection.takeUp(this.members.keys, places);
    this.instruments = new Map();
    this.stats.connections += 1;
    try {
      await this.restore(connection);
    } catch (error) {
      if (!(error instanceof TickwireError)) throw error;
      connection.fail(1000, `the subscriptions could not be resumed: ${error.message}`);
    }
    this.release();
    if (connection.open) this.enter({ type: "open" });
    up();
    const lost = await connection.lost;
    if (!this.isEnded()) this.events.tell({ type: "lost", code: lost.code, reason: lost.message });
    return lost;
  }

  /** Prove who one is, before anything else is sent. @throws ConnectionLost it failed; with 4401 for good. */
  private async logIn(connection: Connection, hello: Hello): Promise<void> {
    if (this.login === null) return;
    try {
      // what the last connection has sent must not arrive after the server was asked what became of it
      const before = this.newest?.session.hello?.session ?? null;
      const params = await this.signed(connection, this.login, hello.challenge, before);
      const identity = await connection.request("auth.login", params);
      if (this.isLoggedOut()) throw new ConnectionLost("logged out meanwhile", 1000);
      this.known(identity);
    } catch (error) {
      // what is refused for now the server may close with a reason that says for how long
      if (error instanceof RequestRefused && error.retry) {
        await this.within(PAUSE_MS, connection.lost, () => error).catch(() => undefined);
      }
      if (connection.loss !== null) throw connection.loss;
      connection.fail(1000, "the login failed");
      if (error instanceof RequestRefused && !error.retry) {
        throw new ConnectionLost(`the server refused the login: ${error.message}`, 4401, { cause: error });
      }
      if (error instanceof InvalidInput) {
        throw new ConnectionLost(`the client does not log in there: ${error.message}`, 4401, { cause: error });
      }
      throw new ConnectionLost(`the login failed: ${said(error)}`, 1006, { cause: error });
    }
  }

  /** @throws ConnectionLost it was lost before that was signed, which may take as long as it likes. */
  private async signed(connection: Connection, login: Login, challenge: string, takeover: string | null) {
    const params = await Promise.race([loginParams(login, challenge, takeover), connection.lost]);
    if (params instanceof ConnectionLost) throw params;
    return params;
  }

  private known(identity: LoginResult): void {
    this.identity = identity;
    this.events.tell({ type: "login", account: identity.account, scopes: identity.scopes });
  }

  /** Go on with what the last connection had: what guards its orders first, then its streams. */
  private async restore(connection: Connection): Promise<void> {
    for (const method of ["session.cancel_on_disconnect", "session.dead_man"] as const) {
      const params = this.guards[method];
      if (params !== undefined) await connection.request(method, params);
    }
    const scaled = [...this.members.all].filter(({ rescale }) => rescale !== undefined);
    if (scaled.length > 0) {
      await this.listInstruments();
      for (const consumer of scaled) {
        for (const key of consumer.keys) {
          const info = this.instruments.get(key.symbol);
          if (info !== undefined && consumer.rescale?.(info) === true) {
            connection.lose(key, "the instrument's steps are others now");
          }
        }
      }
    }
    connection.resumeStreams();
  }

  /** It is over: tell everyone. */
  private finish(error: ConnectionLost, told: Error | null): void {
    this.enter({ type: "closed", code: error.code, reason: error.message }, error);
    this.release();
    this.dismiss(this.members.all, told);
  }

  private isEnded(): boolean {
    return this.ended !== null;
  }

  /** Nothing comes after the end. */
  private enter(event: Extract<ClientEvent, { readonly type: State }>, ended: ConnectionLost | null = null): void {
    if (this.ended !== null) return;
    this.ended = ended;
    this.state = event.type;
    this.retryAt = event.type === "waiting" ? event.retryAt : null;
    this.events.tell(event);
  }

  private release(): void {
    for (const resolve of this.waiters) resolve();
    this.waiters.clear();
  }

  // ---- the account ---------------------------------------------------------------------------------

  account(): string {
    if (this.identity === null) throw new InvalidInput("this needs a login: connect(url, { login })", "login");
    return this.identity.account;
  }

  /** Log in, now and on every later connection. Errors as of `Requester.request`; what was before then stays. */
  async logInAs(login: Login): Promise<LoginResult> {
    const connection = this.connection();
    const params = await this.signed(connection, login, connection.session.hello?.challenge ?? "", null);
    const identity = await connection.request("auth.login", params);
    if (this.identity !== null && this.identity.account !== identity.account) this.endPrivate();
    this.login = login;
    this.known(identity);
    return identity;
  }

  /**
   * Log out for good: private streams end, and no later connection logs in. Without a connection that is all there is to
   * do. Errors as of `Requester.request`.
   */
  async logOut(): Promise<void> {
    this.login = this.identity = null;
    this.guards = {};
    try {
      if (this.newest?.open === true) await this.newest.request("auth.logout", undefined);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error; // with the connection its login is gone, too
    } finally {
      this.endPrivate();
      this.events.tell({ type: "logout" });
    }
  }

  private isLoggedOut(): boolean {
    return this.login === null;
  }

  private endPrivate(): void {
    this.guards = {};
    const keys = this.members.keys.filter(({ channel }) => isPrivate(channel));
    this.newest?.session.untrack(keys);
    this.dismiss(new Set(keys.flatMap((key) => this.members.of(key))), null);
  }

  // ---- instruments ---------------------------------------------------------------------------------

  /** The server's instruments; remembered when the list is whole. Errors as of `Requester.request`. */
  async listInstruments(params: InstrumentsParams = {}): Promise<InstrumentInfo[]> {
    const { instruments } = await this.connection().request("instruments", params);
    if (Object.keys(params).length === 0) this.instruments = new Map(instruments.map((row) => [row.symbol, row]));
    return instruments;
  }

  async instrument(symbol: string): Promise<InstrumentInfo> {
    if (!this.instruments.has(symbol)) {
      await (this.listing ??= this.listInstruments().finally(() => (this.listing = null)));
    }
    const info = this.instruments.get(symbol);
    if (info === undefined) {
      throw new InvalidInput(`no instrument "${symbol}"; \`instruments\` lists those there are`, "symbol");
    }
    return info;
  }

  // ---- consumers -----------------------------------------------------------------------------------

  async join(consumer: Consumer): Promise<void> {
    const connection = this.connection();
    this.members.add(consumer);
    try {
      for (const keys of byRequest(consumer.keys)) await connection.subscribe(keys);
    } catch (error) {
      this.leave(consumer);
      throw error;
    }
  }

  leave(consumer: Consumer): void {
    for (const keys of byRequest(this.members.remove(consumer))) this.newest?.unsubscribe(keys);
  }

  /** Tell consumers that nothing more comes. */
  private dismiss(consumers: Set<Consumer>, error: Error | null): void {
    for (const consumer of consumers) this.members.remove(consumer);
    for (const consumer of consumers) consumer.fail(error);
  }

  // ---- what the connection calls -------------------------------------------------------------------

  private handle(outcome: Outcome): void {
    switch (outcome.kind) {
      case "delivered":
        this.deliver(outcome.key, outcome.message, outcome.bytes);
        break;
      case "noticed":
        this.members.notice(outcome.key, outcome.notice);
        break;
      case "interrupted":
        this.members.interrupt(outcome.key, outcome.reason);
        break;
      case "ended":
        for (const consumer of this.members.of(outcome.key)) {
          this.leave(consumer);
          consumer.fail(outcome.error);
        }
        break;
      case "heartbeat":
        this.attempt = 0; // the connection has proved good: the next loss is a first one again
        this.events.tell({ type: "heartbeat" });
        break;
      case "lagging":
        this.events.tell({ type: "lagging", messages: outcome.lagging.messages });
        break;
      case "drain":
        this.drain = outcome.drain;
        this.attempt = 0; // it closes in good order: that loss is a first one, too
        this.events.tell({ type: "drain", deadline: outcome.drain.deadline });
    }
  }

  private deliver(key: StreamKey, message: StreamMessage, bytes: number): void {
    const wrong = this.members.deliver(key, message, bytes);
    if (wrong === null) return;
    this.newest?.lose(key, wrong);
    // not even a fresh one fits: perhaps the instrument's steps are others now, so begin anew
    if (message.type === "snapshot") this.newest?.fail(1002, `${key.channel} of ${key.symbol}: ${wrong}`);
  }
}
