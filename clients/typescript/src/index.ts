/** The client of a tickwire server: streams, verified books and orders, over a connection that mends itself. */

export { FILLS_KEPT_MAX, LiveAccount, type AccountChange } from "./account.ts";
export { BACKOFF_BASE_MS, BACKOFF_CAP_MS } from "./backoff.ts";
export { LiveBook, LiveOrders, type BookChange, type OrderAtPrice, type OrderOnBook } from "./books.ts";
export type { StreamOptions } from "./channel.ts";
export { Client, connect, REQUEST_TIMEOUT_MS, type ClientOptions } from "./client.ts";
export type { Encoding } from "./codec.ts";
export type { Socket, SocketConstructor } from "./connection.ts";
export { scale, type Scale } from "./decimal.ts";
export * from "./errors.ts";
export type { ClientEvent, State } from "./events.ts";
export * from "./generated.ts";
export { BookSide, Ladder, type Level } from "./ladder.ts";
export type { StateChange } from "./live.ts";
export { keyFile, type Login } from "./login.ts";
export type { Stats } from "./outcomes.ts";
export { QUEUE_BYTES_MAX, QUEUE_MAX, Subscription, type Item, type Listener } from "./subscription.ts";
