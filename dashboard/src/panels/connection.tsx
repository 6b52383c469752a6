/** The connection: how fast, how late, how much, and what was ever missing. And the banner when it is not well. */
import { useDesk } from "../desk.ts";
import { useSources } from "../frame.ts";
import { type ConnectionState, type Monitor, SAMPLES_MAX } from "../logic/connection.ts";
import { formatCount, formatMeasure } from "../logic/format.ts";

/** The state in a word, with a sign that tells it without a colour. */
const STATE_WORDS: Record<ConnectionState, string> = {
  live: "● live",
  stale: "◐ stale",
  lost: "○ lost",
  reconnecting: "◌ reconnecting",
  draining: "◑ restarting soon",
  ended: "✕ ended",
};

/** What the banner says; null where there is nothing to say. */
function bannerText(monitor: Monitor, online: boolean): string | null {
  switch (monitor.state) {
    case "live":
      return null;
    case "stale":
      return online
        ? `No answer from the server for ${formatMeasure(monitor.unansweredMs / 1_000)} s. What you see may be old.`
        : "This device is offline. What you see may be old.";
    case "lost": {
      const wait = monitor.retryInMs;
      const next = wait === null || wait < 300 ? "" : ` Next try in ${formatMeasure(wait / 1_000)} s.`;
      return `Connection lost.${next} What you see is old.`;
    }
    case "reconnecting":
      return "Connection lost. Connecting… What you see is old.";
    case "draining":
      return `The server restarts in ${formatMeasure((monitor.drainInMs ?? 0) / 1_000)} s. This page reconnects by itself.`;
    case "ended":
      return `The connection has ended: ${monitor.reason}. Load the page again to go on.`;
  }
}

/** Below the header, while the connection is not well. Readers are told of the kind of trouble, not of each second. */
export function Banner() {
  const desk = useDesk();
  const monitor = desk.connection;
  useSources(desk.source, monitor.source);
  const text = bannerText(monitor, navigator.onLine);
  return (
    <div class="banner-row">
      <p class="sr-only" role="status">
        {text === null ? "" : STATE_WORDS[monitor.state].slice(2)}
      </p>
      {text !== null && (
        <div class={`banner ${monitor.state}`}>
          {text}
          {monitor.state === "lost" && (
            <button type="button" class="button small" onClick={() => desk.client.wake()}>
              Try now
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function ms(value: number | null): string {
  if (value === null) return "–";
  return `${formatMeasure(value, value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

/** The state and the latency, in the header. */
export function ConnectionChip() {
  const { connection: monitor } = useDesk();
  useSources(monitor.source);
  return (
    <span class={`connection-state ${monitor.state}`} title="State of the connection, and the median time of an answer">
      {STATE_WORDS[monitor.state]}
      {monitor.state === "live" && <span class="muted"> {ms(monitor.latency.percentile(0.5))}</span>}
    </span>
  );
}

/** The connection panel. */
export function Connection() {
  const { client, connection: monitor } = useDesk();
  useSources(monitor.source);
  const { stats } = client;
  const facts: [name: string, value: string, title: string, bad?: boolean][] = [
    ["Latency", ms(monitor.latency.last), "Time of the newest answer to a ping"],
    ["p50", ms(monitor.latency.percentile(0.5)), "Half of the last minute's pings were answered in this time"],
    ["p99", ms(monitor.latency.percentile(0.99)), "99 of 100 of the last minute's pings were answered in this time"],
    ["Data lag", ms(monitor.lag.last), "How old the newest message was on arrival, by the server's clock"],
    ["Lag p99", ms(monitor.lag.percentile(0.99)), "99 of 100 messages were not older on arrival"],
    ["Messages/s", formatCount(monitor.messagesPerSecond), "Over the last two seconds"],
    ["KB/s", formatMeasure(monitor.kilobytesPerSecond), "Before compression, over the last two seconds"],
    ["Gaps", formatCount(stats.gaps), "How often the server dropped messages of a lossless stream", stats.gaps > 0],
    ["Skipped", formatCount(stats.skipped), "How often states in between were left out because this page was slow"],
    [
      "Lost",
      formatCount(stats.lost),
      "Streams that began anew after a reconnection: those that only tell the newest state always do",
    ],
    ["Resumed", formatCount(stats.resumed), "Streams that went on after a reconnection with nothing missing"],
    [
      "Bad checksums",
      formatCount(stats.checksumMismatches),
      "Books that were not what the server has, and were fetched anew",
      stats.checksumMismatches > 0,
    ],
    ["Connections", formatCount(stats.connections), "How often this page has connected"],
    ["Server", client.hello.version, "Version of the server"],
  ];
  return (
    <section aria-label="Connection" class="panel connection">
      <div class="panel-head">
        <h2>Connection</h2>
        <span class={`connection-state ${monitor.state}`}>{STATE_WORDS[monitor.state]}</span>
      </div>
      <Trace values={monitor.latency.list()} />
      <dl class="facts scroll" tabIndex={0} aria-label="Figures of the connection">
        {facts.map(([name, value, title, bad]) => (
          <div key={name} title={title}>
            <dt>{name}</dt>
            <dd class={bad === true ? "error" : undefined}>
              {bad === true && "! "}
              {value}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** One minute of latency as a line, the newest at the right; the upper edge is the largest. */
function Trace({ values }: { values: number[] }) {
  const top = Math.max(1, ...values);
  const begin = SAMPLES_MAX - values.length;
  const points = values.map((value, index) => `${begin + index},${(38 - (value / top) * 36).toFixed(1)}`).join(" ");
  return (
    <svg
      class="trace"
      viewBox={`0 0 ${SAMPLES_MAX} 40`}
      preserveAspectRatio="none"
      role="img"
      aria-label="Latency, last minute"
    >
      <polyline points={points} />
    </svg>
  );
}
