/** The account's newest fills. */
import { useDesk } from "../desk.ts";
import { useSources } from "../frame.ts";
import { decimalsOf, formatDateTime, formatDecimal } from "../logic/format.ts";
import { when, withoutVenue } from "../logic/rows.ts";
import { SignedOut } from "./signed_out.tsx";
import { TableHead } from "./table_head.tsx";

/** Fills that are shown; the account keeps more, for the portfolio's curve. */
const ROWS_MAX = 200;

/** The fills' panel. */
export function Fills() {
  const desk = useDesk();
  useSources(desk.source, desk.accountSource);
  const { account } = desk;
  const fills = account === null ? [] : account.fills.slice(-ROWS_MAX).reverse();
  const feeDigits = new Map(desk.instruments.map((info) => [info.symbol, Math.max(4, decimalsOf(info.tick_size))]));
  return (
    <section aria-label="Fills" class="panel">
      <div class="panel-head">
        <h2>Fills</h2>
      </div>
      {account === null ? (
        <SignedOut what="your fills" />
      ) : fills.length === 0 ? (
        <p class="empty">No fills yet.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Newest fills">
          <table class="table">
            <caption class="sr-only">Newest fills, newest first</caption>
            <TableHead words={["Time", "Symbol", "Side"]} numbers={["Price", "Size", "Fee"]} last="As" />
            <tbody>
              {fills.map((fill) => (
                <tr key={fill.seq} data-trade={fill.trade_id} data-order={fill.order_id}>
                  <td title={formatDateTime(fill.ts)}>{when(fill.ts)}</td>
                  <td title={fill.symbol}>{withoutVenue(fill.symbol)}</td>
                  <td class={fill.side}>{fill.side === "buy" ? "Buy" : "Sell"}</td>
                  <td class="num">{formatDecimal(fill.price)}</td>
                  <td class="num">{formatDecimal(fill.size)}</td>
                  <td class="num">
                    {formatDecimal(fill.fee, feeDigits.get(fill.symbol) ?? 4)} {fill.fee_asset}
                  </td>
                  <td>{fill.liquidity}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
