// One row for each setting, made from what the device says of it.

import { NumberField } from "./fields.js";
import { html } from "./vendor/preact.js";

export function Sliders({ settings, values, set }) {
  return html`<h2>How people are judged</h2>
    ${settings.map((each) => html`<${Row} key=${each.setting} each=${each} wanted=${values[`${each.camera}/${each.setting}`]} set=${set} />`)}`;
}

function Row({ each, wanted, set }) {
  const value = wanted === undefined ? each.value : (wanted ?? each.shared);
  const isChanged = wanted !== undefined;
  const change = (next) => set(each.setting, next);
  const id = `tune-${each.setting}`;
  return html`<div class=${`slider ${isChanged ? "changed" : ""}`}>
    <label for=${id} title=${each.about}>${each.name}</label>
    <${Control} ...${{ id, each, value, change }} />
    <small>
      ${isChanged && html`<b>was ${written(each.value, each)}</b>${" "}`}${each.kept}
      ${each.own !== null && wanted !== null && html`${" "}<button class="plain" onClick=${() => change(null)}>as ${each.section} (${written(each.shared, each)})</button>`}
    </small>
  </div>`;
}

function Control({ id, each, value, change }) {
  if (each.choices)
    return html`<select id=${id} value=${value} onChange=${(event) => change(event.target.value)}>
      ${each.choices.map((choice) => html`<option>${choice}</option>`)}
    </select>`;
  if (!each.range)
    return html`<input id=${id} type="checkbox" checked=${value} onChange=${(event) => change(event.target.checked)} />`;
  const [least, most] = each.range;
  // A slider over thousands of steps cannot be aimed: it covers what is usual, and the number beside it all.
  const end = Math.min(most, Math.max(least + 100 * each.step, 2 * each.value));
  return html`<input id=${id} type="range" min=${least} max=${end} step=${each.step} value=${value} onInput=${(event) => change(Number(event.target.value))} />
    <span><${NumberField} aria-label=${each.name} min=${least} max=${most} step=${each.step} value=${value} onNumber=${change} />${each.unit && ` ${each.unit}`}</span>`;
}

function written(value, { unit, step }) {
  if (typeof value !== "number") return String(value);
  const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
  return `${Number(value.toFixed(digits))}${unit ? ` ${unit}` : ""}`;
}
