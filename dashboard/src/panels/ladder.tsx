/** The order book by price: asks above, bids below, the spread between them. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { useDesk } from "../desk.ts";
import { useSources } from "../frame.ts";
import { writer } from "../hot.ts";
import { GROUPINGS } from "../logic/grouping.ts";
import { useHold } from "../shared.ts";
import { ladderControl, type LadderControl } from "./ladder_control.ts";
import { OwnEditor } from "./own_editor.tsx";

/** Order book. */
export function Ladder() {
  const desk = useDesk();
  useSources(desk.source);
  useHold(desk.book);
  const grid = useRef<HTMLDivElement>(null);
  const note = useRef<HTMLParagraphElement>(null);
  const control = useRef<LadderControl | null>(null);
  const [step, setStep] = useState(1n);
  const [away, setAway] = useState(false);
  const [editing, setEditing] = useState<readonly string[]>([]);

  useEffect(() => {
    const put = writer(note.current!);
    const made = ladderControl(grid.current!, desk, {
      edit: (orders) => setEditing(orders.map((order) => order.order_id)),
      note: put,
      away: setAway,
    });
    control.current = made;
    return () => {
      made.close();
      control.current = null;
      note.current?.replaceChildren();
    };
  }, [desk]);

  useEffect(() => {
    control.current?.group(step);
  }, [step]);
  useEffect(() => {
    control.current?.renew();
    setStep(1n); // prices of another instrument are of another size
    setEditing([]);
  }, [desk.symbol]);
  useEffect(
    () =>
      desk.command("grouping", () =>
        setStep((now) => GROUPINGS[(GROUPINGS.indexOf(now) + 1) % GROUPINGS.length] ?? 1n),
      ),
    [desk],
  );

  const closeEditor = useCallback(() => {
    setEditing([]);
    grid.current?.focus();
  }, []);

  return (
    <section aria-label="Order book" class="panel book">
      <div class="panel-head">
        <h2>Order book</h2>
        {away && (
          <button type="button" class="button bare small" onClick={() => control.current?.centre()}>
            Centre
          </button>
        )}
        <label class="grouping">
          <span class="label">Group</span>
          <select
            class="input"
            aria-label="Ticks in a row"
            value={String(step)}
            onChange={(event) => setStep(BigInt(event.currentTarget.value))}
          >
            {GROUPINGS.map((ticks) => (
              <option key={String(ticks)} value={String(ticks)}>
                {`${ticks} ${ticks === 1n ? "tick" : "ticks"}`}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p ref={note} class="book-note" />
      <div
        ref={grid}
        class="ladder"
        role="grid"
        tabIndex={0}
        data-ladder=""
        data-state="empty"
        aria-label={`Order book of ${desk.symbol}`}
        aria-describedby="ladder-keys"
      >
        <div class="ladder-head" role="rowgroup">
          <div class="row" role="row">
            <span role="columnheader">Own</span>
            <span role="columnheader">Price</span>
            <span role="columnheader">Size</span>
            <span role="columnheader">Sum</span>
          </div>
        </div>
      </div>
      {editing.length > 0 && <OwnEditor ids={editing} close={closeEditor} />}
      <p id="ladder-keys" class="sr-only">
        Arrow keys move between prices, Enter puts the price into the order ticket. At a price with own orders: x
        cancels them, plus and minus move them, space opens them.
      </p>
    </section>
  );
}
