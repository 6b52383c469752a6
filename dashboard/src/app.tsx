/** The page: which panel stands where, and the keys. */
import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Command, type Desk, statusOf, useDesk } from "./desk.ts";
import { Dialogs, showHelp } from "./dialogs.tsx";
import { useSources } from "./frame.ts";
import { Header, nextTheme, useTitle } from "./header.tsx";
import { formatDecimal } from "./logic/format.ts";
import { type Action, actionOf } from "./logic/keys.ts";
import { reasonOf } from "./logic/refusal.ts";
import { Analytics } from "./panels/analytics.tsx";
import { Balances } from "./panels/balances.tsx";
import { Chart } from "./panels/chart.tsx";
import { Banner, Connection } from "./panels/connection.tsx";
import { Depth } from "./panels/depth.tsx";
import { Fills } from "./panels/fills.tsx";
import { Ladder } from "./panels/ladder.tsx";
import { Markets } from "./panels/markets.tsx";
import { OpenOrders } from "./panels/open_orders.tsx";
import { OrdersL3 } from "./panels/orders_l3.tsx";
import { Portfolio } from "./panels/portfolio.tsx";
import { Tape } from "./panels/tape.tsx";
import { Ticket } from "./panels/ticket.tsx";
import { type Tab, Tabs } from "./tabs.tsx";
import type { Theme } from "./theme.ts";
import { Toasts } from "./toasts.tsx";

const BOOK: readonly Tab[] = [
  { name: "Order book", panel: Ladder },
  { name: "Orders (L3)", panel: OrdersL3 },
];
const SIDE: readonly Tab[] = [
  { name: "Depth", panel: Depth },
  { name: "Analytics", panel: Analytics },
];
const ACCOUNT: readonly Tab[] = [
  { name: "Open orders", panel: OpenOrders },
  { name: "Fills", panel: Fills },
  { name: "Balances", panel: Balances },
  { name: "Portfolio", panel: Portfolio },
];

interface AreaOf {
  name: string;
  views: readonly View[];
  content: ComponentType;
  /** Whether it shows what the feed of the selected market brings. */
  fed?: true;
}

/** The parts of the page, and in which views of a phone each is. */
const AREAS: readonly AreaOf[] = [
  { name: "markets", views: ["Markets"], content: Markets },
  { name: "chart", views: ["Chart"], content: Chart, fed: true },
  { name: "book", views: ["Book"], content: () => <Tabs label="Order book" tabs={BOOK} />, fed: true },
  { name: "ticket", views: ["Trade"], content: Ticket },
  { name: "trades", views: ["Book"], content: Tape, fed: true },
  { name: "account", views: ["Trade", "Account"], content: () => <Tabs label="Account" tabs={ACCOUNT} /> },
  { name: "connection", views: ["Account"], content: Connection },
  { name: "side", views: ["Chart"], content: () => <Tabs label="Market data" tabs={SIDE} />, fed: true },
];

/** What a phone shows at a time. */
type View = "Markets" | "Chart" | "Book" | "Trade" | "Account";

const VIEWS: readonly { name: View; icon: string }[] = [
  { name: "Markets", icon: "M3 5h14M3 10h14M3 15h9" },
  { name: "Chart", icon: "M5 3v14M3 7h4v6H3zM14 3v14M12 5h4v7h-4z" },
  { name: "Book", icon: "M3 4h8M3 8h12M3 12h14M3 16h6" },
  { name: "Trade", icon: "M4 7h11l-3-3M16 13H5l3 3" },
  { name: "Account", icon: "M10 3a3 3 0 1 1 0 6.5A3 3 0 0 1 10 3zM4 17c0-7 12-7 12 0z" },
];

const narrow = matchMedia("(max-width: 759px)");

function useNarrow(): boolean {
  const [now, set] = useState(narrow.matches);
  useEffect(() => {
    const look = (): void => set(narrow.matches);
    narrow.addEventListener("change", look);
    return () => narrow.removeEventListener("change", look);
  }, []);
  return now;
}

/** The page of a connected desk. */
export function App({ theme }: { theme: Theme }) {
  const desk = useDesk();
  const phone = useNarrow();
  const [view, setView] = useState<View>("Chart");
  useSources(desk.source, desk.status.source);
  useTitle();
  useKeys(desk, theme, setView);
  useTaken(desk, phone && view !== "Trade");
  useEffect(() => desk.command("cancelAll", () => void cancelAll(desk)), [desk]);
  return (
    <div class="app">
      <a class="skip button primary" href="#main" onClick={skip}>
        Skip to the market
      </a>
      <Header theme={theme} />
      <Banner />
      <main id="main" class="areas" tabIndex={-1}>
        {AREAS.filter((area) => !phone || area.views.includes(view)).map(({ name, content: Content, fed }) => (
          <Area key={name} name={name} feed={fed === true ? statusOf(desk).feed : undefined}>
            <Content />
          </Area>
        ))}
      </main>
      {phone && (
        <nav class="tab-bar" aria-label="Views">
          {VIEWS.map(({ name, icon }) => (
            <button
              key={name}
              type="button"
              aria-current={name === view ? "page" : undefined}
              onClick={() => setView(name)}
            >
              <svg viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.6">
                <path d={icon} />
              </svg>
              {name}
            </button>
          ))}
        </nav>
      )}
      <Toasts />
      <Dialogs />
    </div>
  );
}

function Area(props: { name: string; feed: string | undefined; children: ComponentChildren }) {
  const { name, feed, children } = props;
  return (
    <div class={`area ${name}-area`} data-feed={feed} style={{ gridArea: name }}>
      {children}
    </div>
  );
}

// the address holds the symbol, so the link must not change it
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

async function cancelAll(desk: Desk): Promise<void> {
  if (desk.account === null) {
    desk.say("Sign in to cancel orders.", "info", "cancel all");
    return;
  }
  if (!desk.account.valid) {
    desk.say("Waiting for the connection: your orders can't be canceled now.", "error", "cancel all");
    return;
  }
  const count = desk.account.orders.size;
  if (count === 0) {
    desk.say("There are no orders to cancel.", "info", "cancel all");
    return;
  }
  const orders = count === 1 ? "order" : "orders";
  if (
    !(await desk.confirm(`Cancel all open orders, of every market? There are ${count}.`, `Cancel ${count} ${orders}`))
  )
    return;
  try {
    const ids = await desk.client.cancelAll();
    desk.say(`Canceled ${ids.length} ${ids.length === 1 ? "order" : "orders"}.`, "info", "cancel all");
  } catch (error) {
    desk.say(`Not canceled: ${reasonOf(error)}`, "error", "cancel all");
  }
}

/** Tell that the ticket has taken a price, while it is out of sight. */
function useTaken(desk: Desk, hidden: boolean): void {
  useEffect(() => {
    let { price } = desk.ticket;
    return desk.ticketSource.watch(() => {
      if (hidden && desk.ticket.price !== price && desk.ticket.price !== "")
        desk.say(`The order ticket has the price ${formatDecimal(desk.ticket.price)}.`, "info", "ticket");
      price = desk.ticket.price;
    });
  }, [desk, hidden]);
}

function useKeys(desk: Desk, theme: Theme, setView: (view: View) => void): void {
  useEffect(() => {
    /** Have a panel do it: at once, or as soon as the view of the phone that it is in has been drawn. */
    const inView = (view: View, command: Command): void => {
      if (!desk.run(command, true)) setView(view);
    };
    const trade = (side: "buy" | "sell"): void => {
      if (desk.info.kind !== "matched") desk.say(`${desk.symbol} is traded at its venue and only shown here.`, "info");
      else if (desk.account === null) {
        setView("Trade");
        desk.say("Sign in to place orders.", "info");
      } else {
        desk.prefill({ side });
        inView("Trade", "ticket");
      }
    };
    const acts: Record<Action, () => void> = {
      filter: () => inView("Markets", "filter"),
      buy: () => trade("buy"),
      sell: () => trade("sell"),
      cancelAll: () => desk.run("cancelAll"),
      grouping: () => desk.run("grouping"),
      theme: () => nextTheme(theme),
      help: showHelp,
      nextMarket: () => desk.run("nextMarket"),
      previousMarket: () => desk.run("previousMarket"),
      leave: () => (document.activeElement as HTMLElement | null)?.blur(),
    };
    const onKeyDown = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement;
      const typing = target.matches("input:not([type=checkbox], [type=radio]), select, textarea");
      const action = actionOf(event, typing, document.querySelector("dialog[open]") !== null);
      if (action === null || event.defaultPrevented) return;
      if (action !== "leave") event.preventDefault();
      acts[action]();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [desk, theme]);
}
