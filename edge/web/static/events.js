// Events from the device's own record, and new ones as they happen.

import { get } from "./api.js";
import { Snapshot } from "./snapshot.js";
import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { deviceTime, duration, inWords, kind, percent, viewerTime, zoneName } from "./words.js";

const PERIODS = { "the last hour": 3600, "24 hours": 86400, "7 days": 604800, everything: 0 };

export function Events({ about, events, pictured }) {
  const [wanted, setWanted] = useState({ camera: "", zone: "", status: "", type: "", period: "24 hours" });
  const [past, setPast] = useState(null);
  const [pastPictured, setPastPictured] = useState([]);
  const [problem, setProblem] = useState("");
  const query = useMemo(() => asQuery(wanted), [wanted]);
  useEffect(() => {
    let isCurrent = true;
    setProblem("");
    get(`api/events?${query}&limit=200`)
      .then((answer) => isCurrent && (setPast(answer.events), setPastPictured(answer.snapshots)))
      .catch((error) => isCurrent && (setPast([]), setProblem(error.message)));
    return () => (isCurrent = false);
  }, [query]);
  const rows = useMemo(() => merged(events.filter((event) => fits(event, wanted)), past ?? []), [events, past, wanted]);
  const shown = useMemo(() => new Set([...pictured, ...pastPictured]), [pictured, pastPictured]);
  const known = (field) => [...new Set([...events, ...(past ?? [])].flatMap((event) => event[field]))].sort();
  const zones = [...new Set(Object.values(about.cameras).flatMap((camera) => Object.keys(camera.zones)))];
  const choices = {
    camera: Object.keys(about.cameras),
    zone: zones,
    status: known("status"),
    type: ["started", "changed", "ended"],
  };
  const choose = (name) => (event) => setWanted((now) => ({ ...now, [name]: event.target.value }));
  return html`
    <form class="toolbar" onSubmit=${(event) => event.preventDefault()}>
      ${Object.entries(choices).map(
        ([name, values]) => html`<label key=${name}>
          ${name}
          <select value=${wanted[name]} onChange=${choose(name)}>
            <option value="">any</option>
            ${values.map((value) => html`<option value=${value}>${name === "status" ? inWords(value) : value}</option>`)}
          </select>
        </label>`,
      )}
      <label>
        since
        <select value=${wanted.period} onChange=${choose("period")}>
          ${Object.keys(PERIODS).map((name) => html`<option value=${name}>${name}</option>`)}
        </select>
      </label>
      <span>Save as <a href=${`api/events.csv?${query}`} download>CSV</a> or <a href=${`api/events.json?${query}`} download>JSON</a></span>
    </form>
    ${problem && html`<p class="note" role="status">${problem}</p>`}
    ${!problem && past && !rows.length && html`<p class="note">
      ${about.keep_days ? "No such event is recorded." : "Nothing is recorded, because storage.keep_days is 0."}
    </p>`}
    <div class="wide" tabindex="0" role="region" aria-label="Events">
      <table>
        <thead>
          <tr>
            <th scope="col">Time (${zoneName()})</th><th scope="col">Camera</th><th scope="col">Event</th>
            <th scope="col">Status</th><th scope="col">Sure</th><th scope="col">Zones</th><th scope="col">After</th>
            <th scope="col">Person</th>${shown.size > 0 && html`<th scope="col">Snapshot</th>`}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (event) => html`<tr key=${event.id} class=${kind(event.status, event.compliant ? [event.status] : [])}>
              <td title=${viewerTime(event.time)}>${deviceTime(event.time)}</td>
              <td>${event.camera}</td>
              <td>${event.type}</td>
              <td class="status">${inWords(event.status)}${before(event)}</td>
              <td>${percent(event.confidence)}</td>
              <td>${event.zones.join(", ")}</td>
              <td>${duration(event.duration_s)}</td>
              <td>${event.track.slice(0, 6)}</td>
              ${shown.size > 0 && html`<td>${shown.has(event.id) && html`<${Snapshot} event=${event} />`}</td>`}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}

function asQuery({ period, ...words }) {
  const query = new URLSearchParams(Object.entries(words).filter(([, value]) => value));
  if (PERIODS[period]) query.set("since", String(Math.floor(Date.now() / 1000) - PERIODS[period]));
  return query.toString();
}

function fits(event, { camera, zone, status, type }) {
  const same = (wanted, value) => !wanted || wanted === value;
  return same(camera, event.camera) && same(status, event.status) && same(type, event.type) && (!zone || event.zones.includes(zone));
}

function merged(fresh, past) {
  const known = new Set(past.map((event) => event.id));
  return [...fresh.filter((event) => !known.has(event.id)), ...past];
}

// A crossing of zones, or another rule, leaves the status as it was.
function before({ previous, status, compliant }) {
  if (!previous) return "";
  if (previous === status) return compliant ? " (complies now)" : " (does not comply any more)";
  return ` (was ${inWords(previous)})`;
}
