// Someone else has saved meanwhile: what they changed, and whose values are to hold.

import { html, useEffect, useRef } from "./vendor/preact.js";
import { deviceTime } from "./words.js";

export function Conflict({ conflict, settings, onTheirs, onMine, onDiscard }) {
  const first = useRef(null);
  useEffect(() => first.current?.focus(), []);
  const name = (change) =>
    change.setting === "zones" ? "the zones" : (settings.find((each) => each.setting === change.setting)?.name ?? change.setting);
  const values = ({ setting, was, now }) => (setting === "zones" ? "" : ` from ${was ?? "the model's"} to ${now ?? "the model's"}`);
  return html`<section class="problems" role="alertdialog" aria-label="Someone else has changed the settings">
    <h2>Someone else has changed the settings since you began. Nothing of yours is saved yet.</h2>
    <ul>
      ${conflict.changes.map(
        (change) => html`<li>${name(change)} of ${change.camera}${values(change)}, by ${change.by}, ${deviceTime(change.time)}</li>`,
      )}
    </ul>
    <div class="toolbar">
      <button ref=${first} onClick=${onTheirs}>Keep theirs, and my other changes</button>
      <button onClick=${onMine}>Save mine over theirs</button>
      <button onClick=${onDiscard}>Discard mine</button>
    </div>
  </section>`;
}
