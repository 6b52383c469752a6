/** Makes the desk of a connected client. */
import type { Client, InstrumentInfo, LiveAccount, LiveBook, LiveOrders, Login, StatusData } from "tickwire";
import type { Command, Desk, Draft, Latest } from "./desk.ts";
import { Source } from "./frame.ts";
import { Monitor } from "./logic/connection.ts";
import { formatMeasure } from "./logic/format.ts";
import { reasonOf } from "./logic/refusal.ts";
import { newestOf } from "./logic/tickers.ts";
import { type Trades, TradeRows } from "./logic/trades.ts";
import { Shared } from "./shared.ts";
import type { Theme } from "./theme.ts";

/** What the desk does through the page. */
export interface Page {
  readonly theme: Theme;
  readonly say: Desk["say"];
  readonly confirm: Desk["confirm"];
  /** The symbol that the address asks for; empty for none. */
  readonly wished: string;
  /** Called at once when another symbol is selected. */
  readonly selected: (symbol: string) => void;
  /** Called at once when the connection's state has changed. */
  readonly connection: (monitor: Monitor) => void;
}

/** A desk, and what the frame of the page alone may change. */
export interface OpenDesk extends Desk {
  /** Ask for the instruments again: after a reconnection they may be others. */
  refresh(): Promise<void>;
}

/** The desk of a connected client; `instruments` has at least one. */
export function openDesk(client: Client, instruments: readonly InstrumentInfo[], page: Page): OpenDesk {
  const rows = new Map(instruments.map((info) => [info.symbol, info]));
  const first = rows.get(page.wished) ?? instruments.find((info) => info.kind === "matched") ?? instruments[0];
  if (first === undefined) throw new Error("the server lists no instruments");

  const source = new Source();
  const accountSource = new Source();
  const ticketSource = new Source();
  const commands = new Map<Command, (() => void)[]>();
  let awaited: Command | null = null;
  let badSince = 0;
  const monitor: Monitor = new Monitor(
    client,
    { now: () => performance.now(), online: () => navigator.onLine },
    (state, before) => {
      page.connection(monitor);
      source.changed();
      if (state === "live" && before === "reconnecting") void desk.refresh();
      if (before === "live" || before === "draining") badSince = performance.now();
      else if (performance.now() - badSince > 1_000 && (state === "live" || state === "draining"))
        page.say(`Live again after ${formatMeasure((performance.now() - badSince) / 1_000)} s.`, "info", "connection");
    },
  );

  const shared = {
    book: new Shared<LiveBook>(first.symbol, async (symbol, changed) => {
      const book = await client.book(symbol);
      book.listen((change) => {
        if (change.type === "update") monitor.saw(change.ts);
        changed();
      });
      return book;
    }),
    orders3: new Shared<LiveOrders>(first.symbol, async (symbol, changed) => {
      const orders = await client.bookL3(symbol);
      orders.listen(changed);
      return orders;
    }),
    trades: new Shared<Trades>(first.symbol, async (symbol, changed) => {
      const trades = Object.assign(new TradeRows(), { close: (): unknown => undefined });
      const subscription = await client.subscribe("trades", symbol, {}, (message) => {
        trades.take(message);
        changed();
      });
      trades.close = () => subscription.close();
      return trades;
    }),
    status: new Shared<Latest<StatusData>>(first.symbol, async (symbol, changed) => {
      const latest: { data: StatusData | null; close(): unknown } = { data: null, close: () => undefined };
      const subscription = await client.subscribe("status", symbol, {}, (message) => {
        if (message.type === "snapshot" || message.type === "update") latest.data = message.data;
        changed();
      });
      latest.close = () => subscription.close();
      return latest;
    }),
  };

  const has = (channel: string) => (symbol: string) => rows.get(symbol)?.channels.includes(channel) === true;
  const tickers = newestOf<"ticker">(
    (all, take) => client.subscribe("ticker", all, {}, take),
    has("ticker"),
    setTimeout,
  );
  const states = newestOf<"status">(
    (all, take) => client.subscribe("status", all, {}, take),
    has("status"),
    setTimeout,
  );

  const follow = (account: LiveAccount | null): void => {
    if (desk.account !== account) desk.account?.close();
    desk.account = account;
    account?.listen(() => accountSource.changed());
    source.changed();
    accountSource.changed();
  };

  const desk = {
    client,
    instruments,
    symbol: first.symbol,
    info: first,
    select(symbol: string): void {
      const info = rows.get(symbol);
      if (info === undefined || symbol === desk.symbol) return;
      desk.symbol = symbol;
      desk.info = info;
      for (const one of Object.values(shared)) one.swap(symbol);
      desk.ticket = { ...desk.ticket, price: "", size: "" }; // of the other instrument
      ticketSource.changed();
      tickers.want(desk, [symbol]);
      page.selected(symbol);
      source.changed();
    },

    account: null as LiveAccount | null,
    get demo(): boolean {
      return client.hello.demo;
    },
    async signIn(login: Login): Promise<void> {
      await client.login(login);
      follow(await client.account());
    },
    async signOut(): Promise<void> {
      follow(null);
      await client.logout();
    },

    ...shared,
    tickers,
    states,
    connection: monitor,

    ticket: { side: "buy", type: "limit", price: "", size: "" } as Readonly<Draft>,
    prefill(part: Partial<Draft>): void {
      desk.ticket = { ...desk.ticket, ...part };
      ticketSource.changed();
    },
    ticketSource,

    command(name: Command, act: () => void): () => void {
      const offers = commands.get(name) ?? [];
      commands.set(name, [...offers, act]);
      if (awaited === name) desk.run(name);
      return () =>
        commands.set(
          name,
          (commands.get(name) ?? []).filter((offer) => offer !== act),
        );
    },
    run(name: Command, wait = false): boolean {
      const act = commands.get(name)?.at(-1);
      awaited = act === undefined && wait ? name : null;
      act?.();
      return act !== undefined;
    },

    get theme(): "dark" | "light" {
      return page.theme.shown;
    },
    source,
    accountSource,
    say: page.say,
    confirm: page.confirm,

    async refresh(): Promise<void> {
      const now = await client.instruments().catch(() => null); // the next connection asks again
      if (now === null || now.length === 0) return;
      rows.clear();
      for (const info of now) rows.set(info.symbol, info);
      desk.instruments = now;
      desk.info = rows.get(desk.symbol) ?? desk.info;
      source.changed();
    },
  };

  client.listen((event) => {
    // the client lets go of the account's streams by itself where the server ended the login
    if (event.type === "logout" && desk.account !== null) follow(null);
  });
  // a server that asks for a key has had one before there was a desk
  if (client.accountName !== null)
    client.account().then(follow, (error: unknown) => page.say(reasonOf(error), "error", "sign in"));
  tickers.want(desk, [desk.symbol]);
  return desk;
}
