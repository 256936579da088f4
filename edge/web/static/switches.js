// Cameras and privacy. What is set here goes the way of every other change, and is kept across restarts.

import { post } from "./api.js";
import { useChosen } from "./fields.js";
import { html, useState } from "./vendor/preact.js";

export function Switches({ status }) {
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const set = async (path, value) => {
    setBusy(true);
    setProblem("");
    try {
      await post(`api/settings/${path}`, String(value));
      return true;
    } catch (error) {
      setProblem(error.message);
      return false;
    } finally {
      setBusy(false);
    }
  };
  const [privacy, choosePrivacy] = useChosen(status.privacy, (value) => set("privacy", value));
  return html`<section class="switches" aria-label="Switches">
    <h2>Switches</h2>
    ${Object.entries(status.cameras).map(
      ([name, camera]) => html`<${Camera} key=${name} name=${name} isOn=${camera.enabled} isBusy=${isBusy} set=${(value) => set(`${name}/enabled`, value)} />`,
    )}
    <label>
      privacy${" "}
      <select disabled=${isBusy} value=${privacy} onChange=${(event) => choosePrivacy(event.target.value)}>
        <option value="events">events: each person's</option>
        <option value="aggregate">aggregate: counts only</option>
      </select>
    </label>
    ${problem && html`<p class="error" role="alert">${problem}</p>`}
  </section>`;
}

function Camera({ name, isOn, isBusy, set }) {
  const [isChosen, choose] = useChosen(isOn, set);
  return html`<label>
    <input type="checkbox" checked=${isChosen} disabled=${isBusy} onChange=${(event) => choose(event.target.checked)} />
    camera ${name}
  </label>`;
}
