// Visits and compliance by hour or day, from the device's own record.

import { get } from "./api.js";
import { html, useEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { deviceTime, percent, viewerTime, zoneName } from "./words.js";

const SPANS = { "24 hours": [1, "hour"], "7 days": [7, "hour"], "30 days": [30, "day"], "a year": [366, "day"] };
const HEIGHT = 220;

export function Trends({ about, events }) {
  const [span, setSpan] = useState("7 days");
  const [camera, setCamera] = useState("");
  const [hours, setHours] = useState(null);
  const [problem, setProblem] = useState("");
  const [days, step] = SPANS[span];
  const lastVisit = events.find((event) => event.type === "ended")?.id;
  useEffect(() => {
    let isCurrent = true;
    const ask = () =>
      get(`api/trends?days=${days}`)
        .then((answer) => isCurrent && (setProblem(""), setHours(answer.hours)))
        .catch((error) => isCurrent && (setHours([]), setProblem(error.message)));
    ask();
    const timer = setInterval(ask, 60000);
    return () => ((isCurrent = false), clearInterval(timer));
  }, [days, lastVisit]);
  const rows = useMemo(() => summed(hours ?? [], camera, step), [hours, camera, step]);
  const all = rows.reduce((sum, row) => sum + row.compliant + row.violation + row.unknown, 0);
  return html`
    <form class="toolbar" onSubmit=${(event) => event.preventDefault()}>
      <label>span <select value=${span} onChange=${(event) => setSpan(event.target.value)}>
        ${Object.keys(SPANS).map((name) => html`<option value=${name}>${name}</option>`)}
      </select></label>
      <label>camera <select value=${camera} onChange=${(event) => setCamera(event.target.value)}>
        <option value="">all</option>
        ${Object.keys(about.cameras).map((name) => html`<option value=${name}>${name}</option>`)}
      </select></label>
      <a href=${`report?days=${days}`} target="_blank" rel="noopener">report to print</a>
      <span>${all} visits; times in ${zoneName()}</span>
    </form>
    ${problem && html`<p class="note" role="status">${problem}</p>`}
    ${!problem && hours && !rows.length && html`<p class="note">No visit has ended in this span.</p>`}
    ${rows.length > 0 &&
    html`
      <h2>Visits by ${step}</h2>
      <${Chart} rows=${rows} days=${days} label="Visits" series=${[
        ["complied", "--fine", (row) => row.compliant],
        ["broke the rule", "--wrong", (row) => row.violation],
        ["unknown", "--muted", (row) => row.unknown],
      ]} />
      <h2>Compliance by ${step}</h2>
      <${Chart} rows=${rows} days=${days} label="Compliance in percent" series=${[["compliance %", "--accent", share]]} most=${100} />
      <details><summary>As a table</summary><${Table} rows=${rows} step=${step} /></details>
    `}
  `;
}

// In percent, of visits whose status was known at their end; null where there are none.
function share(row) {
  const known = row.compliant + row.violation;
  return known ? (100 * row.compliant) / known : null;
}

function summed(hours, camera, step) {
  const rows = new Map();
  for (const [begin, name, outcome, count] of hours) {
    if (camera && camera !== name) continue;
    const iso = new Date(begin * 1000).toISOString();
    const key = step === "hour" ? String(begin) : deviceTime(iso, { dateStyle: "short" });
    if (!rows.has(key)) rows.set(key, { begin, compliant: 0, violation: 0, unknown: 0 });
    rows.get(key)[outcome] += count;
  }
  return [...rows.values()].sort((one, other) => one.begin - other.begin);
}

function Chart({ rows, days, label, series, most }) {
  const box = useRef(null);
  useEffect(() => {
    const styles = getComputedStyle(document.documentElement);
    const color = (name) => styles.getPropertyValue(name).trim();
    const axis = { stroke: color("--text"), grid: { stroke: color("--line") }, ticks: { stroke: color("--line") } };
    const zone = zoneName();
    const plot = new uPlot(
      {
        width: box.current.clientWidth,
        height: HEIGHT,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
        scales: {
          x: { range: () => [Date.now() / 1000 - days * 86400, Date.now() / 1000] },
          y: { range: (_plot, _least, highest) => [0, most ?? Math.max(1, highest * 1.1)] },
        },
        axes: [axis, axis],
        series: [
          {},
          ...series.map(([name, stroke]) => ({
            label: name,
            stroke: color(stroke),
            width: 2,
            points: { show: true, size: 6, fill: color(stroke) },
          })),
        ],
      },
      [rows.map((row) => row.begin), ...series.map(([, , value]) => rows.map(value))],
      box.current,
    );
    const watcher = new ResizeObserver(() => plot.setSize({ width: box.current.clientWidth, height: HEIGHT }));
    watcher.observe(box.current);
    return () => (watcher.disconnect(), plot.destroy());
  }, [rows]);
  return html`<div class="chart" ref=${box} role="img" aria-label=${label}></div>`;
}

function Table({ rows, step }) {
  const style = step === "hour" ? { dateStyle: "short", timeStyle: "short" } : { dateStyle: "short" };
  return html`<table>
    <thead><tr>${["From", "Complied", "Broke the rule", "Unknown", "Compliance"].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>
      ${rows.map(
        (row) => html`<tr key=${row.begin}>
          <td title=${viewerTime(new Date(row.begin * 1000).toISOString())}>
            ${deviceTime(new Date(row.begin * 1000).toISOString(), style)}
          </td>
          <td>${row.compliant}</td><td>${row.violation}</td><td>${row.unknown}</td>
          <td>${share(row) === null ? "–" : percent(share(row) / 100)}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}
