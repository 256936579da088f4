// Cameras and privacy. What is set here goes the way of every other change, and is kept across restarts.

import { post } from "./api.js";
import { html, useState } from "./vendor/preact.js";

export function Switches({ status }) {
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const set = async (path, value) => {
    setBusy(true);
    setProblem("");
    try {
      await post(`api/settings/${path}`, String(value));
    } catch (error) {
      setProblem(error.message);
    }
    setBusy(false);
  };
  return html`<section class="switches" aria-label="Switches">
    <h2>Switches</h2>
    ${Object.entries(status.cameras).map(
      ([name, camera]) => html`<label key=${name}>
        <input
          type="checkbox"
          checked=${camera.enabled}
          disabled=${isBusy}
          onChange=${(event) => set(`${name}/enabled`, event.target.checked)}
        />
        camera ${name}
      </label>`,
    )}
    <label>
      privacy${" "}
      <select disabled=${isBusy} value=${status.privacy} onChange=${(event) => set("privacy", event.target.value)}>
        <option value="events">events: each person's</option>
        <option value="aggregate">aggregate: counts only</option>
      </select>
    </label>
    ${problem && html`<p class="error" role="alert">${problem}</p>`}
  </section>`;
}
