// Where people stand, by day, and how long they stay in each zone.

import { get } from "./api.js";
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { deviceTime, duration, zoneName } from "./words.js";

const SPANS = { "24 hours": [1, "hour"], "7 days": [7, "day"], "30 days": [30, "day"], "a year": [366, "day"] };
const WIDTH = 640;
const HEIGHT = 360;

export function Places({ about, isPrivate, socket, pictures }) {
  const names = Object.keys(about.cameras);
  const [camera, setCamera] = useState(names[0]);
  return html`
    <form class="toolbar" onSubmit=${(event) => event.preventDefault()}>
      <${Choice} label="camera" value=${camera} choices=${names} onPick=${setCamera} />
      <span>times in ${zoneName()}</span>
    </form>
    <${Heat} key=${camera} ...${{ camera, zones: about.cameras[camera].zones, isPrivate, socket, pictures }} />
    <${Stays} key=${`stays ${camera}`} camera=${camera} />
  `;
}

function Choice({ label, value, choices, onPick }) {
  return html`<label>${label} <select value=${value} onChange=${(event) => onPick(event.target.value)}>
    ${choices.map((each) => html`<option value=${each}>${each}</option>`)}
  </select></label>`;
}

// Asks again every minute; `problem` is a sentence.
function useAnswer(path) {
  const [state, setState] = useState({ answer: null, problem: "" });
  useEffect(() => {
    let isCurrent = true;
    const ask = () =>
      get(path)
        .then((answer) => isCurrent && setState({ answer, problem: "" }))
        .catch((error) => isCurrent && setState({ answer: null, problem: error.message }));
    ask();
    const timer = setInterval(ask, 60000);
    return () => ((isCurrent = false), clearInterval(timer));
  }, [path]);
  return state;
}

function Heat({ camera, zones, isPrivate, socket, pictures }) {
  const [day, setDay] = useState("");
  const [isLive, setLive] = useState(true);
  const { answer, problem } = useAnswer(`api/heat/${camera}${day && `?day=${day}`}`);
  const picture = usePicture(camera, isLive && !isPrivate, socket, pictures);
  if (problem) return html`<p class="note" role="status">${problem}</p>`;
  if (!answer) return null;
  const most = Math.max(...answer.seconds);
  return html`
    <h2>Where people stood on ${answer.day}</h2>
    <div class="toolbar">
      ${answer.days.length > 0 &&
      html`<${Choice} label="day" value=${day || answer.day} choices=${[...answer.days].reverse()} onPick=${setDay} />`}
      <button aria-pressed=${String(isLive)} onClick=${() => setLive(!isLive)}>live picture</button>
      <span>${most ? `the brightest place: ${duration(most)}` : "No one was seen on this day."}</span>
    </div>
    <div class="picture heat">
      <canvas ref=${picture} width=${WIDTH} height=${HEIGHT} hidden=${!isLive}></canvas>
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img"
        aria-label=${`Where people stood before the camera ${camera} on ${answer.day}`}>
        ${most > 0 && answer.seconds.map((seconds, index) => seconds > 0 && cell(answer, index, seconds / most))}
        ${Object.entries(zones).map(
          ([name, points]) => html`<g class="zone" key=${name}>
            <polygon points=${points.map(([x, y]) => `${x * WIDTH},${y * HEIGHT}`).join(" ")} />
            <text x=${points[0][0] * WIDTH + 6} y=${points[0][1] * HEIGHT + 16} font-size="14">${name}</text>
          </g>`,
        )}
      </svg>
    </div>
  `;
}

function cell({ columns, rows }, index, share) {
  const [width, height] = [WIDTH / columns, HEIGHT / rows];
  return html`<rect class="warm" data-cell=${index} x=${(index % columns) * width} y=${Math.floor(index / columns) * height}
    width=${width} height=${height} fill-opacity=${(0.15 + 0.7 * Math.sqrt(share)).toFixed(2)} />`;
}

function usePicture(camera, isWanted, socket, pictures) {
  const canvas = useRef(null);
  useEffect(() => {
    if (!isWanted) return;
    socket.watch([camera]);
    pictures.set(camera, async (_header, blob) => {
      const bitmap = await createImageBitmap(blob);
      canvas.current?.getContext("2d").drawImage(bitmap, 0, 0, WIDTH, HEIGHT);
      bitmap.close();
    });
    return () => (socket.watch([]), pictures.delete(camera));
  }, [camera, isWanted]);
  return canvas;
}

function Stays({ camera }) {
  const [span, setSpan] = useState("7 days");
  const [days, step] = SPANS[span];
  const { answer, problem } = useAnswer(`api/zones?days=${days}&step=${step}`);
  const rows = (answer?.zones ?? []).filter((row) => row.camera === camera).reverse();
  const style = step === "hour" ? { dateStyle: "short", timeStyle: "short" } : { dateStyle: "short" };
  const heads = ["From", "Zone", "Visits", "Broke the rule", "Mean stay", "Median stay"];
  return html`
    <h2>Stays in zones by ${step}</h2>
    <div class="toolbar"><${Choice} label="span" value=${span} choices=${Object.keys(SPANS)} onPick=${setSpan} /></div>
    ${problem && html`<p class="note" role="status">${problem}</p>`}
    ${answer && !rows.length && html`<p class="note">No stay in a zone has ended in this span.</p>`}
    ${rows.length > 0 &&
    html`<div class="wide" tabindex="0" role="region" aria-label="Stays in zones"><table class="stays">
      <thead><tr>${heads.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>
        ${rows.map(
          (row) => html`<tr key=${`${row.begin} ${row.zone}`}>
            <td>${deviceTime(new Date(row.begin * 1000).toISOString(), style)}</td><td>${row.zone}</td>
            <td>${row.visits}</td><td>${row.violations}</td>
            <td>${duration(row.mean_s)}</td><td>${duration(row.median_s)}</td>
          </tr>`,
        )}
      </tbody>
    </table></div>`}
  `;
}
