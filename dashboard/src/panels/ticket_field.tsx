/** A labelled field of the order ticket, with its unit and what is wrong with it. */
import type { ComponentChildren } from "preact";
import type { Field } from "../logic/ticket.ts";

/** The element of a field; its message is `ticket-NAME-error`. */
export function fieldId(field: Field): string {
  return `ticket-${field}`;
}

/** What is wrong with a field, told to screen readers with it. */
export function FieldError(props: { field: Field; error: string | undefined }) {
  if (props.error === undefined) return null;
  return (
    <p id={`${fieldId(props.field)}-error`} class="field-error error" role="alert">
      {props.error}
    </p>
  );
}

/** A number; `children` stand beside its label. */
export function NumberField(props: {
  field: Field;
  label: string;
  unit: string;
  value: string;
  error: string | undefined;
  placeholder?: string;
  children?: ComponentChildren;
  change: (value: string) => void;
}) {
  const { field, label, unit, value, error, change } = props;
  const id = fieldId(field);
  return (
    <div class="field">
      <div class="field-head">
        <label class="label" for={id}>
          {label}
        </label>
        {props.children}
      </div>
      <div class="field-box">
        <input
          id={id}
          class="input"
          name={field}
          value={value}
          placeholder={props.placeholder ?? ""}
          inputMode="decimal"
          autoComplete="off"
          spellcheck={false}
          aria-invalid={error !== undefined}
          aria-describedby={error === undefined ? `${id}-unit` : `${id}-error ${id}-unit`}
          onInput={(event) => change(event.currentTarget.value)}
        />
        <span id={`${id}-unit`} class="field-unit">
          {unit}
        </span>
      </div>
      <FieldError field={field} error={error} />
    </div>
  );
}

/** One of several in a list. */
export function SelectField<T extends string>(props: {
  field: Field;
  label: string;
  options: readonly (readonly [value: T, name: string])[];
  value: T;
  error: string | undefined;
  change: (value: T) => void;
}) {
  const { field, label, options, value, error, change } = props;
  const id = fieldId(field);
  return (
    <div class="field">
      <label class="label" for={id}>
        {label}
      </label>
      <select
        id={id}
        class="input"
        name={field}
        value={value}
        aria-invalid={error !== undefined}
        aria-describedby={error === undefined ? undefined : `${id}-error`}
        onChange={(event) => change(event.currentTarget.value as T)}
      >
        {options.map(([option, name]) => (
          <option key={option} value={option}>
            {name}
          </option>
        ))}
      </select>
      <FieldError field={field} error={error} />
    </div>
  );
}

/** Yes or no. */
export function CheckField(props: {
  field: Field;
  label: string;
  value: boolean;
  error: string | undefined;
  change: (value: boolean) => void;
}) {
  const { field, label, value, error, change } = props;
  const id = fieldId(field);
  return (
    <div class="field-check">
      <label>
        <input
          id={id}
          type="checkbox"
          name={field}
          checked={value}
          aria-describedby={error === undefined ? undefined : `${id}-error`}
          onChange={(event) => change(event.currentTarget.checked)}
        />
        {label}
      </label>
      <FieldError field={field} error={error} />
    </div>
  );
}
