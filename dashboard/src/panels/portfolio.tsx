/** What the account is worth in one currency, its holdings, and how its value went: before the page was opened and on. */
import { type IChartApi, BaselineSeries, createChart, type UTCTimestamp } from "lightweight-charts";
import { useEffect, useRef, useState } from "preact/hooks";
import { type LiveAccount, type PortfolioResult, RequestRefused } from "tickwire";
import { type Desk, useDesk } from "../desk.ts";
import { atFrame, forget, useSources } from "../frame.ts";
import { amountOf, amountText, ONE, roundedText } from "../logic/amount.ts";
import { seconds } from "../logic/candles.ts";
import { extended, type Point, profit, type Span, SPAN_STEPS, SPANS } from "../logic/equity.ts";
import { formatDecimal, formatPercent, formatSigned, tone } from "../logic/format.ts";
import { reasonOf } from "../logic/refusal.ts";
import { when } from "../logic/rows.ts";
import { chartStyle, css, timeStyle } from "./candle_view.ts";
import { Choice } from "./choice.tsx";
import { pastOf } from "./portfolio_past.ts";
import { SignedOut } from "./signed_out.tsx";
import { TableHead } from "./table_head.tsx";

/** How often it is valued, ms. */
const VALUE_MS = 1_000;

/** The portfolio's panel. */
export function Portfolio() {
  const desk = useDesk();
  useSources(desk.source);
  const { account } = desk;
  const currencies = [...new Set(desk.instruments.map((info) => info.quote))].sort();
  const [chosen, setCurrency] = useState<string | null>(null);
  const [span, setSpan] = useState<Span>("1h");
  const currency = chosen ?? (currencies.includes(desk.info.quote) ? desk.info.quote : (currencies[0] ?? ""));
  return (
    <section aria-label="Portfolio" class="panel">
      <div class="panel-head">
        <h2>Portfolio</h2>
        {account !== null && (
          <>
            <select
              class="input portfolio-currency"
              aria-label="Valued in"
              value={currency}
              onChange={(event) => setCurrency(event.currentTarget.value)}
            >
              {currencies.map((one) => (
                <option key={one} value={one}>
                  {one}
                </option>
              ))}
            </select>
            <Choice label="Time span" options={SPANS} value={span} choose={setSpan} />
          </>
        )}
      </div>
      {account === null ? (
        <SignedOut what="what you hold and how it went" />
      ) : (
        <Worth account={account} currency={currency} span={span} />
      )}
    </section>
  );
}

function Worth({ account, currency, span }: { account: LiveAccount; currency: string; span: Span }) {
  const desk = useDesk();
  const [now, setNow] = useState<PortfolioResult | null>(null);
  const [points, setPoints] = useState<readonly Point[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(
    () => follow(desk, account, currency, span, setNow, setPoints, setProblem),
    [desk, account, currency, span],
  );

  const { gained, ppm } = profit(points);
  const gain = roundedText(gained, 2);
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Value and holdings">
      <div class="portfolio-top">
        <dl class="portfolio-facts">
          <div>
            <dt>Value</dt>
            <dd data-field="total" data-total={now?.total ?? ""}>
              {now === null ? "–" : `${formatDecimal(roundedText(amountOf(now.total), 2), 2)} ${currency}`}
            </dd>
          </div>
          <div>
            <dt>Profit{points[0] !== undefined && ` since ${when(points[0].ts)}`}</dt>
            <dd class={tone(gain)} data-field="profit">
              {points.length < 2 ? "–" : formatSigned(gain, 2)}
              {points.length >= 2 && ppm !== null && ` (${formatPercent(roundedText((ppm * ONE) / 10_000n, 4))})`}
            </dd>
          </div>
        </dl>
        <Curve points={points} currency={currency} step={SPAN_STEPS[span][1]} />
      </div>
      {problem !== null && (
        <p class="error" role="status">
          {problem}
        </p>
      )}
      {now !== null && (
        <table class="table">
          <caption class="sr-only">Holdings, the most valuable first</caption>
          <TableHead words={["Asset"]} numbers={["Amount", `Value in ${currency}`, "Part"]} />
          <tbody>
            {sorted(now).map(({ asset, amount, value }) => (
              <tr key={asset} data-asset={asset}>
                <th scope="row">{asset}</th>
                <td class="num" title={amount}>
                  {formatDecimal(roundedText(amountOf(amount), 4), 4)}
                </td>
                <td class="num">{value === null ? "no price" : formatDecimal(roundedText(amountOf(value), 2), 2)}</td>
                <td class="num">{part(value, now.total)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

/** The holdings that there are, the most valuable first. */
function sorted(now: PortfolioResult): PortfolioResult["holdings"] {
  const worth = (value: string | null): bigint => (value === null ? -1n : amountOf(value));
  return now.holdings
    .filter((holding) => amountOf(holding.amount) !== 0n)
    .sort((one, other) => (worth(one.value) < worth(other.value) ? 1 : -1));
}

function part(value: string | null, total: string): string {
  const all = amountOf(total);
  if (value === null || all <= 0n) return "–";
  return formatDecimal(amountText((amountOf(value) * 1000n * (ONE / 10n)) / all), 1) + "%";
}

/** Value the account once a second, and reconstruct what it was worth before; again after an interruption. */
function follow(
  desk: Desk,
  account: LiveAccount,
  currency: string,
  span: Span,
  setNow: (now: PortfolioResult | null) => void,
  setPoints: (points: readonly Point[]) => void,
  setProblem: (problem: string | null) => void,
): () => void {
  const { client } = desk;
  const [, step] = SPAN_STEPS[span];
  const length = SPANS.find((one) => one[0] === span)![2];
  const abort = new AbortController();
  const stopped = (): boolean => abort.signal.aborted;
  let points: readonly Point[] = [];
  let { epoch } = client.hello;
  let asking = false;
  let reconstructing = false;
  setNow(null);
  setPoints([]);

  const draw = (): void => setPoints(points);
  const reconstruct = async (): Promise<void> => {
    if (reconstructing) return;
    reconstructing = true;
    try {
      const past = await pastOf(desk, account, currency, span, abort.signal);
      if (stopped()) return;
      const before = past.at(-1)?.ts ?? 0n;
      points = [...past, ...points.filter((point) => point.ts > before)];
      setProblem(null);
    } catch (error) {
      if (!stopped()) setProblem(`How it went before is not known: ${reasonOf(error)}`);
    } finally {
      reconstructing = false;
    }
    atFrame(draw);
  };
  const value = async (): Promise<void> => {
    if (asking || document.hidden || !account.valid) return;
    asking = true;
    try {
      const now = await client.portfolio(currency);
      if (stopped()) return;
      const ts = client.serverTime();
      const last = points.at(-1);
      const again = epoch !== client.hello.epoch; // the account began anew with the server
      const interrupted = last === undefined || again || ts - last.ts > 3n * step + 3_000_000_000n;
      if (interrupted) points = [];
      epoch = client.hello.epoch;
      points = extended(points, { ts, value: amountOf(now.total) }, step, ts - length);
      setNow(now);
      atFrame(draw);
      if (interrupted) void reconstruct();
    } catch (error) {
      if (!stopped() && error instanceof RequestRefused) setProblem(reasonOf(error));
    } finally {
      asking = false;
    }
  };
  void value();
  const timer = setInterval(() => void value(), VALUE_MS);
  return () => {
    abort.abort();
    clearInterval(timer);
    forget(draw);
  };
}

/** The curve of the value; above and below where it began it has another colour. */
function Curve({ points, currency, step }: { points: readonly Point[]; currency: string; step: bigint }) {
  const desk = useDesk();
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<((points: readonly Point[]) => void) | null>(null);
  useEffect(() => {
    const chart: IChartApi = createChart(place.current!, { autoSize: true, ...chartStyle() });
    const series = chart.addSeries(BaselineSeries, {
      lineWidth: 2,
      priceLineVisible: false,
      priceFormat: {
        type: "custom",
        minMove: 0.01,
        formatter: (value: number) => formatDecimal(value.toFixed(Math.abs(value) < 100_000 ? 2 : 0)),
      },
    });
    chart.applyOptions({ ...timeStyle(Math.max(60, seconds(step))), handleScroll: false, handleScale: false });
    chart.timeScale().applyOptions({ rightOffset: 0, fixLeftEdge: true, fixRightEdge: true });
    const restyle = (): void => {
      chart.applyOptions(chartStyle());
      const [up, down, clear] = [css("--buy"), css("--sell"), "transparent"];
      series.applyOptions({
        topLineColor: up,
        topFillColor1: css("--buy-soft"),
        topFillColor2: clear,
        bottomLineColor: down,
        bottomFillColor1: clear,
        bottomFillColor2: css("--sell-soft"),
      });
    };
    restyle();
    let theme = desk.theme;
    const end = desk.source.watch(() => {
      if (desk.theme === theme) return;
      theme = desk.theme;
      restyle();
    });
    drawn.current = (all) => {
      const first = all[0];
      if (first !== undefined) series.applyOptions({ baseValue: { type: "price", price: pixel(first) } });
      const bars = new Map(all.map((point) => [seconds(point.ts), pixel(point)]));
      series.setData([...bars].map(([time, value]) => ({ time: time as UTCTimestamp, value })));
      chart.timeScale().fitContent();
    };
    return () => {
      end();
      drawn.current = null;
      chart.remove();
    };
  }, [desk, step]);
  useEffect(() => drawn.current?.(points), [points, step]);
  const { gained } = profit(points);
  const label = `Value in ${currency}: ${points.length < 2 ? "not known yet" : formatSigned(roundedText(gained, 2), 2)}`;
  return <div ref={place} class="portfolio-curve" role="img" aria-label={label} />;
}

/** A value as the chart places it. */
function pixel(point: Point): number {
  return Number(roundedText(point.value, 8));
}
