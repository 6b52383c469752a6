/** One of a few, chosen by a click or the arrow keys: a radio group that looks like segments. */
import { useRef } from "preact/hooks";

/** `options`: value and name of each; `label` names the group for screen readers. */
export function Choice<T extends string>(props: {
  label: string;
  options: readonly (readonly [value: T, name: string, ...unused: unknown[]])[];
  value: T;
  choose: (value: T) => void;
  class?: string;
}) {
  const { label, options, value, choose } = props;
  const group = useRef<HTMLDivElement>(null);
  const chosen = options.findIndex((option) => option[0] === value);
  const move = (event: KeyboardEvent): void => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const at = (chosen + by + options.length) % options.length;
    const next = options[at];
    if (next === undefined) return;
    choose(next[0]);
    group.current?.querySelectorAll("button")[at]?.focus();
  };
  return (
    <div ref={group} role="radiogroup" aria-label={label} class={`segments ${props.class ?? ""}`} onKeyDown={move}>
      {options.map(([option, name]) => (
        <button
          key={option}
          type="button"
          role="radio"
          aria-checked={option === value}
          tabIndex={option === value ? 0 : -1}
          data-value={option}
          onClick={() => choose(option)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
