// Who changed which setting, and by which door: a small list, read when it is opened.

import { get } from "./api.js";
import { html, useState } from "./vendor/preact.js";
import { deviceTime } from "./words.js";

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const DOORS = { file: "config.yaml, reloaded", start: "config.yaml, at a start", command: "MQTT command" };

export function Changes() {
  const [changes, setChanges] = useState(null);
  const [problem, setProblem] = useState("");
  const open = async (event) => {
    if (!event.target.open) return;
    try {
      setChanges((await get("api/audit")).changes);
      setProblem("");
    } catch (error) {
      setProblem(error.message);
    }
  };
  return html`<details class="changes" onToggle=${open}>
    <summary>Changed settings</summary>
    ${problem && html`<p class="error" role="alert">${problem}</p>`}
    ${changes?.length === 0 && html`<p>No change is noted.</p>`}
    ${changes?.length > 0 &&
    html`<ol>
      ${changes.slice(0, 50).map(
        (each) => html`<li>
          <b>${each.setting}</b>: ${shown(each.old)} → ${shown(each.new)}<br />
          <small>${deviceTime(each.time)}, ${DOORS[each.door] ?? each.door}${each.who ? ` (${each.who})` : ""}</small>
        </li>`,
      )}
    </ol>`}
  </details>`;
}
