/** A network and a clock that the test moves: sockets like the browser's, and no waiting. */

import { connect, type Client, type ClientEvent, type ClientOptions } from "../src/index.ts";
import type { Socket, SocketConstructor } from "../src/connection.ts";
import { HELLO, wire } from "./peer.ts";

/** What a client sent. */
export interface Sent {
  readonly id: number;
  readonly method: string;
  readonly params?: Record<string, unknown>;
}

/** Let everything happen that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** One socket, at whose other end the test is. */
export class FakeSocket implements Socket {
  binaryType = "blob";
  bufferedAmount = 0;
  readyState = 1;
  protocol = "";
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  readonly url: string;
  readonly protocols: string[];
  readonly sent: Sent[] = [];
  closed: { code: number | undefined; reason: string | undefined } | null = null;

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data) as Sent);
  }

  close(code?: number, reason?: string): void {
    this.closed ??= { code, reason };
  }

  /** Take the connection and say hello. */
  async accept(hello: object = {}): Promise<void> {
    this.protocol = this.protocols[0]!;
    this.onopen?.call(this as never, {} as Event);
    await this.say({ ...HELLO, ...hello });
  }

  /** Say something, and let it have its effect. */
  async say(...messages: object[]): Promise<void> {
    for (const message of messages) this.onmessage?.call(this as never, { data: wire(message) } as MessageEvent);
    await settle();
  }

  /** Answer the newest request. */
  async answer(result: object = {}): Promise<void> {
    await this.say({ id: this.sent.at(-1)!.id, result });
  }

  /** Refuse it. */
  async refuse(code: string, retry = false): Promise<void> {
    await this.say({ id: this.sent.at(-1)!.id, error: { code, message: "no", retry } });
  }

  /** Close it from the other end. */
  async end(code = 1006, reason = ""): Promise<void> {
    this.onclose?.call(this as never, { code, reason } as CloseEvent);
    await settle();
  }
}

/** All of it, for one client; `random` is 0.5, so that each wait is half of its bound. */
export class World {
  nowMs = 1_000;
  readonly sockets: FakeSocket[] = [];
  readonly events: ClientEvent[] = [];
  private readonly timers = new Map<object, { at: number; run: () => void }>();

  /** Options of a client in this world. */
  options(rest: ClientOptions = {}): ClientOptions {
    const { sockets } = this;
    const WebSocket = function (url: string, protocols: string[]): Socket {
      const socket = new FakeSocket(url, protocols);
      sockets.push(socket);
      return socket;
    } as unknown as SocketConstructor;
    return {
      WebSocket,
      random: () => 0.5,
      newId: () => "id",
      now: () => this.nowMs,
      after: (ms, run) => {
        const timer = {};
        this.timers.set(timer, { at: this.nowMs + ms, run });
        return () => void this.timers.delete(timer);
      },
      ...rest,
    };
  }

  /** The newest socket. */
  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.timers.size;
  }

  /** A client whose connection was taken. */
  async connected(options: ClientOptions = {}, hello: object = {}): Promise<Client> {
    const connecting = connect("ws://x/ws", this.options(options));
    await this.socket.accept(hello);
    const client = await connecting;
    client.listen((event) => this.events.push(event));
    return client;
  }

  /** Let time pass. */
  async pass(ms: number): Promise<void> {
    const until = this.nowMs + ms;
    for (;;) {
      const [next] = [...this.timers].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at);
      if (next === undefined) break;
      this.timers.delete(next[0]);
      this.nowMs = Math.max(this.nowMs, next[1].at);
      next[1].run();
      await settle();
    }
    this.nowMs = until;
  }
}
