/**
 * The desk: the one object that every panel works with, handed down by a Preact context.
 *
 * It holds the client, the selected symbol and what several panels read of it, the account, and the ticket.
 */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type {
  Client,
  InstrumentInfo,
  LiveAccount,
  LiveBook,
  LiveOrders,
  Login,
  StatusData,
  TickerData,
} from "tickwire";
import { Source } from "./frame.ts";
import type { Monitor } from "./logic/connection.ts";
import { troubleInWords } from "./logic/status.ts";
import type { OrderType, Side } from "./logic/ticket.ts";
import type { Newest } from "./logic/tickers.ts";
import type { Trades } from "./logic/trades.ts";
import { Shared } from "./shared.ts";

/** What the order ticket is about to place; `price` and `size` are decimal strings as typed, empty for none yet. */
export interface Draft {
  side: Side;
  type: OrderType;
  price: string;
  size: string;
}

/** What a key can ask of a panel. The panel that can do it registers with `Desk.command`. */
export type Command = "filter" | "grouping" | "ticket" | "cancelAll" | "nextMarket" | "previousMarket";

/** Everything that the panels share. */
export interface Desk {
  readonly client: Client;
  /** All instruments that may be seen, as the server lists them. */
  readonly instruments: readonly InstrumentInfo[];
  /** The selected symbol, and its row of `instruments`. */
  readonly symbol: string;
  readonly info: InstrumentInfo;
  /** Select another symbol; one that is not there is ignored. */
  select(symbol: string): void;

  /** The account, once signed in and its streams have been subscribed to; null else. */
  readonly account: LiveAccount | null;
  /** Whether the server offers a demonstration account. */
  readonly demo: boolean;
  /** Log in, now and on later connections. Throws what the client throws. */
  signIn(login: Login): Promise<void>;
  signOut(): Promise<void>;

  /** Of the selected symbol; hold one with `useHold(desk.book)`, then read `desk.book.value`. */
  readonly book: Shared<LiveBook>;
  readonly orders3: Shared<LiveOrders>;
  readonly trades: Shared<Trades>;
  readonly status: Shared<Latest<StatusData>>;
  /** 24-hour figures of the symbols that somebody shows, and how their markets and feeds are. */
  readonly tickers: Newest<TickerData>;
  readonly states: Newest<StatusData>;
  readonly connection: Monitor;

  /** What the ticket holds. Changed by `prefill` only; `ticketSource` tells. */
  readonly ticket: Readonly<Draft>;
  /** Put something into the ticket: a level clicked in the ladder, or what was typed. */
  prefill(part: Partial<Draft>): void;
  readonly ticketSource: Source;

  /** Offer to do what a key asks for, until the returned function is called. The newest offer counts. */
  command(name: Command, act: () => void): () => void;
  /** Do what a key asks for; false where no panel offers it. With `wait` it is done as soon as one does. */
  run(name: Command, wait?: boolean): boolean;

  /** The theme that is shown now; `source` tells. */
  readonly theme: "dark" | "light";

  /** Symbol, instruments, account, theme or the connection's state have changed. */
  readonly source: Source;
  /** `account` has changed: another one, or its orders, fills, balances or positions. */
  readonly accountSource: Source;
  /** Tell it in a toast, and to screen readers; in place of what was said of this topic before. */
  say(text: string, kind: "info" | "error", topic?: string): void;
  /** Ask in a dialog; true only if the answer is `yes` (the word on the button, such as "Cancel 3 orders"). */
  confirm(question: string, yes: string): Promise<boolean>;
}

/** The newest message of a stream of one symbol. */
export interface Latest<T> {
  readonly data: T | null;
  close(): void;
}

/** How the selected market and its feed are. */
export function statusOf(desk: Desk): StatusData {
  return desk.status.value?.data ?? desk.info.status;
}

/** Why the book that is shown, or not shown, may not be right, in words; empty for nothing. */
export function bookNote(desk: Desk): string {
  const { state } = desk.connection;
  if (state === "lost" || state === "reconnecting") return "Waiting for the connection.";
  const book = desk.book.value;
  const why = book === null ? desk.book.error : book.reason;
  // that trading is halted makes the book no less right
  return why ?? troubleInWords({ ...statusOf(desk), instrument: "open" }) ?? "";
}

/** The context of the desk, for `main.tsx`. */
export const DeskContext = createContext<Desk | null>(null);

/** The desk; only below its provider. */
export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === null) throw new Error("this panel is outside of the desk");
  return desk;
}
