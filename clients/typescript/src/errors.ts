/**
 * The one tree of errors, grouped by what the caller can do about it.
 *
 *     TickwireError          also thrown itself: no reply in time, or a server that breaks the protocol
 *     ├── InvalidInput       what was given is wrong; fix the named field and try again
 *     ├── ConnectionLost     the socket is gone (the client reconnects by itself unless told not to)
 *     ├── RequestRefused     the server answered with an error; `code` is from the code table
 *     ├── OrderNotPlaced     the reply was lost, and the server says that it does not know the order
 *     ├── OutcomeUnknown     the reply was lost, and it could not be found out what became of the order
 *     └── BookInvalid        the local book can't be trusted now; a snapshot is on its way
 */

import type { ErrorCode } from "./generated.ts";

/** Root of every error that the client throws on purpose. */
export class TickwireError extends Error {
  override readonly name: string = "TickwireError";
  /** Of a request without a reply: whether it was sent, so that it may have been carried out. */
  readonly sent: boolean;

  constructor(message: string, { sent = false, ...options }: ErrorOptions & { readonly sent?: boolean } = {}) {
    super(message, options);
    this.sent = sent;
  }
}

/** A value that was given is wrong; nothing was sent. `field` names it. */
export class InvalidInput extends TickwireError {
  override readonly name = "InvalidInput";
  readonly field: string | null;

  constructor(message: string, field: string | null = null) {
    super(message);
    this.field = field;
  }
}

/** The socket is closed. `code` is the WebSocket close code, 1006 where there was none. */
export class ConnectionLost extends TickwireError {
  override readonly name = "ConnectionLost";
  readonly code: number;

  constructor(message: string, code = 1006, options?: ErrorOptions & { readonly sent?: boolean }) {
    super(message, options);
    this.code = code;
  }
}

/**
 * The server answered a request with an error from `ERROR_CODES` (a newer one may know others). `retry`: the same request
 * may work later.
 */
export class RequestRefused extends TickwireError {
  override readonly name = "RequestRefused";
  readonly code: ErrorCode;
  readonly field: string | null;
  readonly retry: boolean;

  constructor(code: ErrorCode, message: string, field: string | null = null, retry = false) {
    super(`${code}: ${message}`);
    this.code = code;
    this.field = field;
    this.retry = retry;
  }
}

/** The connection was lost before the reply, and the server does not know the order: it was not placed. */
export class OrderNotPlaced extends TickwireError {
  override readonly name = "OrderNotPlaced";
}

/** Whether, or how far, an order was carried out can't be told: ask `order` before anything else is traded. */
export class OutcomeUnknown extends TickwireError {
  override readonly name = "OutcomeUnknown";

  constructor(message: string, options?: ErrorOptions) {
    super(message, { ...options, sent: true });
  }
}

/** The local book missed something and waits for a snapshot; it must not be read now. */
export class BookInvalid extends TickwireError {
  override readonly name = "BookInvalid";
}
