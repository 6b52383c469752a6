/** What is told of a client's connection. */

/** How a client is connected: `waiting` is between two attempts, `closed` for good. */
export type State = "connecting" | "open" | "waiting" | "closed";

/** What happens to a client's connection. */
export type ClientEvent =
  | { readonly type: "connecting" }
  /** Connected, logged in, and its streams are asked for again. */
  | { readonly type: "open" }
  | { readonly type: "lost"; readonly code: number; readonly reason: string }
  /** The next attempt is at `retryAt`, ms on the client's clock. */
  | { readonly type: "waiting"; readonly reason: string; readonly retryAt: number }
  /** There is no other connection. */
  | { readonly type: "closed"; readonly code: number; readonly reason: string }
  /** The server, which stops or restarts, closes this connection at `deadline`, ns on its clock. */
  | { readonly type: "drain"; readonly deadline: bigint }
  | { readonly type: "login"; readonly account: string; readonly scopes: readonly string[] }
  | { readonly type: "logout" }
  | { readonly type: "heartbeat" }
  /** What is received is so many messages behind what is published. */
  | { readonly type: "lagging"; readonly messages: number };
