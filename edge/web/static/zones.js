// The zones of a camera as a list: their names and rules.

import { Field, NumberField } from "./fields.js";
import { html, useState } from "./vendor/preact.js";
import { inWords } from "./words.js";

// From the device's form, by name, to a list whose entries remember the names that they had there.
export const fromZones = (zones) =>
  Object.entries(zones).map(([name, zone]) => ({ key: name, name, from: name, compliant: null, dwell_s: 0, ignore: false, ...zone }));

export function asZones(list) {
  return Object.fromEntries(
    list.map(({ name, corners, compliant, dwell_s, ignore }) => [name, ignore ? { corners, ignore } : { corners, compliant, dwell_s, ignore }]),
  );
}

export const renames = (list) =>
  Object.fromEntries(list.filter((zone) => zone.from && zone.from !== zone.name).map((zone) => [zone.from, zone.name]));

export function freshName(zones) {
  let number = zones.length + 1;
  while (zones.some((zone) => zone.name === `zone-${number}`)) number += 1;
  return `zone-${number}`;
}

export function ZoneList({ labels, zones, setZones }) {
  const change = (index, part) => setZones(zones.map((zone, i) => (i === index ? { ...zone, ...part } : zone)));
  return html`<h2>Zones</h2>
    ${!zones.length && html`<p class="note">None yet: draw one on the picture. An event lists the zones its person is in.</p>`}
    ${zones.map((zone, index) => html`<${ZoneRules} key=${zone.key ?? index} ...${{ zone, labels, zones }} change=${(part) => change(index, part)} remove=${() => setZones(zones.filter((_, i) => i !== index))} />`)}`;
}

function ZoneRules({ zone, zones, labels, change, remove }) {
  const kind = zone.ignore ? "ignore" : zone.compliant === null ? "camera" : zone.compliant.includes("all") ? "all" : "these";
  const choose = (event) =>
    change({
      camera: { ignore: false, compliant: null },
      all: { ignore: false, compliant: ["all"] },
      these: { ignore: false, compliant: [labels[0]] },
      ignore: { ignore: true, compliant: null, dwell_s: 0 },
    }[event.target.value]);
  const [problem, setProblem] = useState("");
  const rename = (text) => {
    const name = text.trim();
    const isTaken = zones.some((other) => other !== zone && other.name === name);
    setProblem(isTaken ? `There is another zone ${name}; choose another name.` : "");
    if (name && !isTaken) change({ name });
  };
  const flip = (label) =>
    change({ compliant: zone.compliant.includes(label) ? zone.compliant.filter((each) => each !== label) : [...zone.compliant, label] });
  return html`<fieldset class="zone-rules">
    <legend>${zone.name}</legend>
    <label>name <${Field} value=${zone.name} maxlength="64" pattern="[A-Za-z0-9][A-Za-z0-9_\\-]*" onCommit=${rename} /></label>
    ${problem && html`<span class="error" role="alert">${problem}</span>`}
    <label>
      here
      <select value=${kind} onChange=${choose}>
        <option value="camera">the camera's rule holds</option>
        <option value="all">every status complies</option>
        <option value="these">these statuses comply</option>
        <option value="ignore">faces are ignored</option>
      </select>
    </label>
    ${kind === "these" &&
    labels.map((label) => html`<label key=${label}><input type="checkbox" checked=${zone.compliant.includes(label)} onChange=${() => flip(label)} /> ${inWords(label)}</label>`)}
    ${!zone.ignore &&
    html`<label>counts after <${NumberField} min="0" max="3600" step="0.5" value=${zone.dwell_s} onNumber=${(dwell_s) => change({ dwell_s })} /> s</label>`}
    <button onClick=${remove}>Remove ${zone.name}</button>
  </fieldset>`;
}
