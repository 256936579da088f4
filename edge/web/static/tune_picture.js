// The live picture with what the tried rules make of it, and zones that can be drawn.

import { PersonBox, useScene, whyDark } from "./live.js";
import { html } from "./vendor/preact.js";
import { inWords } from "./words.js";
import { ZoneEditor } from "./zone_editor.js";

const SHOWN = { boxes: true, labels: true };

export function TunePicture({ camera, state, isPrivate, pictures, zones, setZones, isChanged, tried }) {
  const [canvas, scene] = useScene(camera, isPrivate, pictures);
  if (isPrivate) return null;
  const isOn = state?.connected;
  const picture = html`
    <canvas ref=${canvas} width="640" height="360" role="img" aria-label=${`Picture of the camera ${camera}`}></canvas>
    ${!isOn && state && html`<p class="veil">${whyDark(state)}</p>`}
  `;
  return html`<figure class="camera" data-camera=${camera}>
    <${ZoneEditor} size=${scene?.size ?? [640, 360]} zones=${zones} setZones=${setZones} picture=${picture}>
      ${scene && isOn && people(scene, isChanged, tried).map(
        ({ person, note }) => html`<${PersonBox} key=${person.track} shown=${SHOWN} size=${scene.size[1] / 26} ...${{ person, scene, note }} />`,
      )}
    </${ZoneEditor}>
    <figcaption>${isChanged ? "As your settings would judge the people now; what differs says so." : "As the settings in effect judge the people now."}</figcaption>
  </figure>`;
}

// By the tried rules, with a word where these differ from those in effect. `first`: told before the next picture comes.
function people(scene, isChanged, first) {
  const now = scene.people.filter((person) => person.seen);
  const byTried = scene.time <= first?.time ? first.people : scene.tried;
  if (!isChanged || !byTried) return now.map((person) => ({ person }));
  const live = new Map(now.map((person) => [person.track, person]));
  const known = new Set(byTried.map((person) => person.track));
  const tried = byTried.map((person) => {
    const same = live.get(person.track);
    return { person: { ...person, box: (same ?? person).box }, note: difference(person, same) };
  });
  const missed = now.filter((person) => !known.has(person.track)).map((person) => ({ person: { ...person, status: null, judged: null }, note: "not seen any more" }));
  return [...tried, ...missed];
}

function difference(tried, now) {
  if (!now) return "(new)";
  if (now.status === tried.status && now.compliant === tried.compliant) return "";
  const undecided = tried.status === null ? "undecided " : "";
  return `${undecided}(now: ${now.status === null ? "undecided" : inWords(now.status)})`;
}
