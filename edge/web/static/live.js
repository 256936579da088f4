// What the cameras see now, how the device is doing, and the switches.

import { Advice, fit } from "./aim.js";
import { Changes } from "./changes.js";
import { Switches } from "./switches.js";
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { duration, inWords, kind, percent } from "./words.js";

export function Live({ about, status, isPrivate, socket, pictures }) {
  const [shown, setShown] = useState({ boxes: true, labels: true, zones: true });
  const [isAiming, setAiming] = useState(false);
  const names = Object.keys(status?.cameras ?? about.cameras).filter((name) => name in about.cameras);
  useEffect(() => {
    socket.watch(isPrivate ? [] : names);
    return () => socket.watch([]);
  }, [isPrivate, names.join(" ")]);
  const flip = (name) => setShown((now) => ({ ...now, [name]: !now[name] }));
  return html`
    ${!isAiming && html`<${Glance} status=${status} />`}
    ${!isPrivate &&
    html`<div class="toolbar" role="group" aria-label="Drawn over the picture">
          ${Object.keys(shown).map(
            (name) =>
              html`<button aria-pressed=${String(shown[name])} onClick=${() => flip(name)}>${name}</button>`,
          )}
          <button aria-pressed=${String(isAiming)} onClick=${() => setAiming(!isAiming)}>aim the camera</button>
        </div>`}
    <div class="cameras">
      ${names.map(
        (name) =>
          html`<${Camera}
            key=${name}
            name=${name}
            state=${status?.cameras[name]}
            isPrivate=${isPrivate}
            shown=${shown}
            isAiming=${isAiming}
            pictures=${pictures}
            isOwner=${about.role === "owner"}
          />`,
      )}
    </div>
    ${about.role === "owner" && status && html`<${Switches} status=${status} />`}
    <${Changes} />
  `;
}

// The newest picture of a camera, drawn on a canvas, and what belongs to it.
export function useScene(name, isPrivate, pictures) {
  const canvas = useRef(null);
  const [scene, setScene] = useState(null);
  useEffect(() => {
    let newest = -1;
    setScene(null);
    pictures.set(name, async (header, blob) => {
      const turn = ++newest;
      const bitmap = await createImageBitmap(blob);
      // The boxes are drawn with the picture that they belong to, and with no other.
      if (turn === newest && canvas.current) {
        canvas.current.width = bitmap.width;
        canvas.current.height = bitmap.height;
        canvas.current.getContext("2d").drawImage(bitmap, 0, 0);
        setScene(header);
      }
      bitmap.close();
    });
    return () => pictures.delete(name);
  }, [name]);
  useEffect(() => {
    if (isPrivate) setScene(null);
  }, [isPrivate]);
  return [canvas, scene];
}

function Camera({ name, state, isPrivate, shown, isAiming, pictures }) {
  const [canvas, scene] = useScene(name, isPrivate, pictures);
  const isOn = state?.connected && !isPrivate;
  return html`<figure class="camera" data-camera=${name}>
    ${!isPrivate &&
    html`<div class="picture">
      <canvas ref=${canvas} width="640" height="360" role="img" aria-label=${`Picture of the camera ${name}`}></canvas>
      ${scene && isOn && html`<${Overlay} ...${{ scene, shown, isAiming }} />`}
      ${!isOn && state && html`<p class="veil">${whyDark(state)}</p>`}
    </div>`}
    ${isAiming && isOn && html`<${Advice} scene=${scene} />`}
    <figcaption>
      <b>${name}</b> <span>${state ? cameraLine(state) : "…"}</span>
      ${scene && isOn &&
      html`<span>${scene.detect_ms} ms a picture${scene.classified ? `, ${scene.classify_ms} ms for ${count(scene.classified)}` : ""}, shown after ${scene.age_ms} ms</span>`}
    </figcaption>
  </figure>`;
}

const count = (faces) => (faces === 1 ? "1 face" : `${faces} faces`);

export function whyDark(state) {
  if (!state.enabled) return "switched off";
  return state.error ?? "gives no pictures";
}

function cameraLine(state) {
  if (!state.enabled) return "off";
  if (!state.connected) return "not connected";
  const share = state.frames ? percent(state.dropped / (state.frames + state.dropped)) : "0 %";
  const view = state.view.length ? `; view: ${state.view.map(inWords).join(", ")}` : "";
  return `${state.fps.toFixed(1)} pictures a second, ${share} dropped${view}`;
}

// Drawn in the picture's own pixels, so that it stays crisp at any size.
function Overlay({ scene, shown, isAiming }) {
  const [width, height] = scene.size;
  const size = height / 26;
  return html`<svg viewBox=${`0 0 ${width} ${height}`} aria-hidden="true">
    ${shown.zones &&
    Object.entries(scene.zones).map(
      ([name, points]) => html`<g class="zone" key=${name}>
        <polygon points=${points.map(([x, y]) => `${x * width},${y * height}`).join(" ")} />
        <text x=${points[0][0] * width + size / 3} y=${points[0][1] * height + size} font-size=${size}>${name}</text>
      </g>`,
    )}
    ${scene.people.filter((person) => person.seen).map(
      (person) => html`<${isAiming ? FaceHeight : PersonBox} key=${person.track} ...${{ person, scene, shown, size }} />`,
    )}
  </svg>`;
}

function FaceHeight({ person, scene, size }) {
  const [width, height] = scene.size;
  const [left, top, w, h] = person.box;
  const large = 2.4 * size;
  const isAbove = top * height > large;
  return html`<g class=${`face ${fit(person.height_px, scene.needed_px)}`} data-track=${person.track}>
    <rect class="box" x=${left * width} y=${top * height} width=${w * width} height=${h * height} />
    <text x=${(left + w / 2) * width} y=${isAbove ? top * height - size / 3 : (top + h) * height + large} font-size=${large}>
      ${person.height_px} px
    </text>
  </g>`;
}

// `note`: what else is said of the person.
export function PersonBox({ person, scene, shown, size, note }) {
  const [width, height] = scene.size;
  const [left, top, w, h] = person.box;
  const x = left * width;
  const y = top * height;
  const status = person.status ?? person.judged;
  const words = [
    status === null ? "…" : inWords(status),
    person.confidence !== null && percent(person.confidence),
    `#${person.track.slice(0, 4)}`,
    ...person.zones,
    note,
  ];
  const text = words.filter(Boolean).join(" ");
  const room = text.length * size * 0.6 + size * 0.5;
  const below = y < size * 1.4;
  const labelX = Math.max(0, Math.min(x, width - room));
  const labelY = below ? y + h * height : y - size * 1.3;
  return html`<g class=${`person ${kind(person.status, person.compliant ? [person.status] : [])}`} data-track=${person.track} data-status=${person.status}>
    ${shown.boxes && html`<rect class="box" x=${x} y=${y} width=${w * width} height=${h * height} />`}
    ${shown.labels &&
    html`<rect class="label" x=${labelX} y=${labelY} width=${room} height=${size * 1.3} />
      <text x=${labelX + size * 0.25} y=${labelY + size} font-size=${size}>${text}</text>`}
  </g>`;
}

function Glance({ status }) {
  if (!status) return null;
  const { outbox, inference_ms: times } = status;
  const oldest = outbox.oldest_unsent_s === null ? "" : `, the oldest for ${duration(outbox.oldest_unsent_s)}`;
  const facts = [
    ["Running for", duration(status.uptime_s)],
    ["A picture", times.detect === null ? "–" : `${times.detect.toFixed(1)} ms`],
    ["A face", times.classify === null ? "–" : `${times.classify.toFixed(1)} ms`],
    ["Processor", status.temperature_c === null ? "–" : `${status.temperature_c.toFixed(0)} °C`],
    ["Broker", `${status.mqtt.acknowledged} events accepted, connected ${status.mqtt.connections} times`],
    ["Outbox", outbox.depth ? `${outbox.depth} events wait${oldest}` : "empty"],
  ];
  return html`<dl class="glance">
    ${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}
