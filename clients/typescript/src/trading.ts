/** Trading: orders and the account, with the outcome of an order never guessed. */

import { LiveAccount, openAccount } from "./account.ts";
import type { Desk, Requester } from "./consumer.ts";
import {
  ConnectionLost,
  InvalidInput,
  OrderNotPlaced,
  OutcomeUnknown,
  RequestRefused,
  TickwireError,
} from "./errors.ts";
import type {
  AmendParams,
  DeadManParams,
  ErrorCode,
  GuardParams,
  GuardScope,
  Operation,
  OrderParams,
  OrderResult,
  PlaceParams,
  PortfolioResult,
} from "./generated.ts";

/** Requests that guard the orders; set again on every later connection, before anything else is sent there. */
export interface Guards {
  "session.cancel_on_disconnect"?: GuardParams;
  "session.dead_man"?: DeadManParams;
}

/** What trading needs of its client. */
export interface TradingDesk extends Desk {
  /** To be repeated after every login; given up with the login. */
  readonly guards: Guards;
}

/**
 * The part of `Client` that needs a login.
 *
 * Every method throws `InvalidInput` without one, and the errors of `Client.request`: `RequestRefused` with a code of
 * the table when the server says no, `ConnectionLost` or `TickwireError` when there is no reply. Prices and sizes are
 * decimal strings.
 */
export class Trading {
  protected readonly desk: TradingDesk;
  private opening: Promise<LiveAccount> | null = null;

  constructor(desk: TradingDesk) {
    this.desk = desk;
  }

  /**
   * Place an order. It returns with the order as it stands after matching, and the fills of that.
   *
   * Without `type` it is a limit order with a price and a market order without one; without `client_order_id`, which
   * must never have been used by the account, one is made. When the connection is lost before the reply, the order is
   * asked for on the next one, so that there are four ends: an order, a refusal, `OrderNotPlaced`, or an
   * `OutcomeUnknown` that can't be helped. It is never placed twice.
   *
   * @param params `expires_at` and `deadline` are ns since the Unix epoch by the server's clock: `serverTime() + ...`.
   * @param timeoutMs How long all of it may take, a reconnection included.
   * @throws InvalidInput a number is none, or the timeout; nothing was sent.
   * @throws RequestRefused the server says no, and why.
   * @throws OrderNotPlaced the reply was lost, and the server does not know the order.
   * @throws OutcomeUnknown the reply was lost, and in time nothing more could be found out, or the server has begun a new
   *   epoch.
   * @throws ConnectionLost there was no connection; nothing was sent.
   * @throws TickwireError too many requests waited to be sent; nothing was sent.
   */
  async place(params: PlaceParams, timeoutMs = this.desk.requestTimeoutMs): Promise<OrderResult> {
    this.desk.account();
    checkTimeout(timeoutMs, "timeoutMs");
    checkDecimals(params, ["size", "price", "stop_price", "display_size"]);
    const id = params.client_order_id;
    const order = {
      ...params,
      type: params.type ?? (params.price == null ? "market" : "limit"),
      client_order_id: id === undefined || id === "" ? this.desk.newId() : id,
    };
    const asking = { late: false };
    return this.desk.within(timeoutMs, this.placed(this.desk.connection(), order, timeoutMs, asking), () => {
      asking.late = true;
      return new OutcomeUnknown(
        `no reply to order.place in time; whether ${order.client_order_id} was placed is unknown`,
      );
    });
  }

  /** Change an order's price, its total size, or both; only a smaller size keeps its place in the queue. */
  async amend(params: AmendParams): Promise<OrderResult> {
    this.desk.account();
    checkDecimals(params, ["price", "size"]);
    return this.desk.connection().request("order.amend", params);
  }

  /** Cancel what remains of an order, named by one of its ids. */
  async cancel(params: OrderParams): Promise<OrderResult> {
    this.desk.account();
    return this.desk.connection().request("order.cancel", params);
  }

  /** Cancel every order, or those of a symbol; the `order_id`s of what was canceled. */
  async cancelAll(symbol = ""): Promise<string[]> {
    this.desk.account();
    return (await this.desk.connection().request("order.cancel_all", { symbol })).order_ids;
  }

  /** Up to 50 operations in one request; what each came to, in their order. None undoes another. */
  async batch(operations: readonly Operation[]): Promise<(OrderResult | RequestRefused)[]> {
    this.desk.account();
    for (const { params } of operations) checkDecimals(params, ["size", "price", "stop_price", "display_size"]);
    const { results } = await this.desk.connection().request("order.batch", { operations: [...operations] });
    return results.map(({ result, error }) => {
      if (error != null) return new RequestRefused(error.code as ErrorCode, error.message, error.field, error.retry);
      if (result === undefined) throw new TickwireError("the server's result is not what the protocol says");
      return result;
    });
  }

  /** Any order of the account, also of another session and one that has ended not long ago, with its fills. */
  async order(params: OrderParams): Promise<OrderResult> {
    this.desk.account();
    return this.desk.connection().request("order.get", params);
  }

  /** What the account holds, valued in a currency. */
  async portfolio(currency: string): Promise<PortfolioResult> {
    this.desk.account();
    return this.desk.connection().request("account.portfolio", { currency });
  }

  /** The live account, valid when this returns; the same one every time until it is closed. */
  async account(): Promise<LiveAccount> {
    const before = this.opening;
    const account = await before?.catch(() => null);
    if (account != null && !account.closed) return account;
    if (this.opening === before) this.opening = openAccount(this.desk);
    return this.opening!;
  }

  /**
   * What the server cancels when this connection ends other than by `logout`: nothing, the orders placed on it, or all of
   * the account. It is set again on every later connection, before anything else is sent there.
   */
  async cancelOnDisconnect(scope: GuardScope): Promise<void> {
    this.desk.account();
    await this.desk.connection().request("session.cancel_on_disconnect", { scope });
    if (scope === "off") delete this.desk.guards["session.cancel_on_disconnect"];
    else this.desk.guards["session.cancel_on_disconnect"] = { scope };
  }

  /**
   * Have the server cancel all orders unless this is called again in so many ms; 0 disarms.
   *
   * Every reconnection calls it again by itself. Nothing else does: call it from the loop that must be alive.
   */
  async deadMan(timeoutMs: number): Promise<void> {
    this.desk.account();
    const params = { timeout_ms: timeoutMs };
    await this.desk.connection().request("session.dead_man", params);
    if (timeoutMs > 0) this.desk.guards["session.dead_man"] = params;
    else delete this.desk.guards["session.dead_man"];
  }

  /** The outcome of an order that is sent on a connection; `asking.late` when nobody wants to know any more. */
  private async placed(
    connection: Requester,
    params: PlaceParams & { client_order_id: string },
    timeoutMs: number,
    asking: { readonly late: boolean },
  ): Promise<OrderResult> {
    const { desk } = this;
    const { epoch } = desk;
    const account = desk.account();
    const id = params.client_order_id;
    let cause: TickwireError;
    try {
      return await connection.request("order.place", params, Math.min(timeoutMs, desk.requestTimeoutMs));
    } catch (error) {
      if (!(error instanceof TickwireError)) throw error;
      if (!error.sent && !(error instanceof RequestRefused && error.code === "outcome_unknown")) throw error;
      cause = error;
    }
    const unknown = (error: Error): OutcomeUnknown =>
      new OutcomeUnknown(`whether order ${id} was placed is unknown: ${cause.message}; then ${error.message}`, {
        cause: error,
      });
    /** Why nothing can be learned of the order now, null where it can. */
    const other = (): string | null => {
      if (desk.epoch !== epoch) return "the server has begun a new epoch";
      return desk.account() === account ? null : "the client has logged in as another account";
    };
    for (;;) {
      let now: Requester | null = null;
      try {
        now = await desk.again(connection);
        if (asking.late) throw cause;
        const why = other();
        if (why !== null) throw new TickwireError(why);
        return await now.request("order.get", { client_order_id: id });
      } catch (error) {
        if (error instanceof RequestRefused) {
          // a login of another account may have reached the server before the question did
          if (error.code === "unknown_order" && now !== connection && other() === null) {
            throw new OrderNotPlaced(`order ${id} was not placed: ${cause.message}`, { cause: error });
          }
          if (!error.retry) throw unknown(error); // on the same connection, the order may still be under way
          await desk.pause();
        } else if (error instanceof ConnectionLost) {
          if (desk.ended !== null || asking.late) throw unknown(error);
        } else {
          throw error instanceof Error ? unknown(error) : error;
        }
      }
    }
  }
}

/** A timer of more ms than this fires at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** @throws InvalidInput it is no time that a timer can wait for; the message names `field`. */
export function checkTimeout(ms: number, field: string): void {
  if (!Number.isFinite(ms) || ms <= 0 || ms > TIMEOUT_MS_MAX) {
    throw new InvalidInput(`${field} must be more than 0 and at most ${TIMEOUT_MS_MAX} ms`, field);
  }
}

/** Numbers would be rounded before anybody could tell, so that only strings are taken. */
function checkDecimals(params: object, fields: readonly string[]): void {
  for (const [field, value] of Object.entries(params)) {
    if (fields.includes(field) && value != null && typeof value !== "string") {
      throw new InvalidInput(`${field} must be a decimal string such as "0.1", not a ${typeof value}`, field);
    }
  }
}
