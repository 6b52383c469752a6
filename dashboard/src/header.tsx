/** The header: the selected instrument and its day, the connection, and who is signed in. */
import { useEffect, useRef, useState } from "preact/hooks";
import { keyFile } from "tickwire";
import { statusOf, useDesk } from "./desk.ts";
import { showHelp } from "./dialogs.tsx";
import { useSources } from "./frame.ts";
import { arrowOf, formatCompact, formatDecimal, formatPercent, formatSigned, tone } from "./logic/format.ts";
import { reasonOf } from "./logic/refusal.ts";
import { withoutVenue } from "./logic/rows.ts";
import { trouble } from "./logic/status.ts";
import { ConnectionChip } from "./panels/connection.tsx";
import { useHold } from "./shared.ts";
import { type Theme, THEMES } from "./theme.ts";

/** The mark and the name. */
export function Brand() {
  return (
    <h1 class="brand" aria-label="tickwire">
      <svg viewBox="0 0 20 20" aria-hidden="true">
        <path d="M1 13h4l3-9 4 13 3-8h4" fill="none" stroke="var(--accent)" stroke-width="2" stroke-linejoin="round" />
      </svg>
      <span class="brand-name">tickwire</span>
    </h1>
  );
}

/** The header. */
export function Header({ theme }: { theme: Theme }) {
  return (
    <header class="header">
      <Brand />
      <Instrument />
      <div class="header-tools">
        <ConnectionChip />
        <SignIn />
        <ThemeButton theme={theme} />
        <button type="button" class="button bare wide" aria-label="Keys" title="Keys (?)" onClick={showHelp}>
          ?
        </button>
      </div>
    </header>
  );
}

function Instrument() {
  const desk = useDesk();
  useSources(desk.source, desk.tickers.source, desk.status.source);
  useHold(desk.status);
  const day = desk.tickers.get(desk.symbol);
  const status = statusOf(desk);
  const wrong = trouble(status);
  const { base, quote, venue } = desk.info;
  const arrow = day === undefined ? "" : arrowOf(day.change);
  const figures: [name: string, value: string][] =
    day === undefined
      ? []
      : [
          ["24 h change", `${formatSigned(day.change)} (${formatPercent(day.change_pct)})`],
          ["High", formatDecimal(day.high)],
          ["Low", formatDecimal(day.low)],
          [`Volume ${base}`, formatCompact(day.volume)],
          [`Volume ${quote}`, formatCompact(day.quote_volume)],
        ];
  return (
    <div class="instrument" data-feed={status.feed}>
      <div class="instrument-name" title={desk.symbol}>
        {base === "" ? desk.symbol : `${base}/${quote}`}
        <small class="faint">{venue}</small>
      </div>
      <div class={`instrument-last ${day === undefined ? "" : tone(day.change)}`}>
        {day === undefined ? "–" : formatDecimal(day.last)} <small aria-hidden="true">{arrow}</small>
      </div>
      <dl class="figures">
        {figures.map(([name, value], index) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class={index === 0 && day !== undefined ? tone(day.change) : undefined}>{value}</dd>
          </div>
        ))}
      </dl>
      {wrong !== null && (
        <span class="trouble" title={status.reason}>
          ⚠ {wrong === status.instrument ? `trading ${wrong}` : wrong}
        </span>
      )}
    </div>
  );
}

/** A button that reads a key file. The file is read here, never sent, and forgotten with the page. */
export function KeyFileButton({ use, label }: { use: (text: string) => Promise<void>; label: string }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="button" onClick={() => input.current?.click()}>
        {label}
      </button>
      <input
        ref={input}
        type="file"
        accept=".key,application/json"
        class="sr-only"
        tabIndex={-1}
        aria-label="Key file"
        onChange={(event) => {
          const field = event.currentTarget;
          const file = field.files?.[0];
          if (file !== undefined) void file.text().then(use);
          field.value = ""; // the same file can be chosen again
        }}
      />
    </>
  );
}

function SignIn() {
  const desk = useDesk();
  useSources(desk.source);
  const [busy, setBusy] = useState(false);
  const run = async (act: () => Promise<void>, done: string): Promise<void> => {
    setBusy(true);
    try {
      await act();
      desk.say(done, "info", "sign in");
    } catch (error) {
      desk.say(`Not signed in: ${reasonOf(error)}`, "error", "sign in");
    }
    setBusy(false);
  };
  if (desk.account !== null) {
    return (
      <>
        <span class="who" title="Signed in with this account">
          <span class="sr-only">Signed in as </span>
          {desk.client.accountName}
        </span>
        <button type="button" class="button" onClick={() => void desk.signOut().catch(() => undefined)}>
          Sign out
        </button>
      </>
    );
  }
  return (
    <>
      {desk.demo && (
        <button
          type="button"
          class="button primary"
          disabled={busy}
          title="An account with play money, made for whoever looks around"
          onClick={() => void run(() => desk.signIn({ demo: true }), "Signed in. The money is play money.")}
        >
          Demo account
        </button>
      )}
      <span class={desk.demo ? "wide" : undefined}>
        <KeyFileButton
          label="Sign in with a key file"
          use={(text) => run(async () => desk.signIn(keyFile(text)), "Signed in.")}
        />
      </span>
    </>
  );
}

const THEME_SIGNS = { system: "◐", dark: "☾", light: "☀" };

function ThemeButton({ theme }: { theme: Theme }) {
  const desk = useDesk();
  useSources(desk.source);
  return (
    <button
      type="button"
      class="button bare"
      aria-label={`Theme: ${theme.choice}`}
      title={`Theme: ${theme.choice} (t)`}
      onClick={() => nextTheme(theme)}
    >
      {THEME_SIGNS[theme.choice]}
    </button>
  );
}

/** Choose the theme after the present one. */
export function nextTheme(theme: Theme): void {
  theme.choose(THEMES[(THEMES.indexOf(theme.choice) + 1) % THEMES.length] ?? "system");
}

/** Keep the live price in the title, also while the page is in the background. */
export function useTitle(): void {
  const desk = useDesk();
  useEffect(() => {
    const write = (): void => {
      const day = desk.tickers.get(desk.symbol);
      const name = withoutVenue(desk.symbol);
      const live = desk.connection.state === "live" || desk.connection.state === "draining";
      const sign = live && statusOf(desk).feed === "live" ? "" : "⚠ ";
      const arrow = day === undefined ? "" : arrowOf(day.change);
      document.title = `${sign}${day === undefined ? "" : `${formatDecimal(day.last)} ${arrow} `}${name} · tickwire`;
    };
    write();
    const timer = setInterval(write, 1_000);
    return () => clearInterval(timer);
  }, [desk]);
}
