/** Connects, and hands the page its desk. */
import { render } from "preact";
import {
  type Client,
  connect,
  ConnectionLost,
  type InstrumentInfo,
  keyFile,
  type Login,
  RequestRefused,
} from "tickwire";
import { App } from "./app.tsx";
import { DeskContext } from "./desk.ts";
import { confirm } from "./dialogs.tsx";
import { Brand, KeyFileButton } from "./header.tsx";
import { type Monitor, TICK_MS } from "./logic/connection.ts";
import { reasonOf } from "./logic/refusal.ts";
import { type OpenDesk, openDesk } from "./open_desk.ts";
import { ThreadSocket } from "./socket.ts";
import { startTheme } from "./theme.ts";
import { say, Toasts } from "./toasts.tsx";
import "./style/connection.css";
import "./style/trading.css";
import "./style/book.css";
import "./style/ladder.css";
import "./style/markets.css";
import "./style/theme.css";
import "./style/overlay.css";
import "./style/layout.css";

const URL = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
const WAITS_MS = [1_000, 2_000, 4_000, 8_000]; // before the next tries of the first connection; then always the last

const root = document.getElementById("app");
if (root === null) throw new Error("the page has no #app");

let desk: OpenDesk | null = null;
const theme = startTheme(() => desk?.source.changed());

function wished(): string {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return ""; // not an address that this page made
  }
}

/** What is shown while there is no desk. */
function Start(props: {
  words: string;
  hint?: string;
  again?: (() => void) | undefined;
  signIn?: (text: string) => Promise<void>;
}) {
  return (
    <main class="start">
      <Brand />
      <div role="status">
        <strong>{props.words}</strong>
        {props.hint !== undefined && <p>{props.hint}</p>}
      </div>
      {props.again !== undefined && (
        <button type="button" class="button primary" onClick={props.again}>
          Try now
        </button>
      )}
      {props.signIn !== undefined && <KeyFileButton label="Sign in with a key file" use={props.signIn} />}
      <Toasts />
    </main>
  );
}

function unreachable(hint: string, again?: () => void): void {
  const words = `The server at ${location.host} can't be reached.`;
  render(<Start words={words} hint={hint} again={again} />, root!);
}

/** Resolves after a wait, or at once where the button is pressed. */
function waitToTry(problem: string, ms: number): Promise<void> {
  return new Promise((go) => {
    const until = performance.now() + ms;
    const done = (): void => {
      clearInterval(timer);
      unreachable("Trying…");
      go();
    };
    const draw = (): void => {
      const left = Math.ceil((until - performance.now()) / 1_000);
      if (left > 0) unreachable(`${problem}It may be starting, or stopped. Next try in ${left} s.`, done);
      else done();
    };
    const timer = setInterval(draw, 250);
    draw();
  });
}

/** The first connection, however long it takes. */
async function firstConnection(): Promise<Client> {
  render(<Start words="Connecting…" />, root!);
  for (let tries = 0; ; tries += 1) {
    try {
      return await connect(URL, { WebSocket: ThreadSocket });
    } catch (error) {
      const problem = error instanceof ConnectionLost && error.code >= 4400 ? `${error.message}. ` : "";
      await waitToTry(problem, WAITS_MS[Math.min(tries, WAITS_MS.length - 1)] ?? 1_000);
    }
  }
}

/** The list of instruments, for which a server may want a login first. */
async function firstInstruments(client: Client): Promise<InstrumentInfo[]> {
  for (;;) {
    try {
      return await client.instruments();
    } catch (error) {
      if (!(error instanceof RequestRefused) || error.code !== "not_logged_in") throw error;
      const login = await new Promise<Login>((given) => {
        const read = (text: string): Promise<void> =>
          Promise.resolve(text)
            .then((it) => given(keyFile(it)))
            .catch((wrong: unknown) => say(reasonOf(wrong), "error", "sign in"));
        render(<Start words="This server asks for a key." signIn={read} />, root!);
      });
      await client.login(login).catch((wrong: unknown) => say(reasonOf(wrong), "error", "sign in"));
    }
  }
}

async function start(): Promise<void> {
  const client = await firstConnection();
  const instruments = await firstInstruments(client);
  if (instruments.length === 0) {
    render(
      <Start words="This server has no markets." hint="Start it with a feed, or with its built-in market." />,
      root!,
    );
    return;
  }
  const connection = (monitor: Monitor): void => {
    document.body.dataset.state = monitor.state;
  };
  const opened = openDesk(client, instruments, {
    theme,
    say,
    confirm,
    wished: wished(),
    connection,
    selected: (symbol) => {
      location.hash = symbol;
    },
  });
  desk = opened;
  connection(opened.connection);
  setInterval(() => opened.connection.tick(), TICK_MS);
  for (const event of ["online", "offline"]) addEventListener(event, () => opened.connection.tick());
  addEventListener("hashchange", () => opened.select(wished()));
  render(null, root!);
  render(
    <DeskContext.Provider value={opened}>
      <App theme={theme} />
    </DeskContext.Provider>,
    root!,
  );
}

start().catch((error: unknown) => {
  render(<Start words="This page could not start." hint={reasonOf(error)} again={() => location.reload()} />, root);
});
