// Fields that keep what a person enters until it is taken over: the page is drawn anew many times a second.

import { html, useEffect, useState } from "./vendor/preact.js";

// `onType`: with each key; `onCommit`: with Enter, or on leaving a changed field.
export function Field({ value, onType, onCommit, ...rest }) {
  const [typed, setTyped] = useState(null);
  return html`<input
    ...${rest}
    value=${typed ?? value}
    onInput=${({ target }) => (setTyped(target.value), onType?.(target.value))}
    onChange=${({ target }) => (onCommit?.(target.value), setTyped(null))}
    onBlur=${() => setTyped(null)}
  />`;
}

// A number that has not been typed in full, such as an empty field, is not passed on.
export const NumberField = ({ onNumber, ...rest }) =>
  html`<${Field} type="number" ...${rest} onType=${(text) => text !== "" && onNumber(Number(text))} />`;

const LATEST_MS = 3000;

// What was chosen, until the device tells the same, has refused it, or tells something else all the time. `ask`: tells
// the device, and says whether it agreed.
export function useChosen(told, ask) {
  const [chosen, setChosen] = useState(null);
  useEffect(() => setChosen(null), [told]);
  const choose = async (value) => {
    const mine = { value };
    setChosen(mine);
    if (await ask(value)) await new Promise((done) => setTimeout(done, LATEST_MS));
    setChosen((now) => (now === mine ? null : now));
  };
  return [chosen ? chosen.value : told, choose];
}
