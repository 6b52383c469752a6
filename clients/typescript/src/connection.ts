/** One connection: a socket, the session that gives its messages a meaning, and the requests that wait for replies. */

import type { StreamKey } from "./channel.ts";
import type { Encoding } from "./codec.ts";
import type { Requester } from "./consumer.ts";
import { ConnectionLost, TickwireError } from "./errors.ts";
import { SUBPROTOCOLS } from "./generated.ts";
import type { Hello, Method, Params, Results } from "./generated.ts";
import type { Outcome, Stats } from "./outcomes.ts";
import { REQUESTS_MAX, Session, type Made, type Wire } from "./session.ts";
import type { Places } from "./streams.ts";

/** Requests in flight for the caller; the other half is for re-subscriptions. */
const SLOTS = REQUESTS_MAX / 2;
/** Requests that wait for one of those: beyond it something asks in a loop. */
const PARKED_MAX = 1_000;
/** Unsent requests at which the connection is given up: the server has stopped to read long ago. */
const UNSENT_BYTES_MAX = 1024 * 1024;
/** How long the closing handshake is waited for. */
const CLOSE_TIMEOUT_MS = 1_000;
/** What came while the page or the process did not run is looked at before the connection counts as dead. */
const GRACE_MS = 250;

/** `WebSocket.OPEN`, which is not there without the constructor. */
const OPEN = 1;

/** What is used of a WebSocket. */
export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly protocol: string;
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  /** `data` of its event: text or an ArrayBuffer. */
  onmessage: ((event: never) => void) | null;
  /** `code` and `reason` of its event: why. */
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: Wire): void;
  close(code?: number, reason?: string): void;
}

/** A constructor like the browser's `WebSocket`. */
export type SocketConstructor = new (url: string, protocols: string[]) => Socket;

/** Time: a clock that only rises, in ms, and the calling of something later. */
export interface Clock {
  now(): number;
  /** Call `run` in `ms`, unless the function that is returned is called before. */
  after(ms: number, run: () => void): () => void;
}

/**
 * Call `run` in `ms`, unless the function that is returned is called before. After a pause of the process timers come before
 * what was received meanwhile: a late one waits for that.
 */
export function deadline(clock: Clock, ms: number, run: () => void): () => void {
  const due = clock.now() + ms;
  let cancel = clock.after(ms, () => {
    if (clock.now() - due < GRACE_MS) run();
    else cancel = clock.after(GRACE_MS, run);
  });
  return () => {
    cancel();
  };
}

/** How to connect. */
export interface Dial {
  readonly url: string;
  readonly encoding: Encoding;
  readonly WebSocket: SocketConstructor;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
}

interface Pending {
  id: number;
  readonly method: string;
  readonly make: () => Made;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  cancel: () => void;
}

/** A connection from its dialling to its loss; it is never used again. */
export class Connection implements Requester {
  readonly session: Session;
  /** Resolves when the connection is gone, with the error that says why. */
  readonly lost: Promise<ConnectionLost>;
  /** That error, null while there is a connection. */
  loss: ConnectionLost | null = null;
  private readonly dial: Dial;
  private readonly handle: (outcome: Outcome) => void;
  private readonly socket: Socket;
  private resolveLost: (error: ConnectionLost) => void = () => undefined;
  private resolveHello: (hello: Hello) => void = () => undefined;
  private readonly greeted: Promise<Hello>;
  private opened = false;
  private readonly flying = new Map<number, Pending>();
  private readonly parked = new Set<Pending>();
  private overdue = -Infinity; // the deadline that has passed already
  private stopWatch: () => void = () => undefined;
  private readonly gone: Promise<void>;
  private resolveGone: () => void = () => undefined;

  /**
   * Dials at once; `greeting` tells what came of it.
   *
   * @param handle called with what is neither the connection's own matter nor an answer, in order.
   */
  constructor(dial: Dial, handle: (outcome: Outcome) => void, stats: Stats) {
    this.dial = dial;
    this.handle = handle;
    this.lost = new Promise((resolve) => (this.resolveLost = resolve));
    this.greeted = new Promise((resolve) => (this.resolveHello = resolve));
    this.gone = new Promise((resolve) => (this.resolveGone = resolve));
    this.session = new Session(dial.encoding, dial.clock.now(), stats);
    this.socket = new dial.WebSocket(dial.url, [SUBPROTOCOLS[dial.encoding]]);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.socketOpened();
    };
    this.socket.onmessage = (event: { readonly data: unknown }) => {
      this.received(event.data);
    };
    this.socket.onclose = (event: { readonly code: number; readonly reason: string }) => {
      this.socketClosed(event.code, event.reason);
    };
    this.socket.onerror = () => {
      // Node 20 says no more than this of a server that is not there; anyone else's close is here before the timer
      dial.clock.after(0, () => this.socketClosed(1006, ""));
    };
    this.watch();
  }

  /** Whether requests can be sent. */
  get open(): boolean {
    return this.loss === null && this.opened;
  }

  /** Wait for the server's hello. @throws ConnectionLost there is none; the message says what to check. */
  async greeting(): Promise<Hello> {
    const hello = await Promise.race([this.greeted, this.lost]);
    if (hello instanceof ConnectionLost) throw hello;
    return hello;
  }

  /** Give it up at once; the socket closes when it will. */
  fail(code: number, reason: string): void {
    // a page may close with 1000 and 3000 to 4999 only, and with 123 bytes of reason
    this.socket.close(1000, code === 1000 ? "" : reason.replace(/[^ -~]/g, "?").slice(0, 100));
    this.giveUp(code, reason);
  }

  /** Close it in good order, unless it is closed already, and wait until the socket is gone, or for a second. */
  async close(reason: string): Promise<void> {
    this.fail(1000, reason);
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => (cancel = this.dial.clock.after(CLOSE_TIMEOUT_MS, resolve)));
    await Promise.race([this.gone, late]);
    cancel();
  }

  // ---- requests ----------------------------------------------------------------------------------

  /** Ask the server something; see `Requester`. */
  request<M extends Method>(
    method: M,
    params: Params[M] | undefined,
    timeoutMs = this.dial.requestTimeoutMs,
  ): Promise<Results[M]> {
    return this.wait(method, () => this.session.request(method, params), timeoutMs) as Promise<Results[M]>;
  }

  /** Subscribe to streams that differ in the symbol only. Errors as of `request`. */
  async subscribe(keys: StreamKey[]): Promise<void> {
    await this.wait("subscribe", () => this.session.subscribe(keys));
  }

  /** Unsubscribe from streams that differ in the symbol only. */
  unsubscribe(keys: StreamKey[]): void {
    this.session.unsubscribe(keys);
    this.sendOwn();
  }

  private wait(method: string, make: () => Made, timeoutMs = this.dial.requestTimeoutMs): Promise<unknown> {
    return new Promise((resolve, reject: (error: unknown) => void) => {
      if (!this.open) {
        reject(new ConnectionLost(`not connected; ${method} was not sent`));
        return;
      }
      const pending: Pending = { id: 0, method, make, resolve, reject, cancel: () => undefined };
      if (this.flying.size < SLOTS) {
        this.start(pending);
      } else if (this.parked.size < PARKED_MAX) {
        this.parked.add(pending);
      } else {
        reject(new TickwireError(`${PARKED_MAX} requests wait to be sent; wait for answers first (nothing was sent)`));
        return;
      }
      if (pending.id !== 0 || this.parked.has(pending)) {
        pending.cancel = deadline(this.dial.clock, timeoutMs, () => {
          this.timedOut(pending, timeoutMs);
        });
      }
    });
  }

  private start(pending: Pending): void {
    try {
      const { id, data } = pending.make();
      pending.id = id;
      this.flying.set(id, pending);
      this.send(data);
    } catch (error) {
      pending.cancel();
      pending.reject(error);
    }
  }

  private timedOut(pending: Pending, timeoutMs: number): void {
    const sent = pending.id !== 0;
    const outcome = sent ? "it was sent, so whether it was carried out is unknown" : "it was not sent";
    this.session.forget(pending.id);
    this.leave(pending);
    pending.reject(new TickwireError(`no reply to ${pending.method} within ${timeoutMs} ms: ${outcome}`, { sent }));
  }

  private leave(pending: Pending): void {
    pending.cancel();
    this.parked.delete(pending);
    this.flying.delete(pending.id);
    for (const next of this.parked) {
      if (this.flying.size >= SLOTS || this.loss !== null) break;
      this.parked.delete(next);
      this.start(next);
    }
  }

  private replied(id: number, act: (pending: Pending) => void): void {
    const pending = this.flying.get(id);
    if (pending === undefined) return;
    act(pending);
    this.leave(pending);
  }

  // ---- streams -----------------------------------------------------------------------------------

  /** Track what an earlier connection was subscribed to, from where its session stood; ask for nothing yet. */
  takeUp(keys: Iterable<StreamKey>, places: Places): void {
    this.act(this.session.takeUp(keys, places));
  }

  /** Ask for what was taken up. */
  resumeStreams(): void {
    this.session.resume();
    this.sendOwn();
  }

  /** Give up a stream's state and have it begin anew, on the next connection where this one is gone. */
  lose(key: StreamKey, reason: string): void {
    this.act(this.session.lost(key, reason));
    this.sendOwn();
  }

  // ---- what the socket calls ---------------------------------------------------------------------

  private socketOpened(): void {
    const { encoding, url } = this.dial;
    const { protocol } = this.socket;
    if (protocol !== SUBPROTOCOLS[encoding] && (protocol !== "" || encoding !== "json")) {
      this.fail(1002, `${url} does not speak ${SUBPROTOCOLS[encoding]}`);
      return;
    }
    this.opened = true;
  }

  private received(data: unknown): void {
    if (this.loss !== null) return;
    const message = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
    if (typeof message !== "string" && !(message instanceof Uint8Array)) {
      this.fail(1002, "a message is neither text nor binary");
      return;
    }
    this.act(this.session.received(message, this.dial.clock.now()));
    this.sendOwn();
  }

  private socketClosed(code: number, reason: string): void {
    const never = `can't connect to ${this.dial.url}: is the server running, and are host and port right?`;
    this.giveUp(code, this.opened ? reason : reason || never);
    this.resolveGone();
  }

  // ---- inside ------------------------------------------------------------------------------------

  private giveUp(code: number, reason: string): void {
    if (this.loss !== null) return;
    this.stopWatch();
    const error = new ConnectionLost(`the connection is lost (${code}${reason === "" ? "" : ": "}${reason})`, code);
    this.loss = error;
    const unknown = new ConnectionLost(`${error.message}; whether the request was carried out is unknown`, code, {
      sent: true,
    });
    const unsent = new ConnectionLost(`${error.message}; the request was not sent`, code);
    for (const pending of [...this.flying.values(), ...this.parked]) {
      pending.cancel();
      pending.reject(pending.id === 0 ? unsent : unknown);
    }
    this.flying.clear();
    this.parked.clear();
    this.act(this.session.closed(error.message));
    this.resolveLost(error);
  }

  private act(outcomes: Outcome[]): void {
    for (const outcome of outcomes) {
      switch (outcome.kind) {
        case "hello":
          this.resolveHello(outcome.hello);
          break;
        case "answered":
          this.replied(outcome.id, (pending) => pending.resolve(outcome.result));
          break;
        case "refused":
          this.replied(outcome.id, (pending) => pending.reject(outcome.error));
          break;
        case "broken":
          this.fail(outcome.code, outcome.reason);
          break;
        default:
          this.handle(outcome);
      }
    }
  }

  private sendOwn(): void {
    if (this.open) for (const data of this.session.toSend()) this.send(data);
  }

  private send(data: Wire): void {
    if (this.loss !== null || this.socket.readyState !== OPEN) return; // its close comes next, and says what was lost
    this.socket.send(data);
    if (this.socket.bufferedAmount > UNSENT_BYTES_MAX) this.fail(1006, "the server does not read what it is sent");
  }

  /** Cut the connection when nothing was heard for too long. */
  private watch(): void {
    if (this.loss !== null) return;
    const { deadline } = this.session;
    const left = deadline - this.dial.clock.now();
    if (left <= 0 && this.overdue === deadline) {
      const { url } = this.dial;
      this.fail(1006, this.opened ? "nothing was heard from the server for too long" : `${url} does not answer`);
      return;
    }
    if (left <= 0) this.overdue = deadline;
    this.stopWatch = this.dial.clock.after(left > 0 ? left : GRACE_MS, () => {
      this.watch();
    });
  }
}
