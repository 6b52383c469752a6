/**
 * Parts that change many times a second: nodes made once and changed in place, and canvases.
 *
 * Nothing here asks for a layout; what is written is what has changed.
 */
import { atFrame, forget } from "./frame.ts";

/** An element of one text. */
export interface Cell {
  readonly element: HTMLElement;
  /** Show this text, unless it is shown already. */
  readonly put: (text: string) => void;
}

/** Make an element with a class and attributes. */
export function make(tag: string, className: string, attributes: Record<string, string> = {}): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Make a cell at the end of `parent`. */
export function cell(parent: HTMLElement, className: string, attributes: Record<string, string> = {}): Cell {
  const element = make("span", className, attributes);
  return { element: parent.appendChild(element), put: writer(element) };
}

/** A function that shows a text in an element of nothing else, unless it is shown already. */
export function writer(element: Element): (text: string) => void {
  const node = document.createTextNode("");
  element.append(node);
  let shown = "";
  return (text) => {
    if (text === shown) return;
    shown = text;
    node.data = text;
  };
}

/** A bar that is scaled to a share of its width, from 0 to 1. */
export function bar(parent: HTMLElement, className: string): (share: number) => void {
  const element = make("span", className, { "aria-hidden": "true" });
  parent.append(element);
  let shown = -1;
  return (share) => {
    if (share === shown) return;
    shown = share;
    element.style.transform = `scaleX(${share})`;
  };
}

/** A canvas of the size of its element. */
export interface Surface {
  readonly context: CanvasRenderingContext2D;
  /** In CSS pixels; 0 before the first layout, and while it is not shown. */
  readonly width: number;
  readonly height: number;
  /** The value of one of the theme's custom properties, such as `--buy`. */
  color(name: string): string;
  /** Say which theme is shown: its colours are looked up once. */
  theme(name: string): void;
  /** Empty it, for a new drawing. */
  clear(): void;
  close(): void;
}

/** Draw on a canvas; `draw` is called at the frame after its size has changed. */
export function surface(canvas: HTMLCanvasElement, draw: () => void): Surface {
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("this browser has no canvas");
  let [width, height, ratio, themed] = [0, 0, 1, ""];
  const colors = new Map<string, string>();
  const observer = new ResizeObserver((entries) => {
    const box = entries.at(-1)?.contentRect;
    if (box === undefined) return;
    [width, height, ratio] = [Math.floor(box.width), Math.floor(box.height), Math.min(devicePixelRatio, 2)];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    atFrame(draw);
  });
  observer.observe(canvas);
  return {
    context,
    get width() {
      return width;
    },
    get height() {
      return height;
    },
    color(name) {
      let value = colors.get(name);
      if (value === undefined) {
        value = getComputedStyle(canvas).getPropertyValue(name).trim();
        colors.set(name, value);
      }
      return value;
    },
    theme(name) {
      if (name !== themed) colors.clear();
      themed = name;
    },
    clear() {
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
    },
    close() {
      observer.disconnect();
      forget(draw);
    },
  };
}

/**
 * At most one drawing in so many milliseconds, for what nobody can read faster; the last change is always drawn.
 *
 * Returns what asks for one, and what ends it.
 */
export function paced(ms: number, draw: () => void): { ask: () => void; end: () => void } {
  let last = -Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const now = (): void => {
    last = performance.now();
    draw();
  };
  const ask = (): void => {
    if (timer !== undefined) return;
    const wait = last + ms - performance.now();
    if (wait <= 0) {
      now();
      return;
    }
    timer = setTimeout(() => {
      timer = undefined;
      atFrame(now);
    }, wait);
  };
  return {
    ask,
    end() {
      clearTimeout(timer);
      forget(now);
    },
  };
}
