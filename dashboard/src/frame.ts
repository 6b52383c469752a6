/**
 * Everything on the page is drawn at most once a frame, however many messages come.
 *
 * Data says that it has changed (`Source.changed`), which costs a few instructions; who draws it is called at the next
 * animation frame, once. Nothing runs while nothing changes, or while the tab is hidden.
 */
import { useEffect, useReducer } from "preact/hooks";

type Draw = () => void;

const due = new Set<Draw>();
let asked = false;

function frame(): void {
  asked = false;
  const draws = [...due];
  due.clear();
  for (const draw of draws) draw();
}

/** Have something drawn at the next animation frame; once, however often it is asked for until then. */
export function atFrame(draw: Draw): void {
  due.add(draw);
  if (!asked) {
    asked = true;
    requestAnimationFrame(frame);
  }
}

/** Draw no more what may be due. */
export function forget(draw: Draw): void {
  due.delete(draw);
}

/** Something that is drawn, by any number of panels. */
export class Source {
  private readonly readers = new Set<Draw>();

  /** To be called by whoever changes it. */
  changed(): void {
    for (const draw of this.readers) atFrame(draw);
  }

  /** Call `draw` at the frame after each change, until the returned function is called. */
  watch(draw: Draw): () => void {
    this.readers.add(draw);
    return () => {
      this.readers.delete(draw);
      due.delete(draw);
    };
  }
}

/** Render the component again at the frame after any of these has changed. */
export function useSources(...sources: Source[]): void {
  const [, render] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const draw = (): void => {
      render(undefined);
    };
    const ends = sources.map((source) => source.watch(draw));
    draw(); // what has changed since the first rendering
    return () => {
      for (const end of ends) end();
    };
  }, sources);
}
