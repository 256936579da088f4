// The picture of an event: small in the list, large on a click.

import { html, useRef } from "./vendor/preact.js";
import { deviceTime, inWords } from "./words.js";

export function Snapshot({ event }) {
  const dialog = useRef(null);
  const source = `api/snapshots/${event.id}`;
  const said = `${event.camera}, ${inWords(event.status)}, ${deviceTime(event.time)}`;
  return html`
    <button class="thumbnail" onClick=${() => dialog.current.showModal()}>
      <img src=${source} alt=${`Snapshot: ${said}`} loading="lazy" width="96" height="54" />
    </button>
    <dialog ref=${dialog} aria-label="Snapshot" onClick=${(click) => click.target === dialog.current && dialog.current.close()}>
      <img src=${source} alt=${`Snapshot: ${said}`} loading="lazy" />
      <p>${said} <button onClick=${() => dialog.current.close()}>Close</button></p>
    </dialog>
  `;
}
