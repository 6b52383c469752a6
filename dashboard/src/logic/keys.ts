/** The keyboard: which key asks for what. */

/** What a key asks for. */
export type Action =
  "filter" | "buy" | "sell" | "cancelAll" | "grouping" | "theme" | "help" | "nextMarket" | "previousMarket" | "leave";

/** A key and what it does, as the help dialog tells it. */
export interface Shortcut {
  /** As in KeyboardEvent.key. */
  keys: readonly string[];
  action: Action;
  does: string;
}

/** All of them, in the order of the help. */
export const SHORTCUTS: readonly Shortcut[] = [
  { keys: ["/"], action: "filter", does: "Filter the markets" },
  { keys: ["j"], action: "nextMarket", does: "Next market" },
  { keys: ["k"], action: "previousMarket", does: "Previous market" },
  { keys: ["b"], action: "buy", does: "Buy: go to the order ticket" },
  { keys: ["s"], action: "sell", does: "Sell: go to the order ticket" },
  { keys: ["c"], action: "cancelAll", does: "Cancel all orders, after a question" },
  { keys: ["g"], action: "grouping", does: "Next grouping of the order book" },
  { keys: ["t"], action: "theme", does: "Next theme: system, dark, light" },
  { keys: ["?"], action: "help", does: "This list" },
  { keys: ["Escape"], action: "leave", does: "Close a dialog, leave a field" },
];

/** What keys do in a panel that has the focus: the panels themselves read them. */
export const PANEL_KEYS: readonly {
  panel: string;
  keys: readonly (readonly [keys: readonly string[], does: string])[];
}[] = [
  { panel: "In the market list", keys: [[["↑", "↓", "Enter"], "Move, select"]] },
  {
    panel: "In the order book",
    keys: [
      [["↑", "↓"], "Move between prices"],
      [["Enter"], "Put the price into the order ticket"],
      [["+", "-"], "Move the own orders at the price"],
      [["Space"], "Open the own orders at the price"],
      [["x"], "Cancel the own orders at the price"],
      [["Home"], "Back to the spread"],
    ],
  },
  {
    panel: "In the chart",
    keys: [
      [["←", "→"], "Scroll"],
      [["+", "-"], "Zoom"],
      [["End"], "To the newest candle"],
    ],
  },
];

/** The part of a KeyboardEvent that counts. */
export interface Press {
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  repeat?: boolean;
}

/**
 * What a key asks for; null for nothing.
 *
 * @param typing whether the focus is in a field where the key is text
 * @param dialog whether a dialog is open, which has its own keys
 */
export function actionOf(press: Press, typing: boolean, dialog: boolean): Action | null {
  if (dialog || press.ctrlKey || press.altKey || press.metaKey) return null;
  if (typing && press.key !== "Escape") return null;
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  const action = SHORTCUTS.find((shortcut) => shortcut.keys.includes(key))?.action ?? null;
  return press.repeat === true && action !== "nextMarket" && action !== "previousMarket" ? null : action;
}
