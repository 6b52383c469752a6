/** The account's balances and positions. */
import { type Desk, useDesk } from "../desk.ts";
import { useSources } from "../frame.ts";
import { amountOf, amountText, roundedText } from "../logic/amount.ts";
import { decimalsOf, formatDecimal, formatSigned, tone } from "../logic/format.ts";
import { withoutVenue } from "../logic/rows.ts";
import { SignedOut } from "./signed_out.tsx";
import { TableHead } from "./table_head.tsx";

/** Digits after the point that an asset is shown with: as finely as it is traded. The exact amount is in the title. */
function digitsOf(asset: string, instruments: Desk["instruments"]): number {
  return Math.max(2, ...instruments.filter((info) => info.base === asset).map((info) => decimalsOf(info.lot_size)));
}

function shown(amount: string, digits: number): string {
  return formatDecimal(roundedText(amountOf(amount), digits), digits);
}

/** The balances' panel. */
export function Balances() {
  const desk = useDesk();
  useSources(desk.source, desk.accountSource);
  const { account } = desk;
  const balances = account === null ? [] : [...account.balances.values()].sort((a, b) => (a.asset < b.asset ? -1 : 1));
  const positions = account === null ? [] : [...account.positions.values()].filter((row) => /[1-9]/.test(row.size));
  const priceDigits = (symbol: string): number =>
    decimalsOf(desk.instruments.find((info) => info.symbol === symbol)?.tick_size ?? "0.01");
  return (
    <section aria-label="Balances" class="panel">
      <div class="panel-head">
        <h2>Balances</h2>
      </div>
      {account === null ? (
        <SignedOut what="your balances" />
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Balances and positions">
          {balances.length === 0 ? (
            <p class="empty">The account holds nothing.</p>
          ) : (
            <table class="table">
              <caption class="sr-only">Balances by asset</caption>
              <TableHead words={["Asset"]} numbers={["Available", "In orders", "Total"]} />
              <tbody>
                {balances.map((row) => {
                  const total = amountText(amountOf(row.available) + amountOf(row.held));
                  const digits = digitsOf(row.asset, desk.instruments);
                  return (
                    <tr key={row.asset} data-asset={row.asset} data-available={row.available} data-held={row.held}>
                      <th scope="row">{row.asset}</th>
                      <td class="num" title={row.available}>
                        {shown(row.available, digits)}
                      </td>
                      <td class="num" title={row.held}>
                        {shown(row.held, digits)}
                      </td>
                      <td class="num" title={total}>
                        {shown(total, digits)}
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          )}
          {positions.length > 0 && (
            <table class="table">
              <caption class="table-caption">What the fills add up to</caption>
              <TableHead words={["Symbol"]} numbers={["Size", "Average price", "Unrealised", "Realised"]} />
              <tbody>
                {positions.map((row) => (
                  <tr key={row.symbol} data-symbol={row.symbol}>
                    <th scope="row" title={row.symbol}>
                      {withoutVenue(row.symbol)}
                    </th>
                    <td class="num">{formatSigned(row.size)}</td>
                    <td class="num" title={row.average_price ?? ""}>
                      {row.average_price === null ? "–" : formatDecimal(row.average_price, priceDigits(row.symbol))}
                    </td>
                    <td class={`num ${tone(row.unrealised ?? "0")}`}>
                      {row.unrealised === null ? "–" : formatSigned(row.unrealised, 2)}
                    </td>
                    <td class={`num ${tone(row.realised)}`}>{formatSigned(row.realised, 2)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </div>
      )}
    </section>
  );
}
